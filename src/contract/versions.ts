/** Where a version stands among those that an adapter is certified with, from the lowest to the highest of them. */
export type Standing = 'certified' | 'newer' | 'older'

/** Null where nothing is certified, so that nothing can be told. */
export function standingOf(version: string, certified: readonly string[]): Standing | null {
  const [lowest, ...more] = certified.toSorted(compareVersions)
  if (lowest === undefined) return null
  if (compareVersions(version, lowest) < 0) return 'older'
  return compareVersions(version, more.at(-1) ?? lowest) > 0 ? 'newer' : 'certified'
}

/** The certified versions as a person writes them: `0.168.0 to 0.169.0`. Empty where there is none. */
export function rangeOf(certified: readonly string[]): string {
  const [lowest = '', ...more] = certified.toSorted(compareVersions)
  const highest = more.at(-1) ?? lowest
  return highest === lowest ? lowest : `${lowest} to ${highest}`
}

/**
 * Orders versions: part by part as numbers, a missing part as 0. What follows a dash is a preview of the version before
 * it, or a mark of the build, and comes before that version.
 */
export function compareVersions(a: string, b: string): number {
  const [[numbersA, restA], [numbersB, restB]] = [parted(a), parted(b)]
  for (let at = 0; at < Math.max(numbersA.length, numbersB.length); at++) {
    const difference = (numbersA[at] ?? 0) - (numbersB[at] ?? 0)
    if (difference !== 0) return difference
  }
  if (restA === restB) return 0
  if (restA === '' || restB === '') return restA === '' ? 1 : -1
  return restA < restB ? -1 : 1
}

function parted(version: string): [number[], string] {
  const dash = version.indexOf('-')
  const [numbers, rest] = dash < 0 ? [version, ''] : [version.slice(0, dash), version.slice(dash + 1)]
  return [numbers.split('.').map((part) => Number.parseInt(part, 10) || 0), rest]
}
