import { type Git, GitFailure } from '../os/git.ts'

/** Refs below these prefixes (all for none), by their full name, and the objects they name. Broken ones are left out. */
export async function refsUnder(git: Git, prefixes: readonly string[] = []): Promise<Map<string, string>> {
  const text = await git.raw('for-each-ref', '--format=%(refname) %(objectname)', ...prefixes)
  return new Map(text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ', 2) as [string, string]])))
}

/**
 * Those of these commits that none of the tips reaches; what is no commit (any more) is among them. HEADs of worktrees are
 * no tips: they keep nothing once those are gone.
 */
export async function unreached(git: Git, shas: readonly string[], tips: Iterable<string>): Promise<string[]> {
  if (shas.length === 0) return []
  const asked = [...new Set([...shas, ...tips])]
  const types = await git.feed(linesOf(asked), 'cat-file', '--batch-check=%(objecttype)')
  const typeOf = new Map(types.split('\n').map((line, at) => [asked[at] ?? '', line.trim()]))
  const there = shas.filter((sha) => typeOf.get(sha) === 'commit')
  const gone = shas.filter((sha) => typeOf.get(sha) !== 'commit')
  if (there.length === 0) return gone
  const known = [...tips].filter((tip) => ['commit', 'tag'].includes(typeOf.get(tip) ?? ''))
  try {
    const input = linesOf(there) + linesOf(known.map((tip) => `^${tip}`))
    const beyond = new Set((await git.feed(input, 'rev-list', '--stdin')).split('\n'))
    return [...gone, ...there.filter((sha) => beyond.has(sha))]
  } catch (error) {
    // Something is missing in the history: that has an invariant of its own.
    if (error instanceof GitFailure) return gone
    throw error
  }
}

function linesOf(words: readonly string[]): string {
  return words.map((word) => `${word}\n`).join('')
}
