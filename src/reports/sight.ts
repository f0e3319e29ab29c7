import { startSeen } from '../agents/starts.ts'
import { type Agent, ownerOf } from '../agents/store.ts'
import { changedAt } from '../os/files.ts'
import { liveness } from '../os/process.ts'
import { mayRun } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { outputFile } from '../state-dir.ts'
import { isLive, type RunnerSeen } from './condition.ts'

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
  if (agent.state === 'starting') return startSeen(agent, now)
  const owner = ownerOf(agent)
  if (owner === null) return 'unknown'
  const seen = liveness(owner)
  // Who stops an agent, or clears up after its runner, owns it from then on.
  return seen === 'alive' && !mayRun(owner.pid, agent.id) ? 'replaced' : seen
}
