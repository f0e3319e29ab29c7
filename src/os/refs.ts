import type { ChildProcess } from 'node:child_process'
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
 * @param writer a git that is open for this, with a reason of its own
 */
export async function swapRefs(
  git: Git,
  moves: readonly RefMove[],
  reason: string,
  recorded: () => Promise<readonly string[]> = async () => [],
  writer?: RefWriter,
): Promise<boolean> {
  const objectName = (sha: string | null, like: string | null) => sha ?? '0'.repeat(like?.length ?? 40)
  const lines = moves.map(({ ref, from, to }) =>
    from === to
      ? `verify ${ref} ${objectName(from, to)}`
      : `update ${ref} ${objectName(to, from)} ${objectName(from, to)}`,
  )
  const input = `start\n${lines.join('\n')}\nprepare\ncommit\n`
  const once = onceFor(git, reason)
  const deadline = performance.now() + REF_PATIENCE_MS
  for (let attempt = 0; ; attempt++) {
    try {
      await (attempt === 0 && writer !== undefined ? writer : once).write(input)
      return true
    } catch (error) {
      if (!(error instanceof GitFailure)) throw error
      // Whatever ended the open git, one of its own says what is the matter.
      if (attempt === 0 && writer !== undefined) continue
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

/** A git that writes refs, one transaction after the other. */
export interface RefWriter {
  /** Carries out one transaction. One that is refused, or fails, is a `GitFailure`. */
  write(transaction: string): Promise<void>
  /** Lets the git end. */
  close(): void
}

/** One process for each transaction. */
function onceFor(git: Git, reason: string): RefWriter {
  return {
    async write(transaction) {
      await git.with({ [SWAP_MARKER]: git.directory }).feed(transaction, 'update-ref', '-m', reason, '--stdin')
    },
    close: () => undefined,
  }
}

/** One process for all transactions; another one when it has ended, as it does when it refuses one. */
export function openRefWriter(git: Git, reason: string): RefWriter {
  let open: ChildProcess | null = null
  const start = () => {
    const child = git.with({ [SWAP_MARKER]: git.directory }).open('update-ref', '-m', reason, '--stdin')
    // That it has ended is told by its `close`.
    child.stdin?.on('error', () => undefined)
    child.on('close', () => {
      if (open === child) open = null
    })
    return child
  }
  return {
    write(transaction) {
      open ??= start()
      const child = open
      return new Promise((resolve, reject) => {
        let [stdout, stderr] = ['', '']
        const onOut = (text: Buffer) => {
          stdout += text.toString()
          if (!stdout.endsWith('commit: ok\n')) return
          done()
          resolve()
        }
        const onErr = (text: Buffer) => {
          stderr += text.toString()
        }
        const onError = (error: Error) => onClose(-1, error.message)
        const onClose = (code: number | null, why = '') => {
          done()
          reject(new GitFailure(code ?? -1, stdout, stderr + why))
        }
        const ended = (code: number | null) => onClose(code)
        const done = () => {
          child.stdout?.off('data', onOut)
          child.stderr?.off('data', onErr)
          child.off('close', ended).off('error', onError)
        }
        child.stdout?.on('data', onOut)
        child.stderr?.on('data', onErr)
        child.on('close', ended).on('error', onError)
        child.stdin?.write(transaction)
      })
    },
    close() {
      open?.stdin?.end()
      open = null
    },
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
