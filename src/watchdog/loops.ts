/*
 * Whether somebody goes in circles, by what the records say of its last uses of tools. Pure.
 *
 * Two things are a loop, as long as no commit comes in between:
 * - the same calls with the same outcome, one after another: a tool with the same input, or up to three of them by turns.
 *   Who asks again because the answer changes is not in one: another outcome is another end.
 * - the same error, again and again among what it does: other attempts in between don't help it. A short error (an exit
 *   code) says little, so it is the same only of the same call.
 */

/** A use of a tool, or a turn that failed, that came to its end. */
export interface Ended {
  readonly ok: boolean
  /** The same for the same tool with the same input; null where that is not known. */
  readonly call: string | null
  /** The same for the same outcome. */
  readonly out: string
  readonly tool: string
  /** What came of it, in short. */
  readonly summary: string
  /** ms since the epoch. */
  readonly at: number
}

export interface Loop {
  readonly kind: 'call' | 'error'
  /** The same for as long as it is this loop. */
  readonly key: string
  readonly times: number
  /** The last of what repeats. */
  readonly last: Ended
  /** When the first of them was, in ms since the epoch. */
  readonly since: number
}

const LONGEST_CYCLE = 3
/** An error that is met at least once in so many ends counts as met again. */
const AMONG = 6
/** An error of fewer characters is the same only of the same call. */
const TELLING = 24

/** So many ends have to be remembered. */
export function loopMemory(times: number): number {
  return times * Math.max(LONGEST_CYCLE, AMONG)
}

/** @param times so often something has to be repeated to be a loop; at least 2 */
export function loopIn(ends: readonly Ended[], times: number): Loop | null {
  const last = ends.at(-1)
  return last === undefined ? null : (cycleIn(ends, times, last) ?? errorIn(ends, times, last))
}

function cycleIn(ends: readonly Ended[], times: number, last: Ended): Loop | null {
  for (let period = 1; period <= LONGEST_CYCLE; period++) {
    const part = ends.slice(-period * times)
    if (part.length < period * times || part.some(({ call }) => call === null)) continue
    if (!part.every((one, index) => index < period || isSame(one, part[index - period]))) continue
    const key = part.slice(-period).map(keyOf).toSorted().join(' ')
    return { kind: 'call', key, times, last, since: part[0]?.at ?? last.at }
  }
  return null
}

function errorIn(ends: readonly Ended[], times: number, last: Ended): Loop | null {
  if (last.ok || last.summary === '') return null
  const errors = ends.slice(-AMONG * times).filter(({ ok }) => !ok)
  const again = errors.slice(-times)
  const isAgain = (one: Ended) => one.out === last.out && (last.summary.length >= TELLING || isSame(one, last))
  if (again.length < times || !again.every(isAgain)) return null
  return { kind: 'error', key: last.out, times, last, since: again[0]?.at ?? last.at }
}

function isSame(one: Ended, other: Ended | undefined): boolean {
  return other !== undefined && one.call !== null && one.call === other.call && one.out === other.out
}

function keyOf({ call, out }: Ended): string {
  return `${call}-${out}`
}
