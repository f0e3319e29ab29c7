import { join } from 'node:path'
import { agentLogDir } from '../agents/start.ts'
import type { Agent } from '../agents/store.ts'
import type { Db } from '../db/open.ts'
import { recentEvents } from '../events/store.ts'
import { fileState } from '../os/files.ts'
import type { Project } from '../project.ts'
import { type EventRow, HISTORY, hasSpoken, showsLife, TRIES } from './eyes.ts'

/** What the records say of an agent's silence. */
export interface SilenceSoFar {
  /** What was done about it, oldest first: nudges, verdicts, and that it was raised or escalated. */
  readonly tries: readonly { readonly type: string; readonly data: Readonly<Record<string, unknown>> }[]
  /** How long its log is now, in bytes. */
  readonly logSize: number
}

/** What was done about an agent's silence since it last showed anything of its own, or was given time by a verdict. */
export async function silenceSoFar(db: Db, project: Project, agent: Agent): Promise<SilenceSoFar> {
  const path = join(agentLogDir(project, agent), 'output.ndjson')
  const logSize = fileState(path)?.size ?? 0
  const events = await recentEvents(db, { agentId: agent.id }, HISTORY)
  const since = events
    .slice(events.findLastIndex((event) => showsLife(event) || event.type === 'agent.starting') + 1)
    .filter(
      ({ at, type, data_json: data }) => at >= agent.state_since && TRIES.has(type) && aboutOf(data) === 'silence',
    )
    .map(({ type, data_json: data }) => ({ type, data: JSON.parse(data) }))
  const nudge = since.findLast(({ type }) => type === 'agent.nudged')
  const spoke = nudge !== undefined && hasSpoken(path, Number(nudge.data.logSize), logSize)
  const anew = since.findLastIndex(({ type }) => type === 'agent.triaged') + 1
  return { tries: spoke ? [] : since.slice(anew), logSize }
}

function aboutOf(data: EventRow['data_json']): unknown {
  return JSON.parse(data).about ?? 'silence'
}
