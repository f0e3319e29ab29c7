/** Typing errors (a letter more, less, another, or two swapped; one each) that turn `a` into `b`. */
export function distance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      const swap = isSwap ? (before[j - 2] ?? 0) + 1 : replace
      next.push(Math.min(replace, swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    before = row
    row = next
  }
  return row[b.length] ?? 0
}

/** Longer words are no typing errors, and comparing them would take long. */
const LONGEST = 80

/**
 * What somebody most likely meant by `word`, or null when nothing is near enough: a third of its letters may differ.
 * Case, dashes and underscores do not count.
 */
export function nearest(word: string, candidates: readonly string[]): string | null {
  if (word.length > LONGEST) return null
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '')
  const wanted = plain(word)
  let best: string | null = null
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const errors = distance(wanted, plain(candidate))
    if (errors >= least) continue
    best = candidate
    least = errors
  }
  return best
}
