/*
 * Things that have to be tended, by somebody who may fail or come too late: each is tried when its grace is over, and again
 * after longer and longer pauses for as long as it lasts. Pure.
 */

/** A need that tending did not end is tended again after this long, then twice as long, … */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

/** What is remembered of something that has to be tended. */
export interface Need {
  /** How often it was. */
  readonly times: number
  /** When it is to be the next time, in monotonic ms. */
  readonly next: number
}

/** Something to be tended, and how long it is left to those who do it by themselves. */
export interface Wanted {
  readonly key: string
  readonly grace: number
  /** Trying again would not help. */
  readonly once?: boolean
}

/** A need that has been tried just now. */
export function tended({ times }: Need, now: number): Need {
  return { times: times + 1, next: now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** times) }
}

/** Whether somebody has to be sent now. A need that is over is forgotten. */
export function attend(
  wanted: readonly Wanted[],
  before: ReadonlyMap<string, Need>,
  now: number,
): { due: boolean; needs: [string, Need][]; next: number } {
  const known = wanted.map((one) => ({ ...one, need: before.get(one.key) ?? { times: 0, next: now + one.grace } }))
  const due = known.some(({ need }) => need.next <= now)
  const needs = known.map(({ key, need, once = false }): [string, Need] => [key, after(need, now, once)])
  return { due, needs, next: needs.reduce((least, [, need]) => Math.min(least, need.next), Number.POSITIVE_INFINITY) }
}

/** A need after this look: what was due has been tried. */
function after(need: Need, now: number, once: boolean): Need {
  if (need.next > now) return need
  return once ? { times: need.times + 1, next: Number.POSITIVE_INFINITY } : tended(need, now)
}
