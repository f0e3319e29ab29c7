import { openProject } from '../project.ts'
import { reportStatus } from '../reports/report.ts'
import { tell, theirWay, travel } from './hot-call.ts'
import { plainWords } from './hot-words.ts'

/** `ov status --json`, as in commands/status.ts. False, with nothing done, where that one has to do it. */
export async function statusDocument(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, { run: { type: 'string' }, all: { type: 'boolean' } })
  if (words?.json !== true || (words.run !== undefined && words.all)) return false
  const asked = { ...(words.run === undefined ? {} : { run: words.run }), ...(words.all ? { all: true } : {}) }
  const open = () => openProject(process.cwd(), { evenMisconfigured: true })
  const theirs = theirWay()
  if (theirs === null) return false
  await travel(theirs, words, open, async (way) => {
    const report = way.is === 'broker' ? await way.call('status', asked) : await reportStatus(way.project, asked)
    tell(words, report, '')
  })
  return true
}
