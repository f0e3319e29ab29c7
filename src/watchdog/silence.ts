import { type Need, tended } from './needs.ts'

/*
 * The silence of an agent, only while it works. Pure.
 *
 *   signs ──(none for nudgeAfter)──► nudged 1 ──(nudgeEvery)──► … nudged N ──(nudgeEvery)──► raised ◄─┐
 *     ▲                                 │                            │                         │ │ nobody took it
 *     ├──────(a sign of its own)────────┴────────────────────────────┴─────────────────────────┤ └─up: again
 *     └──────(a verdict: anew, so much later)──────────────────────────────────────────────────┘
 *
 * Whose processes compute when it would be time for the next rung is no silent one yet, nor is one a tool of whose runs or
 * whose screen goes on showing something new, each up to `toolLimit`.
 *
 * How often it was nudged is what the records say: another watcher goes on where this one was, and who was sent to nudge it
 * and did not live to do so has not nudged it, so somebody is sent again.
 */

const NEVER = Number.POSITIVE_INFINITY

/** Processes that use this part of one core over so long, in ms, compute. Who only waits for an answer uses less. */
const COMPUTE_SHARE = 0.1
const COMPUTE_MS = 30_000

/** What was done about a trouble of an agent, as recorded. */
export interface Tried {
  /** Nudges since it began. */
  readonly nudges: number
  /** It was handed up, and a tier above has taken it. */
  readonly taken: boolean
  /** The newest verdict of a tier above about it, which gives the agent time. */
  readonly verdict: Given | null
}

/** Time that a verdict gives: its event, until when (wall time), and how much it was when it was given, in ms. */
export interface Given {
  readonly id: number
  readonly until: number
  readonly ms: number
}

/** By less the wall clock may be put right while somebody looks. */
const SET_MS = 3_000

/**
 * How much of it is left at a time of the wall clock, in ms. A clock that shows a time before it was given was set back:
 * it is over then, as who can't tell would give it again and again.
 */
export function timeGiven({ until, ms }: Given, wall: number): number {
  return wall < until - ms - SET_MS ? 0 : Math.max(0, Math.min(ms, until - wall))
}

export const NOTHING_TRIED: Tried = { nudges: 0, taken: false, verdict: null }

export interface Limits {
  /** Silence after which a working agent is nudged, in ms. */
  readonly nudgeAfter: number
  /** The next nudge comes after so many ms of more silence; after the last, it is raised. */
  readonly nudgeEvery: number
  /** Nudges for one silence. */
  readonly nudges: number
  /** So long a tool in flight counts as progress, in ms. */
  readonly toolLimit: number
}

/** What of an agent's look its silence is told by. */
export interface Shows {
  readonly working: boolean
  /** Changes with every sign of the agent's own: an event, output, another state. */
  readonly mark: string
  /** Changes with what its screen shows; 0 where it has none. A spinner turns also for an answer that never comes. */
  readonly screen: number
  /** A tool of its runs. */
  readonly busy: boolean
  /** What the records say was done about its present silence. */
  readonly tried: Tried
  /** Processor time its processes have used so far, in ms; null when it was not asked for, or can't be told. */
  readonly cpuMs: number | null
}

/** What is remembered of a silence. Times are monotonic ms. */
export interface Silence {
  readonly mark: string
  /** Since when the mark has been seen unchanged, without a gap; later, when a verdict gives it time. */
  readonly since: number
  readonly screen: number
  /** When its screen was last seen to show something new; null: never. */
  readonly screenAt: number | null
  /** When somebody was last sent to nudge it, by this watcher; null: not yet. */
  readonly sentAt: number | null
  /** It is to be raised: how often that was asked for. */
  readonly raised: Need | null
  /** The newest verdict about it that is known. */
  readonly verdict: number
  /** What its processes had used when they were asked after, and when that was; null before the first time in a silence. */
  readonly cpu: { readonly ms: number; readonly at: number } | null
  /** They were found computing then, in this silence; null: never. */
  readonly computedAt: number | null
  /** When they are to be asked after next. */
  readonly cpuAt: number
}

/** What is due about a silence: the `nth` nudge, from 1, or that it is raised. `ms`: how long it has lasted. */
export type Due =
  | { readonly do: 'nudge'; readonly ms: number; readonly nth: number }
  | { readonly do: 'raise'; readonly ms: number }

/** A silence after this look: what is remembered, what is due, and when to look again. */
export interface Rung {
  readonly silence: Silence
  readonly due: Due | null
  readonly again: number
}

/** What is known of an agent's silence after this look, before anything is concluded. */
export function hearken(
  { mark, screen, working, tried }: Shows,
  before: Silence | undefined,
  at: { readonly wall: number; readonly mono: number },
  gap: boolean,
): Silence {
  const verdict = tried.verdict?.id ?? 0
  const screenAt = before === undefined || before.screen === screen ? (before?.screenAt ?? null) : at.mono
  const anew = {
    mark,
    screen,
    screenAt,
    sentAt: null,
    raised: null,
    verdict,
    cpu: null,
    computedAt: null,
    cpuAt: NEVER,
  }
  // Time that a verdict gave is not over by a sign in between, nor by another watcher.
  if (verdict > (before?.verdict ?? 0))
    return { ...anew, since: at.mono + (tried.verdict === null ? 0 : timeGiven(tried.verdict, at.wall)) }
  const goesOn = before !== undefined && before.mark === mark && working && !gap
  return goesOn ? { ...before, screen, screenAt, verdict } : { ...anew, since: Math.max(at.mono, before?.since ?? 0) }
}

/** The next rung of a silence, when it is time for it. @param crowd processes that want to run, for each core */
export function nextRung(shows: Shows, silence: Silence, now: number, limits: Limits, crowd: number): Rung {
  const { tried, cpuMs } = shows
  const { since, cpu } = silence
  const { pause, window, dueAt } = timeOf(shows, silence, limits)
  const mayCompute = now - since < limits.toolLimit
  if (cpu === null && cpuMs !== null && mayCompute) {
    const again = Math.max(dueAt, now + window)
    return { silence: { ...silence, cpu: { ms: cpuMs, at: now }, cpuAt: again }, due: null, again }
  }
  if (now < dueAt) {
    // The kernel that was asked and does not tell is asked no sooner again.
    const again = cpu !== null || now >= silence.cpuAt ? dueAt : Math.max(now + 1, dueAt - window)
    return { silence: { ...silence, cpuAt: again }, due: null, again }
  }
  if (tried.taken && tried.nudges >= limits.nudges) return { silence: unasked(silence), due: null, again: NEVER }
  // Nobody asked, as long as it was not certain that it lives.
  if (cpu === null && mayCompute && silence.cpuAt > now && silence.raised === null)
    return { silence: { ...silence, cpuAt: now }, due: null, again: now + 1 }
  const share = COMPUTE_SHARE / Math.max(1, crowd)
  const computes = cpu !== null && cpuMs !== null && cpuMs - cpu.ms >= share * (now - cpu.at)
  if (computes && mayCompute) {
    const again = now + pause - window
    return { silence: { ...silence, cpu: null, computedAt: now, cpuAt: again }, due: null, again }
  }
  if (tried.nudges < limits.nudges) return nudged(tried.nudges + 1, silence, now, limits)
  return raised(silence, now)
}

/** When the next rung is due, and over how long before that it is seen whether processes compute. */
function timeOf(
  { busy, tried }: Shows,
  { since, sentAt, cpu, computedAt, screenAt }: Silence,
  { nudgeAfter, nudgeEvery, toolLimit }: Limits,
): { pause: number; window: number; dueAt: number } {
  const pause = tried.nudges === 0 && sentAt === null ? nudgeAfter : nudgeEvery
  const window = Math.min(COMPUTE_MS, pause / 2)
  const shownAt = screenAt !== null && screenAt - since < toolLimit ? screenAt : since
  const quietFrom = Math.max(sentAt ?? since, computedAt ?? since, shownAt)
  const toolsUntil = busy ? since + toolLimit : 0
  return { pause, window, dueAt: Math.max(quietFrom + pause, toolsUntil, cpu === null ? 0 : cpu.at + window) }
}

function nudged(nth: number, silence: Silence, now: number, { nudgeEvery }: Limits): Rung {
  const again = now + nudgeEvery - Math.min(COMPUTE_MS, nudgeEvery / 2)
  return {
    silence: { ...silence, cpu: null, cpuAt: again, sentAt: now },
    due: { do: 'nudge', ms: now - silence.since, nth },
    again,
  }
}

function raised(silence: Silence, now: number): Rung {
  const need = silence.raised ?? { times: 0, next: now }
  if (now < need.next) return { silence: unasked(silence), due: null, again: need.next }
  const next = tended(need, now)
  return {
    silence: { ...unasked(silence), raised: next },
    due: { do: 'raise', ms: now - silence.since },
    again: next.next,
  }
}

/** Its processes need not be asked after any more. */
function unasked(silence: Silence): Silence {
  return { ...silence, cpuAt: NEVER }
}
