import type { Agent } from '../agents/store.ts'
import { type AgentStateName, LIVE_STATES, type TaskState } from '../contract/states.ts'
import type { Liveness } from '../os/process.ts'

/**
 * What is known of an agent's runner just now: what the kernel says of it; `replaced` when another process owns the
 * agent, to end it; null for an agent that has none.
 */
export type RunnerSeen = Liveness | 'replaced' | null

/**
 * What an agent is doing as far as it can be seen: a live state counts only while its runner is not known to be gone.
 * - `runner_gone`: nobody looks after it
 * - `ending`: somebody stops it, or clears up after its runner
 */
export type Condition = AgentStateName | 'runner_gone' | 'ending'

/** @param task how its task stands: one that lost its runner when its work was in the merge queue is no better than that */
export function conditionOf({ state }: Pick<Agent, 'state'>, runner: RunnerSeen, task?: TaskState): Condition {
  if (state === 'done' && task === 'failed') return 'failed'
  if (!isLive(state)) return state
  return runner === 'gone' ? 'runner_gone' : runner === 'replaced' ? 'ending' : state
}

export function isLive(state: AgentStateName): boolean {
  return (LIVE_STATES as readonly AgentStateName[]).includes(state)
}

/** Lower comes first: who needs somebody, who works, who waits, who has ended. */
export function urgency(condition: Condition, waitingOn: Agent['waiting_on']): number {
  switch (condition) {
    case 'runner_gone':
      return 0
    case 'waiting':
      return waitingOn === 'human' || waitingOn === 'budget' ? 1 : 5
    case 'failed':
      return 2
    case 'working':
    case 'ending':
      return 3
    case 'starting':
      return 4
    case 'queued':
      return 6
    case 'stopped':
    case 'done':
      return 7
  }
}
