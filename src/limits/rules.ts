import type { FailureCause } from '../contract/runtime.ts'

/** Causes that all agents of an account have in common: what one meets, the next one meets too. */
export const LIMIT_CAUSES = ['rate_limit', 'quota', 'overloaded', 'network', 'auth'] as const
export type LimitCause = (typeof LIMIT_CAUSES)[number]

export function isLimit(cause: FailureCause): cause is LimitCause {
  return (LIMIT_CAUSES as readonly FailureCause[]).includes(cause)
}

/** What holds an account up, or did. Times without a word are ms since the epoch. */
export interface Limit {
  readonly cause: LimitCause
  /** When it is asked again; null: when a person has acted. */
  readonly until: number | null
  /** The same by the monotonic clock of this boot: of the two the earlier holds, as the wall clock may be set back. */
  readonly untilMonotonic: number | null
  readonly boot: string
  /** Nobody named a time. */
  readonly estimated: boolean
  /** How often in a row it was met when it should have been over. */
  readonly setbacks: number
  readonly since: number
  /** What the login looked like when it was refused (`Account.evidence`). */
  readonly evidence: string | null
  /** When it was over; null while it holds. */
  readonly liftedAt: number | null
  /** When the next of those that waited may go on, by the monotonic clock. */
  readonly nextMonotonic: number | null
}

/** Both clocks, read at once. */
export interface Moment {
  readonly now: number
  readonly monotonic: number
  readonly boot: string
}

/** How long to wait where nobody says; from the configuration. In ms. */
export interface Waits {
  /** The first wait. It doubles. */
  readonly backoff: number
  readonly longest: number
  /** Between one and the next of those that go on. */
  readonly spacing: number
}

/**
 * - `free`: nothing is in the way
 * - `held`: nobody asks before it is time
 * - `due`: it is time: one asks, the others wait for what it meets
 * - `stopped`: until a person has acted
 */
export type LimitState = 'free' | 'held' | 'due' | 'stopped'

/** @param evidence what the login looks like now */
export function stateOfLimit(limit: Limit | null, moment: Moment, evidence: string | null): LimitState {
  if (limit === null || limit.liftedAt !== null) return 'free'
  // A login that looks different is worth one try.
  if (limit.until === null) return evidence === limit.evidence ? 'stopped' : 'due'
  return timeLeft(limit, moment) > 0 ? 'held' : 'due'
}

/** How long a limit holds yet, in ms; 0 when it is time. */
export function timeLeft(limit: Pick<Limit, 'until' | 'untilMonotonic' | 'boot'>, moment: Moment): number {
  if (limit.until === null) return Number.POSITIVE_INFINITY
  const byWall = limit.until - moment.now
  const byBoot =
    limit.untilMonotonic === null || limit.boot !== moment.boot ? byWall : limit.untilMonotonic - moment.monotonic
  return Math.max(0, Math.min(byWall, byBoot))
}

const MINUTE = 60_000
/** The longest limit there is ends within a month. */
const LONGEST_LIMIT = 35 * 24 * 60 * MINUTE
/** What comes back so soon after it was over was not over. */
const QUIET_MS = 10 * MINUTE
/** An estimate that has been wrong for so long is given up. */
const GIVEN_UP_MS = 24 * 60 * MINUTE
/** Waits grow by up to this share by chance, so that no two accounts, or machines, ask in step. */
const JITTER = 0.25
/** A quota is seldom back soon. */
const QUOTA_FACTOR = 15

/** A time that has passed, or is far too far off (another clock, another unit), says nothing of when a limit ends. */
export function isReset(at: number | null, now: number): at is number {
  return at !== null && at > now && at - now <= LONGEST_LIMIT
}

/**
 * How long to wait where nobody says, in ms: twice as long each time, and a little by chance.
 * @param dice from 0 up to, not including, 1
 */
export function backoff(cause: LimitCause, setbacks: number, { backoff: first, longest }: Waits, dice: number): number {
  const factor = cause === 'quota' ? QUOTA_FACTOR : 1
  const wait = Math.min(longest * factor, first * factor * 2 ** Math.min(setbacks - 1, 30))
  return Math.round(wait * (1 + JITTER * dice))
}

export interface Hit {
  readonly cause: LimitCause
  /** When the limit ends, if the runtime said. */
  readonly resetAt: number | null
  /** It is the one that was sent to ask. */
  readonly byProbe: boolean
  readonly evidence: string | null
}

/** A limit after somebody met it. What several meet that were under way at once counts once. */
export function afterHit(
  before: Limit | null,
  { cause, resetAt, byProbe, evidence }: Hit,
  moment: Moment,
  waits: Waits,
  dice: number,
): Limit {
  const { now } = moment
  const state = stateOfLimit(before, moment, evidence)
  const isNews = before === null || state === 'free' || state === 'due' || byProbe
  const named = isReset(resetAt, now)
  if (!isNews && cause !== 'auth') {
    // Held already. A time that somebody names is better than any that was guessed.
    return before.until !== null && named && before.estimated
      ? { ...before, ...ends(resetAt, moment), estimated: false }
      : before
  }
  const goesOn = before !== null && (before.liftedAt === null || now - before.liftedAt < QUIET_MS)
  const setbacks = goesOn && isNews ? before.setbacks + 1 : (before?.setbacks ?? 1)
  const known = {
    cause,
    setbacks: goesOn ? setbacks : 1,
    since: goesOn && before.liftedAt === null ? before.since : now,
    evidence: cause === 'auth' ? evidence : null,
    liftedAt: null,
    nextMonotonic: null,
  }
  if (cause === 'auth') return { ...known, until: null, untilMonotonic: null, boot: moment.boot, estimated: false }
  const until = named ? resetAt : now + backoff(cause, known.setbacks, waits, dice)
  return { ...known, ...ends(until, moment), estimated: !named }
}

function ends(until: number, { now, monotonic, boot }: Moment) {
  return { until, untilMonotonic: monotonic + (until - now), boot }
}

/** Whether waiting has not helped for so long that it will not. */
export function isHopeless({ estimated, since }: Limit, now: number): boolean {
  return estimated && now - since >= GIVEN_UP_MS
}

/**
 * The place in the line of those that waited, once a limit is over: how long this one waits yet, in ms, and when the next may
 * go on, by the monotonic clock.
 * @param dice from 0 up to, not including, 1
 */
export function placeInLine(
  limit: Pick<Limit, 'nextMonotonic' | 'boot'>,
  { monotonic, boot }: Moment,
  { spacing }: Waits,
  dice: number,
): { readonly wait: number; readonly next: number } {
  // After a reboot the line begins anew.
  const turn = limit.boot === boot ? Math.max(limit.nextMonotonic ?? monotonic, monotonic) : monotonic
  const mine = turn + Math.round(spacing * JITTER * dice)
  return { wait: mine - monotonic, next: mine + spacing }
}
