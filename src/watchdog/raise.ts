import { loadedRuntime } from '../agents/registry.ts'
import { type Agent, getAgent } from '../agents/store.ts'
import { type Lease, ownsLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import type { Project } from '../project.ts'
import { minutes } from './nudge.ts'
import { silenceSoFar } from './tries.ts'
import type { Trouble } from './trouble.ts'

/** What the watcher has concluded: a trouble that nudges did not end. */
export type Raise = Pick<Trouble, 'agent' | 'fence' | 'about' | 'ms'>

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
  if (before === undefined || (await loadedRuntime(before.runtime))?.can.prompts !== true) return null
  return write(project.db, async (tx) => {
    const agent = await getAgent(tx, raised.agent)
    if (
      agent?.fence !== raised.fence ||
      agent.state !== 'working' ||
      !(await ownsLease(tx, { ...lease, seized: false }))
    )
      return null
    const { tries } = await silenceSoFar(tx, project, agent)
    if (tries.some(({ type }) => type === 'agent.escalated')) return null
    const nudges = tries.filter(({ type }) => type === 'agent.nudged')
    // It has shown something since the watcher looked.
    if (nudges.length < project.config.watchdog.tier0.nudges) return null
    const found: Trouble = {
      ...raised,
      seen: `It works and has shown nothing for ${minutes(raised.ms)}: no event, no output, no commit.`,
      tried: nudges.map(({ data }) => `It was nudged after ${minutes(Number(data.silentMs))} of silence.`),
    }
    if (!tries.some(({ type }) => type === 'agent.raised')) await record(tx, project, agent, found)
    return found
  })
}

function record(
  tx: Parameters<typeof recordEvent>[0],
  project: Project,
  agent: Agent,
  trouble: Trouble,
): Promise<void> {
  const { about, ms, seen, tried } = trouble
  return recordEvent(tx, {
    at: project.clock.now(),
    type: 'agent.raised',
    runId: agent.run_id,
    agentId: agent.id,
    taskId: agent.task_id,
    data: { about, ms: Math.round(ms), seen, tried },
  })
}
