/** A span of time in one or two units: `3s`, `4m`, `2h 5m`, `3d`. Less than a second, or in the future, is `0s`. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return minutes % 60 === 0 ? `${hours}h` : `${hours}h ${minutes % 60}m`
  return `${Math.floor(hours / 24)}d`
}

/** How long ago something was, in words. */
export function ago(at: number, now: number): string {
  return now - at < 1000 ? 'just now' : `${span(now - at)} ago`
}

/** A large number in three digits and a letter: `950`, `1.2k`, `34k`, `5.6M`. */
export function short(count: number): string {
  if (count < 1000) return String(count)
  const [divisor, unit] = count < 999_500 ? [1000, 'k'] : [1_000_000, 'M']
  const value = count / divisor
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${unit}`
}

/** A large number that may not be known, which is not zero: then it is a question mark. */
export function counted(count: number | null): string {
  return count === null ? '?' : short(count)
}

/** The time of day of a moment, in the machine's zone: `14:05:09`. */
export function clockTime(at: number): string {
  return new Date(at).toTimeString().slice(0, 8)
}
