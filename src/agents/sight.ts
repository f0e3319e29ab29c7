import { changedAt } from '../os/files.ts'
import { liveness } from '../os/process.ts'
import { mayRun, runnersOf } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { outputFile } from '../state-dir.ts'
import { isLive, type RunnerSeen } from './condition.ts'
import { type Agent, ownerOf } from './store.ts'

/** A runner shows among the processes within this time of its start, in ms. */
const START_MS = 2_000

/** What is seen of an agent from outside, now. */
export interface Sight {
  readonly runner: RunnerSeen
  /** When its runtime last printed anything, in ms since the epoch; null when it never did. */
  readonly lastOutput: number | null
}

/** Asks the kernel, and looks when its log was last written to. Nothing is remembered, nothing is written. */
export function look(project: Project, agent: Agent): Sight {
  return {
    runner: runnerOf(agent, project.clock.now()),
    lastOutput: changedAt(outputFile(project, agent)),
  }
}

function runnerOf(agent: Agent, now: number): RunnerSeen {
  if (!isLive(agent.state)) return null
  const owner = ownerOf(agent)
  if (owner === null) return 'unknown'
  const seen = liveness(owner)
  // Who stops an agent, or clears up after its runner, owns it from then on.
  if (agent.state !== 'starting') return seen === 'alive' && !mayRun(owner.pid, agent.id) ? 'replaced' : seen
  if (seen !== 'gone') return seen
  // Until its runner takes over, a start is its starter's, which may end at once. That is no death.
  if (runnersOf(agent.id).length > 0) return 'alive'
  return now - agent.state_since < START_MS ? 'unknown' : 'gone'
}
