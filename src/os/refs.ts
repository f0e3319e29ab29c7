import { readFileSync, rmSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../errors.ts'
import { type Git, GitFailure } from './git.ts'
import { processesMarked } from './process.ts'

export interface RefFacts {
  readonly sha: string
  /** Tree of the commit; empty when the ref names no commit. */
  readonly tree: string
  /** Where git says it is checked out, as git writes the path; null when nowhere. */
  readonly checkout: string | null
}

/** Reads refs by their full names in one call; those that don't exist are missing from the answer. */
export async function readRefs(git: Git, ...names: string[]): Promise<ReadonlyMap<string, RefFacts>> {
  const format = '%(refname)%00%(objectname)%00%(tree)%00%(worktreepath)%00'
  const fields = (await git.raw('for-each-ref', `--format=${format}`, ...names)).split('\0')
  const found = new Map<string, RefFacts>()
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [name = '', sha = '', tree = '', checkout = ''] = fields.slice(at, at + 4)
    found.set(name.trimStart(), { sha, tree, checkout: checkout === '' ? null : checkout })
  }
  return found
}

/** One step of a ref: from `from` (null: it must not exist) to `to` (equal to `from`: it must be so and stays). */
export interface RefMove {
  readonly ref: string
  readonly from: string | null
  readonly to: string | null
}

/**
 * Moves refs, all or none, each only from the value it is expected to have. False, and nothing moved, when one of
 * them has another.
 *
 * @param reason for the reflog
 * @param recorded commits that a process of ours meant to swap in and may have been killed at
 */
export async function swapRefs(
  git: Git,
  moves: readonly RefMove[],
  reason: string,
  recorded: () => Promise<readonly string[]> = async () => [],
): Promise<boolean> {
  const objectName = (sha: string | null, like: string | null) => sha ?? '0'.repeat(like?.length ?? 40)
  const lines = moves.map(({ ref, from, to }) =>
    from === to
      ? `verify ${ref} ${objectName(from, to)}`
      : `update ${ref} ${objectName(to, from)} ${objectName(from, to)}`,
  )
  const input = `start\n${lines.join('\n')}\nprepare\ncommit\n`
  const marked = git.with({ [SWAP_MARKER]: git.directory })
  const deadline = performance.now() + REF_PATIENCE_MS
  for (let attempt = 0; ; attempt++) {
    try {
      await marked.feed(input, 'update-ref', '-m', reason, '--stdin')
      return true
    } catch (error) {
      if (!(error instanceof GitFailure)) throw error
      const lock = /Unable to create '(.+?\.lock)': File exists/s.exec(error.stderr)?.[1]
      if (lock === undefined) {
        if (/but expected|reference already exists|unable to resolve reference/.test(error.stderr)) return false
        throw error
      }
      const ours = [...moves.flatMap(({ to }) => to ?? []), ...(await recorded())]
      const isAlive = processesMarked(SWAP_MARKER, git.directory).length > 0
      if (!(!isAlive && removeDeadLock(lock, ours)) && performance.now() > deadline) throw error
      await delay(10 + Math.random() * Math.min(200, 10 * 2 ** attempt))
    }
  }
}

/** By this variable every git of ours is known that holds locks of refs. Its value is the repository. */
const SWAP_MARKER = 'OV_SWAP'
/** So long a lock that may be a living git's is waited for: as a rule it holds one for milliseconds. */
const REF_PATIENCE_MS = 5_000
/** No living git leaves a ref's lock empty for longer. */
const EMPTY_MS = 2_000
/** Refs that nobody but `ov` writes. */
const OWN_REFS = /\/refs\/ov\//

/**
 * Removes a ref's lock that a killed git left, when it is not another's: on a ref of ours, or with a commit of ours in
 * it, while no git of ours holds any; or empty for longer than a living git leaves it.
 */
function removeDeadLock(path: string, ours: readonly string[]): boolean {
  try {
    const { mtimeMs } = statSync(path)
    const content = readFileSync(path, 'utf8').trim()
    const isOurs = OWN_REFS.test(path) || ours.includes(content)
    if (!isOurs && !(content === '' && Date.now() - mtimeMs > EMPTY_MS)) return false
    rmSync(path)
    return true
  } catch (error) {
    // Released meanwhile, which is what was wanted.
    if (codeOf(error) === 'ENOENT') return true
    throw error
  }
}
