import { theirWay } from './hot-call.ts'
import { plainWords } from './hot-words.ts'

/** `ov merge` without --dry-run, as in commands/merge.ts. False, with nothing done, where that one has to do it. */
export async function merge(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, {
    all: { type: 'boolean' },
    branch: { type: 'string', short: 'b' },
    land: { type: 'boolean' },
    'no-land': { type: 'boolean' },
  })
  if (words === null || (words.all && words.branch !== undefined) || (words.land && words['no-land'])) return false
  const theirs = theirWay()
  // It is the human's.
  if (theirs?.is !== 'human') return false
  const { mergeHere } = await import('./hot-merge-work.ts')
  await mergeHere(theirs, words, { branch: words.branch, land: !words['no-land'] })
  return true
}
