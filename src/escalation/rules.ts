import type { AgentStateName, WaitingOn } from '../contract/states.ts'

/** What can be answered to an escalation and is carried out by code. Anything else that is said reaches the agent as mail. */
export const DECISIONS = ['wait', 'nudge', 'restart-fresh', 'stop'] as const
export type DecisionName = (typeof DECISIONS)[number]

/** Somebody above an agent in trouble, as far as it matters for whether it can be asked. */
export interface Superior {
  readonly state: AgentStateName
  readonly waitingOn: WaitingOn | null
  /** ms since the epoch. */
  readonly waitingUntil: number | null
  /** Somebody is asked about it, too. */
  readonly escalated: boolean
}

/**
 * Whether somebody can be asked: who has ended reads nothing, who is in trouble itself would not answer, and who is held
 * back longer than an answer may take could not.
 */
export function canAnswer(superior: Superior, now: number, answerWithin: number): boolean {
  const { state, waitingOn, waitingUntil, escalated } = superior
  if (escalated || state === 'done' || state === 'failed' || state === 'stopped') return false
  const held = waitingOn === 'rate_limit' || waitingOn === 'budget'
  return !held || (waitingUntil !== null && waitingUntil - now < answerWithin)
}
