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
