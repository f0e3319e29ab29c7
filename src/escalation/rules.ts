import type { AgentStateName, WaitingOn } from '../contract/states.ts'
import { nearest } from '../nearest.ts'
import type { TroubleKind } from '../watchdog/trouble.ts'

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

/** What an answer says. `say`: neither of the decisions, so it is told to the agent. */
export type Decision =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'say'; readonly text: string }
  | { readonly do: 'restart-fresh' | 'stop'; readonly reason: string }

/** An answer that can't be taken, and what to type instead. */
export type Unclear = { readonly unclear: string; readonly instead: string }

const MINUTE = 60_000
/** An agent that is to be left alone is left alone for so long, where nothing else is said. */
export const DEFAULT_WAIT_MS = 30 * MINUTE
const LONGEST_WAIT_MS = 24 * 60 * MINUTE
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: MINUTE, h: 60 * MINUTE }

/**
 * Understands an answer: a number or name of an option, alone or with what belongs to it (`wait 20m`, `nudge: try make`,
 * `stop: not worth it`), else words for the agent. A single word that almost is an option is no word for the agent.
 */
export function decisionOf(answer: string, options: readonly string[]): Decision | Unclear {
  const text = answer.trim()
  if (/^\d{1,2}$/.test(text)) {
    const chosen = options[Number(text) - 1]
    if (chosen === undefined) return { unclear: `There is no option ${text}.`, instead: options.join(', ') }
    return decisionOf(chosen, options)
  }
  const [, name = '', rest = ''] = /^([a-z][a-z-]*)\b[\s:]*(.*)$/is.exec(text) ?? []
  const option = options.find((one) => one.toLowerCase() === name.toLowerCase())
  // A sentence may begin with the same word: only `stop`, `stop: why` are the option.
  const meant = option !== undefined && (rest === '' || text[name.length] === ':' || option === 'wait')
  if (!meant) {
    const near = /\s/.test(text) ? null : nearest(text, [...options])
    return near === null || text === ''
      ? { do: 'say', text }
      : { unclear: `"${text}" is none of the options.`, instead: near }
  }
  switch (option) {
    case 'wait': {
      const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)\s*([smh])$/i.exec(rest) ?? []
      if (rest === '') return { do: 'wait', ms: DEFAULT_WAIT_MS }
      if (amount === undefined) return { do: 'say', text }
      return { do: 'wait', ms: Math.min(LONGEST_WAIT_MS, Number(amount) * (UNITS[unit.toLowerCase()] ?? 0)) }
    }
    case 'nudge':
      return rest === '' ? { unclear: 'What is it to be told?', instead: 'nudge: …' } : { do: 'say', text: rest }
    case 'restart-fresh':
    case 'stop':
      return { do: option, reason: rest }
    default:
      // An option of whoever asked, which only the agent understands.
      return { do: 'say', text }
  }
}

/** An open escalation, and how those stand whom it is about and to whom it was put. */
export interface Standing {
  readonly about: TroubleKind
  /** The agent is at work, by the owner that was in trouble. */
  readonly sameOwner: boolean
  /** It has shown life since. */
  readonly showsLife: boolean
  /** Its turn has ended, or another has begun, since. */
  readonly movedOn: boolean
  /** `gone`: has ended, or can't answer any more. */
  readonly reader: 'human' | 'able' | 'gone'
  /** For how long the present reader has had it, in ms of monotonic time; null after a reboot, when nobody knows. */
  readonly waitedMs: number | null
}

export type Next =
  | { readonly do: 'keep' }
  /** The time for an answer begins anew. */
  | { readonly do: 'count-anew' }
  /** Nobody needs an answer any more. */
  | { readonly do: 'settle'; readonly why: string }
  /** The next above is asked. */
  | { readonly do: 'go-up'; readonly why: 'ended' | 'late' }

/** What becomes of an open escalation. */
export function nextStep(standing: Standing, answerWithin: number): Next {
  const { about, sameOwner, showsLife, movedOn, reader, waitedMs } = standing
  if (!sameOwner) return { do: 'settle', why: 'the agent has ended, or begun anew' }
  if (movedOn && about !== 'deadline') return { do: 'settle', why: 'it went on by itself' }
  if (showsLife && (about === 'silence' || about === 'dialog')) return { do: 'settle', why: 'it went on by itself' }
  if (reader === 'human') return { do: 'keep' }
  if (reader === 'gone') return { do: 'go-up', why: 'ended' }
  if (waitedMs === null) return { do: 'count-anew' }
  return waitedMs >= answerWithin ? { do: 'go-up', why: 'late' } : { do: 'keep' }
}

/** What a watcher sees of an escalation that is not settled. */
export interface Glimpse {
  readonly answered: boolean
  readonly about: TroubleKind
  readonly sameOwner: boolean
  readonly movedOn: boolean
  /** The newest silence of the agent is one that somebody was asked about. */
  readonly silent: boolean
  readonly reader: 'human' | 'able' | 'gone'
  readonly waitedMs: number | null
}

/** Whether somebody has to look after an escalation: cheaper to tell than what is to be done. */
export function needsTending(glimpse: Glimpse, answerWithin: number): boolean {
  if (glimpse.answered) return true
  const showsLife = glimpse.about === 'silence' && !glimpse.silent
  return nextStep({ ...glimpse, showsLife }, answerWithin).do !== 'keep'
}
