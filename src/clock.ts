import { hrtime } from 'node:process'

/** Milliseconds since the epoch, for people and records. */
export type Millis = number

/** Time comes in through here, so that a test can own it. */
export interface Clock {
  /** Wall clock, ms since the epoch. It may jump; leases never use it. */
  now(): Millis
  /** Milliseconds since boot, the same for all processes of this machine. Only differences mean anything. */
  monotonic(): Millis
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Number(hrtime.bigint() / 1_000_000n),
}

/** The time of day in this machine's zone: with seconds where it is near, with the day where that is another than now. */
export function timeOfDay(at: Millis, now: Millis): string {
  const date = new Date(at)
  const time = date.toTimeString().slice(0, at - now < 120_000 ? 8 : 5)
  return date.toDateString() === new Date(now).toDateString() ? time : `${date.toDateString().slice(4, 10)}, ${time}`
}
