import { type Db, write } from '../db/open.ts'
import { eventsOfKinds, recordEvent } from '../events/store.ts'
import type { ModeReport } from '../load/mode.ts'
import type { Project } from '../project.ts'
import type { Lack } from '../runtimes/lack.ts'
import { type Agent, countLive, getAgent, openAgents } from './store.ts'

/** There are so many kinds of what may be missing. */
const KINDS = 4

/** Why an agent that could go on was left as it is by who looked, and what to type. */
export type Left = Lack & { readonly at: number }

/** Notes that an agent could go on, but not by this process. Once for as long as it waits for the same. */
export async function noteLeft(project: Project, agent: Agent, lack: Lack): Promise<void> {
  if (await isNoted(project.db, agent, lack)) return
  await write(project.db, async (tx) => {
    const now = await getAgent(tx, agent.id)
    if (now?.fence !== agent.fence || (await isNoted(tx, agent, lack))) return
    const facts = { runId: agent.run_id, agentId: agent.id, taskId: agent.task_id }
    const data = { fence: agent.fence, is: lack.is, text: lack.text, hint: lack.hint }
    await recordEvent(tx, { at: project.clock.now(), type: 'agent.left', ...facts, data })
  })
}

/** Why an agent was left by those who looked, since it has this owner: the newest reason; null when it was not. */
export async function leftOf(db: Db, agent: Pick<Agent, 'id' | 'fence'>): Promise<Left | null> {
  return (await notedOf(db, agent)).at(-1) ?? null
}

/** Agents of the queue that were left although there is a place for them. */
export async function leftInQueue(
  db: Db,
  { places, holds }: ModeReport,
): Promise<(Left & { readonly agent: string })[]> {
  const queued = (await openAgents(db)).filter(({ state }) => state === 'queued')
  if (queued.length === 0 || holds !== null || (await countLive(db)) >= places) return []
  const found = await Promise.all(queued.map(async (agent) => ({ agent: agent.name, left: await leftOf(db, agent) })))
  return found.flatMap(({ agent, left }) => (left === null ? [] : [{ ...left, agent }]))
}

/** Agents that were left and have not begun since: those of the queue, and those that lost their runner. */
export async function leftAlone(db: Db): Promise<(Left & { readonly agent: string })[]> {
  const agents = await openAgents(db)
  const found = await Promise.all(agents.map(async (agent) => ({ agent: agent.name, left: await leftOf(db, agent) })))
  return found.flatMap(({ agent, left }) => (left === null ? [] : [{ ...left, agent }]))
}

async function isNoted(db: Db, agent: Agent, lack: Lack): Promise<boolean> {
  return (await notedOf(db, agent)).some(({ is }) => is === lack.is)
}

/** One for each kind of lack, the newest last. */
async function notedOf(db: Db, { id, fence: own }: Pick<Agent, 'id' | 'fence'>): Promise<Left[]> {
  const events = await eventsOfKinds(db, id, ['agent.left'], KINDS)
  return events.flatMap(({ at, data_json }) => {
    const { fence, ...lack }: Lack & { fence: number } = JSON.parse(data_json)
    return fence === own ? [{ ...lack, at }] : []
  })
}
