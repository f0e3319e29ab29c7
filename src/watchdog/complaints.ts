import type { Capability } from '../contract/states.ts'
import type { Complaint, Moment, Verdict } from './rules.ts'
import type { Signs } from './signs.ts'
import type { Given } from './silence.ts'
import type { Trouble } from './trouble.ts'

/*
 * What the records of an agent complain of, and whether it is still so when somebody comes to do something about it. Pure:
 * between the look and the deed there is time, in which the agent may have gone on.
 */

/** How long a task may take, in ms, by capability. */
export type Deadlines = Readonly<Partial<Record<Capability, number | undefined>>>

/** What of an agent's row matters for its troubles. */
export interface Situation {
  readonly state: string
  readonly waiting_on: string | null
  readonly reason: string | null
  /** ms since the epoch. */
  readonly state_since: number
  readonly capability: Capability
}

/** What is known of it beyond that. */
export interface Bearing {
  /** It understands a prompt. */
  readonly reads: boolean
  /** How long it has been at its task, in ms; null where that is not asked. */
  readonly age: number | null
  readonly deadlines: Deadlines
  /** How long a verdict gives it time yet, in ms. */
  readonly timeLeft: (verdict: Given) => number
}

/** What is wrong with an agent that needs no silence to be heard. */
export function complaintsOf(agent: Situation, signs: Signs, now: Moment['wall'], bearing: Bearing): Complaint[] {
  const { reads, age, deadlines, timeLeft } = bearing
  const found: Complaint[] = []
  const complain = (about: Complaint['about'], step: Complaint['step'], key: string, ms: number, inMs: number) => {
    const { taken, verdict } = signs.tried[about]
    if (taken) return
    const given = verdict === null ? 0 : timeLeft(verdict)
    found.push({ about, step, key, ms, inMs: Math.max(0, inMs, given), knows: verdict?.id ?? 0 })
  }
  const { loop, dialog } = signs
  if (loop !== null && reads && agent.state === 'working') {
    const step = signs.nudgedFor.includes(loop.key) ? 'raise' : 'nudge'
    complain('loop', step, loop.key, Math.max(0, now - loop.since), 0)
  }
  const asks = agent.state === 'waiting' && agent.waiting_on === 'human'
  if (dialog !== null && asks && dialog.message === agent.reason)
    complain('dialog', 'raise', dialog.dialog, Math.max(0, now - agent.state_since), 0)
  const deadline = deadlines[agent.capability]
  if (deadline !== undefined && age !== null && agent.state !== 'queued' && !asks)
    complain('deadline', 'raise', '', age, deadline - age)
  return found
}

/** Whether a nudge is still to be given: it was not, and what it is about is not over. */
export function isToNudge(wanted: Extract<Verdict, { do: 'nudge' }>, { tried, loop, nudgedFor }: Signs): boolean {
  return wanted.about === 'silence'
    ? tried.silence.nudges < wanted.nth
    : loop?.key === wanted.key && !nudgedFor.includes(loop.key)
}

/**
 * Whether a trouble is still to be raised: no tier above has taken it, and it is not over. `knows`: the newest verdict that
 * was known when it was seen; one that came since has judged it.
 */
export function isToRaise(
  { about, ms, knows }: Pick<Trouble, 'about' | 'ms'> & { readonly knows: number },
  agent: Omit<Situation, 'waiting_on' | 'state_since'>,
  { tried, loop, nudgedFor, dialog }: Signs,
  { reads, nudges, deadlines }: { reads: boolean; nudges: number; deadlines: Deadlines },
): boolean {
  if (tried[about].taken || (tried[about].verdict?.id ?? 0) > knows) return false
  const works = reads && agent.state === 'working'
  switch (about) {
    case 'silence':
      // It may have shown something since the watcher looked.
      return works && tried.silence.nudges >= nudges
    case 'loop':
      return works && loop !== null && nudgedFor.includes(loop.key)
    case 'dialog':
      return agent.state === 'waiting' && dialog !== null && agent.reason === dialog.message
    case 'deadline':
      return ms >= (deadlines[agent.capability] ?? Number.POSITIVE_INFINITY)
  }
}
