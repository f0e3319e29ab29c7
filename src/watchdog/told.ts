import type { Agent } from '../agents/store.ts'
import type { Db } from '../db/open.ts'
import { eventsOfKinds, recentEvents } from '../events/store.ts'
import { fileState } from '../os/files.ts'
import type { Project } from '../project.ts'
import { outputFile } from '../state-dir.ts'
import { hasSpoken } from './log.ts'
import { type EventRow, hear, LASTING, outlasts, type Signs, signsOf } from './signs.ts'
import { aboutOf } from './trouble.ts'

/** So many events back tell what an agent shows, and what was done about that. */
const HISTORY = 200

/** What the records say of an agent now. */
export interface Told {
  readonly signs: Signs
  /** Its last events, oldest first. */
  readonly events: readonly EventRow[]
  /** How long its log is, in bytes. */
  readonly logSize: number
}

/** Reads an agent's records as the watcher does, for whoever acts for it: what was true when it looked may be over. */
export async function toldOf(db: Db, project: Project, agent: Agent): Promise<Told> {
  const { enabled, loopAfter } = project.config.watchdog.tier0
  return told(db, { stateDir: project.stateDir, loopAfter: enabled ? loopAfter : null }, agent)
}

/** @param upTo the newest event that is taken in; all for none */
export async function told(
  db: Db,
  { stateDir, loopAfter }: { readonly stateDir: string; readonly loopAfter: number | null },
  agent: Pick<Agent, 'id' | 'state_since'>,
  upTo = Number.POSITIVE_INFINITY,
): Promise<Told> {
  const path = outputFile({ stateDir }, agent)
  const logSize = fileState(path)?.size ?? 0
  const events = (await historyOf(db, agent.id)).filter(({ id }) => Number(id) <= upTo)
  const signs = signsOf(events, loopAfter)
  const nudge = events.findLast(({ type, data_json }) => type === 'agent.nudged' && aboutOf(data_json) === 'silence')
  const spoke = nudge !== undefined && hasSpoken(path, Number(JSON.parse(nudge.data_json).logSize), logSize)
  hear(signs, { spoke, stateSince: agent.state_since })
  return { signs, events, logSize }
}

/** The last events of an agent, and before them those that hold however much it has shown since. */
async function historyOf(db: Db, agentId: string): Promise<EventRow[]> {
  const recent = await recentEvents(db, { agentId }, HISTORY)
  const first = recent[0]
  if (first === undefined || recent.length < HISTORY) return recent
  const lasting = await eventsOfKinds(db, agentId, LASTING, HISTORY)
  return [...lasting.filter((event) => Number(event.id) < Number(first.id) && outlasts(event)), ...recent]
}
