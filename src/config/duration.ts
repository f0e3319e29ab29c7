import { OvError } from '../errors.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const

export const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/
export const A_DURATION = 'must be a duration such as 500ms, 60s, 10m or 1h'

/** A duration as people write it, in ms; null for what is none. */
export function readDuration(text: string): number | null {
  const [, amount, unit] = DURATION.exec(text) ?? []
  return amount === undefined ? null : Number(amount) * UNITS[unit as keyof typeof UNITS]
}

/**
 * A duration from a command line, in ms.
 * @throws {OvError} `usage.duration`
 */
export function durationOf(text: string): number {
  const ms = readDuration(text)
  if (ms !== null && ms > 0) return ms
  throw new OvError('user', 'usage.duration', `"${text}" is no duration.`, { hint: 'Such as 90s, 30m or 2h.' })
}
