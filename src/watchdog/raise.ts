import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import { type Lease, ownsLease } from '../db/lease.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import type { Project } from '../project.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { type Deadlines, isToRaise } from './complaints.ts'
import type { Loop } from './loops.ts'
import { type Told, toldOf } from './told.ts'
import { minutes, triesIn } from './tries.ts'
import type { Trouble } from './trouble.ts'

/** What the watcher has concluded: a trouble that nudges did not end, or can't. */
export interface Raise extends Pick<Trouble, 'agent' | 'fence' | 'about' | 'ms'> {
  /** Id of the newest verdict about it that was known then; 0 for none. */
  readonly knows: number
}

/**
 * Makes sure that a trouble is still there, and records that it is raised, once however often it is handed up. Null when
 * it is over, or a tier above has taken it.
 *
 * @param lease the right to watch; without it nothing is done
 */
export async function raise(
  project: Project,
  lease: Pick<Lease, 'resource' | 'fence'>,
  raised: Raise,
): Promise<Trouble | null> {
  const before = await getAgent(project.db, raised.agent)
  if (before === undefined) return null
  const reads = (await loadedRuntime(before.runtime))?.can.prompts === true
  return write(project.db, async (tx) => {
    const agent = await getAgent(tx, raised.agent)
    if (agent?.fence !== raised.fence || !isOpen(agent)) return null
    if (!(await ownsLease(tx, { ...lease, seized: false }))) return null
    const told = await toldOf(tx, project, agent)
    const { deadlines, tier0 } = project.config.watchdog
    if (!isToRaise(raised, agent, told.signs, { reads, nudges: tier0.nudges, deadlines })) return null
    const tried = triesIn(
      told.events,
      raised.about,
      raised.about === 'loop' ? 1 : told.signs.tried[raised.about].nudges,
    )
    const { knows: _, ...found } = raised
    const trouble: Trouble = { ...found, seen: seenOf(raised, agent, told, deadlines), tried }
    if (!told.signs.raised.includes(raised.about)) await record(tx, project, agent, trouble)
    return trouble
  })
}

/** What is seen, in a sentence. */
function seenOf({ about, ms }: Raise, { capability }: Agent, { signs }: Told, deadlines: Deadlines): string {
  switch (about) {
    case 'silence':
      return `It works and has shown nothing for ${minutes(ms)}: no event, no output, no commit.`
    case 'loop':
      return signs.loop === null ? 'It goes in circles.' : loopSeen(signs.loop)
    case 'dialog':
      return `Its screen asks: "${oneLine(signs.dialog?.dialog ?? '', 200)}", and nobody has answered.`
    case 'deadline':
      return `It has been at its task for ${minutes(ms)}; a ${capability} may take ${minutes(deadlines[capability] ?? ms)}.`
  }
}

function loopSeen({ kind, times, last: { tool, summary } }: Loop): string {
  const of = tool === '' ? '' : ` of ${oneLine(tool, 60)}`
  return kind === 'error'
    ? `It was told so, and has met the same error${of} ${times} times more, without a commit: ${oneLine(summary, 200)}`
    : `It was told so, and has made the same call${of} ${times} times more, with the same outcome each time.`
}

function record(tx: Db, project: Project, agent: Agent, { about, ms, seen, tried }: Trouble): Promise<void> {
  return recordEvent(tx, {
    at: project.clock.now(),
    type: 'agent.raised',
    runId: agent.run_id,
    agentId: agent.id,
    taskId: agent.task_id,
    data: { about, ms: Math.round(ms), seen, tried },
  })
}
