import { join } from 'node:path'
import { openDatabase } from '../../../src/db/open.ts'
import { bareInsert } from '../floors.ts'
import type { Row } from '../row.ts'

const SENDERS = 16
/** Mails that each sends, one process a mail. */
const EACH = 3
const ALL = SENDERS * EACH

export default {
  figure: 'mail-16-senders',
  rounds: { long: 15, short: 3 },
  async prepare(stage) {
    const cwd = await stage.project()
    const db = openDatabase(join(cwd, '.overstory', 'state.db'))
    stage.afterwards(() => db.destroy())
    const count = async () => (await db.selectFrom('mail').select('id').execute()).length
    const sender = `for i in $(seq ${EACH}); do "$@" || exit 1; done`
    const all = `seq ${SENDERS} | xargs -P ${SENDERS} -I @number@ /bin/sh -c '${sender}' sh "$@"\n`
    const script = stage.script('senders.sh', all)
    const argv = (command: readonly string[]) => ['/bin/sh', script, ...command]
    const insert = bareInsert(stage, join(stage.home.path, 'bare.db'))
    const send = stage.ov('mail', 'send', '--to', 'human', '--subject', 'How far are you?', '--body', 'Tell me.')
    return {
      floor: { name: 'node, one INSERT each', take: async () => ({ ...(await stage.run(argv(insert))), count: ALL }) },
      ours: {
        name: 'ov mail send',
        async take() {
          const before = await count()
          const taken = await stage.run(argv(send), { cwd })
          const arrived = (await count()) - before
          if (arrived !== ALL) throw new Error(`${ALL - arrived} of ${ALL} mails were lost`)
          return { ...taken, count: ALL }
        },
      },
    }
  },
} satisfies Row
