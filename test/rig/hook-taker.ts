import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { getAgent } from '../../src/agents/store.ts'
import { systemClock } from '../../src/clock.ts'
import { openDatabase } from '../../src/db/open.ts'
import { hookFolder } from '../../src/hooks/folder.ts'
import { openSpool } from '../../src/hooks/spool.ts'
import { takeIn } from '../../src/hooks/take-in.ts'

/*
 * Takes in what an agent's hooks record, for ever, and may be killed at any moment:
 *   hook-taker.ts DATABASE AGENT PRIVATE-FOLDER
 * Every byte on stdout is a batch that it has taken in.
 */
const [path = '', id = '', privateDir = ''] = process.argv.slice(2)
const project = { db: openDatabase(path), clock: systemClock }
const agent = await getAgent(project.db, id)
if (agent === undefined) throw new Error(`no agent ${id}`)
const spool = openSpool(hookFolder(privateDir), systemClock)
// A killed process would leave no cache behind, and the next would start slowly.
flushCompileCache()
for (;;) {
  const { taken } = await takeIn({
    project,
    agent,
    spool,
    reading: ({ payload }) => ({ events: [], notes: [{ type: 'tool.end', data: { payload } }] }),
  })
  if (taken.length > 0) writeSync(1, '.')
  await new Promise(setImmediate)
}
