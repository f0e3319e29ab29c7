/** Edits (insert, delete, replace, one each) that turn `a` into `b`. */
export function levenshtein(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
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
    const distance = levenshtein(wanted, plain(candidate))
    if (distance >= least) continue
    best = candidate
    least = distance
  }
  return best
}
