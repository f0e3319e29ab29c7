import { join } from 'node:path'
import { changedAt } from '../os/files.ts'
import { type Liveness, liveness } from '../os/process.ts'
import { runnersOf } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { isLive } from './condition.ts'
import { agentLogDir } from './start.ts'
import { type Agent, ownerOf } from './store.ts'

/** A runner shows among the processes within this time of its start, in ms. */
const START_MS = 2_000

/** What is seen of an agent from outside, now. */
export interface Sight {
  /** What the kernel says of its runner; null for an agent that has none. */
  readonly runner: Liveness | null
  /** When its runtime last printed anything, in ms since the epoch; null when it never did. */
  readonly lastOutput: number | null
}

/** Asks the kernel, and looks when its log was last written to. Nothing is remembered, nothing is written. */
export function look(project: Project, agent: Agent): Sight {
  return {
    runner: runnerOf(agent, project.clock.now()),
    lastOutput: changedAt(join(agentLogDir(project, agent), 'output.ndjson')),
  }
}

function runnerOf(agent: Agent, now: number): Liveness | null {
  if (!isLive(agent.state)) return null
  const owner = ownerOf(agent)
  if (owner === null) return 'unknown'
  const seen = liveness(owner)
  if (seen !== 'gone' || agent.state !== 'starting') return seen
  // Until its runner takes over, a start is its starter's, which may end at once. That is no death.
  if (runnersOf(agent.id).length > 0) return 'alive'
  return now - agent.state_since < START_MS ? 'unknown' : 'gone'
}
