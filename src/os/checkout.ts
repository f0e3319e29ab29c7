import {
  copyFileSync,
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { type Git, GitFailure } from './git.ts'

/**
 * Effects on a checkout that a human works in: its index lock, its files and its index, brought from one commit to
 * another together. The index that git works on is a copy; the human's is replaced as a whole, after the files.
 */

/** What is needed to act on a checkout, and a name for this act, by which its leavings are known. */
export interface Act {
  /** Git in the checkout. */
  readonly git: Git
  /** Folder of the checkout, absolute. */
  readonly folder: string
  /** Its git folder: for a linked worktree its admin folder. */
  readonly gitDir: string
  /** A unique id: part of the lock's text and of the copies' names. */
  readonly id: string
}

const lockPath = (act: Act) => join(act.gitDir, 'index.lock')
const lockText = (act: Act) => `ov landing ${act.id}\n`
const indexCopy = (act: Act) => join(act.gitDir, `ov-${act.id}.index`)

/**
 * Takes the index lock, so that no git command changes index or branch meanwhile. The lock says whose it is, from
 * its first moment: the file appears whole. False when somebody else holds it.
 */
export function lockIndex(act: Act): boolean {
  const draft = join(act.gitDir, `ov-${act.id}.lock`)
  try {
    writeFileSync(draft, lockText(act))
    linkSync(draft, lockPath(act))
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Gives the lock back and removes what this act left in the git folder. A lock that is another's stays. */
export function unlockIndex(act: Act): void {
  for (const name of readdirSync(act.gitDir))
    if (name.startsWith(`ov-${act.id}.`)) rmSync(join(act.gitDir, name), { force: true })
  if (readOptional(lockPath(act)) === lockText(act)) rmSync(lockPath(act), { force: true })
}

export interface CheckoutFacts {
  /** Short name of the branch it is on, null when detached. */
  readonly branch: string | null
  readonly head: string
  /** Tracked files whose index entry is not what HEAD has. */
  readonly staged: readonly string[]
  /** Tracked files that are not what the index has. */
  readonly unstaged: readonly string[]
}

/** How a checkout stands; untracked files and submodules aside. Writes nothing. */
export function checkoutFacts(act: Act): Promise<CheckoutFacts> {
  return factsBy(act.git)
}

/** The same by the copy of the index, whose knowledge of the files is brought up to date with it. */
function copiedFacts(act: Act): Promise<CheckoutFacts> {
  return factsBy(onCopy(act))
}

async function factsBy(git: Git): Promise<CheckoutFacts> {
  const args = ['--porcelain=v2', '--branch', '-z', '--untracked-files=no', '--no-renames', '--ignore-submodules=all']
  const records = (await git.raw('status', ...args)).split('\0')
  const header = (name: string) => records.find((record) => record.startsWith(`# ${name} `))?.slice(name.length + 3)
  // `1 XY …` with eight fields before the path; `u XY …`, unmerged, with ten.
  const entries = records
    .filter((record) => /^[1u] /.test(record))
    .map((record) => ({
      staged: record[2] !== '.',
      unstaged: record[3] !== '.',
      path: record
        .split(' ')
        .slice(record.startsWith('u') ? 10 : 8)
        .join(' '),
    }))
  const branch = header('branch.head')
  return {
    branch: branch === undefined || branch === '(detached)' ? null : branch,
    head: header('branch.oid') ?? '',
    staged: entries.filter((entry) => entry.staged).map((entry) => entry.path),
    unstaged: entries.filter((entry) => entry.unstaged).map((entry) => entry.path),
  }
}

function onCopy(act: Act): Git {
  return act.git.with({ GIT_INDEX_FILE: indexCopy(act), GIT_OPTIONAL_LOCKS: '1' })
}

/** Copies the index for this act and gives how the checkout stands. Call it with the lock held. */
export function readyIndex(act: Act): Promise<CheckoutFacts> {
  const path = join(act.gitDir, 'index')
  try {
    copyFileSync(path, indexCopy(act))
    // Git looks into a file that is as young as its index, lest a change within one tick is missed. The copy must not
    // seem younger than the original.
    const seconds = Math.floor(lstatSync(path).mtimeMs / 1000)
    utimesSync(indexCopy(act), seconds, seconds)
  } catch (error) {
    // A checkout without an index has nothing to copy; git takes it as empty.
    if (codeOf(error) !== 'ENOENT') throw error
  }
  return copiedFacts(act)
}

export interface Change {
  /** Added, deleted, modified or of another type, as git says it. */
  readonly kind: 'A' | 'D' | 'M' | 'T'
  readonly path: string
}

/** The files in which two commits differ. */
export async function changesBetween(git: Git, from: string, to: string): Promise<Change[]> {
  const fields = (await git.raw('diff-tree', '-r', '-z', '--no-renames', '--name-status', from, to)).split('\0')
  const changes: Change[] = []
  for (let at = 0; at + 1 < fields.length; at += 2)
    changes.push({ kind: fields[at] as Change['kind'], path: fields[at + 1] ?? '' })
  return changes
}

/**
 * Files of the human's that lie where a change adds one. Git itself would keep those it doesn't ignore, but
 * overwrite an ignored one (`.env`) without a word.
 */
export function filesInTheWay(folder: string, changes: readonly Change[]): string[] {
  const leaving = new Set(changes.filter((change) => change.kind === 'D').map((change) => change.path))
  const found = new Set<string>()
  const checkedFolders = new Set<string>()
  for (const { kind, path } of changes) {
    if (kind !== 'A') continue
    const parts = path.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/')
      if (checkedFolders.has(parent)) continue
      checkedFolders.add(parent)
      const what = lookAt(join(folder, parent))
      if (what !== null && what !== 'folder' && !leaving.has(parent)) found.add(parent)
    }
    const what = lookAt(join(folder, path))
    if (what === 'file') found.add(path)
    if (what === 'folder') for (const file of filesUnder(folder, path)) if (!leaving.has(file)) found.add(file)
  }
  return [...found]
}

function lookAt(path: string): 'file' | 'folder' | null {
  try {
    return lstatSync(path).isDirectory() ? 'folder' : 'file'
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null
    throw error
  }
}

function filesUnder(folder: string, path: string): string[] {
  return readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
    const below = `${path}/${entry.name}`
    return entry.isDirectory() ? filesUnder(folder, below) : [below]
  })
}

/** Brings the files along, then the index. Files that differ from `from` make git refuse before it touches any. */
export async function bringAlong(act: Act, from: string, to: string): Promise<void> {
  await onCopy(act).raw('read-tree', '-m', '-u', from, to)
  renameSync(indexCopy(act), join(act.gitDir, 'index'))
}

/** True when the index holds exactly the files of a commit. */
export async function indexIs(act: Act, commit: string): Promise<boolean> {
  try {
    await act.git.raw('diff-index', '--cached', '--quiet', '--ignore-submodules=none', commit)
    return true
  } catch (error) {
    if (error instanceof GitFailure && error.exitCode === 1) return false
    throw error
  }
}

/**
 * Takes back what a killed `bringAlong` wrote, file by file: only what is proved to be of it, by being what `to` has,
 * a part of that, or missing, where the index still has what `from` has. Everything else is the human's and stays.
 * Gives what it left alone among the files of the change.
 */
export async function takeBack(act: Act, from: string, to: string): Promise<string[]> {
  const changes = await changesBetween(act.git, from, to)
  const now = await checkoutFacts(act)
  rmSync(indexCopy(act), { force: true })
  rmSync(`${indexCopy(act)}.lock`, { force: true })
  await onCopy(act).raw('read-tree', to)
  const notNew = new Set((await copiedFacts(act)).unstaged)
  const notOld = new Set(now.unstaged)
  const staged = new Set(now.staged)

  const writtenByUs = async (path: string) =>
    lookAt(join(act.folder, path)) === null || !notNew.has(path) || (await isTorn(act, to, path))
  const left: string[] = []
  const restore: string[] = []
  for (const { kind, path } of changes) {
    const touched = kind === 'A' ? lookAt(join(act.folder, path)) === 'file' : notOld.has(path)
    if (!touched) continue
    if (staged.has(path) || (kind === 'D' && lookAt(join(act.folder, path)) !== null)) left.push(path)
    else if (kind !== 'D' && !(await writtenByUs(path))) left.push(path)
    else if (kind === 'A') removeWithEmptyFolders(act.folder, path)
    else restore.push(path)
  }
  if (restore.length > 0) await act.git.feed(`${restore.join('\0')}\0`, 'checkout-index', '--force', '-z', '--stdin')
  return left
}

/** A file that was being written when git was killed: the beginning of what the commit has there. */
async function isTorn(act: Act, commit: string, path: string): Promise<boolean> {
  if (!lstatSync(join(act.folder, path)).isFile()) return false
  const have = readFileSync(join(act.folder, path), 'utf8')
  const whole = await act.git.raw('cat-file', '--filters', `${commit}:${path}`)
  // The last character may be cut in the middle.
  return whole.startsWith(have.slice(0, -1)) && have.length <= whole.length
}

function removeWithEmptyFolders(folder: string, path: string): void {
  rmSync(join(folder, path))
  for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) {
    try {
      rmdirSync(join(folder, parent))
    } catch (error) {
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return
      throw error
    }
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EISDIR' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}
