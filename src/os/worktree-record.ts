import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { adminDirOf } from './git-folder.ts'
import { identify } from './process.ts'
import { removeAll } from './scrub.ts'

/**
 * The record of a linked worktree (gitrepository-layout(5)): an admin folder below `worktrees/` with three files, and
 * the file `.git` in the worktree. Made here instead of by `git worktree add`, which takes four processes for it and
 * lets others see it half-made: they die of that, and of two at once one fails. Here it appears whole, by one rename.
 */

/** True when a repository's worktrees are recorded as they are here: no other kind of refs, no configuration for each. */
export function recordsPlainly(common: string): boolean {
  const config = readFileSync(join(common, 'config'), 'utf8')
  return !/extensions|worktree/i.test(config) && !existsSync(join(common, 'reftable'))
}

/**
 * Records a worktree at `path`, which must not exist, with its HEAD at a commit and no files yet. Gives its admin folder.
 */
export function recordWorktree(path: string, common: string, commit: string): string {
  const folder = join(common, 'worktrees')
  mkdirSync(dirname(path), { recursive: true })
  mkdirSync(path)
  const real = realpathSync(path)
  sweepDrafts(common)
  const draft = mkdtempSync(join(common, `${DRAFT}${process.pid}-`))
  writeFileSync(join(draft, 'HEAD'), `${commit}\n`)
  writeFileSync(join(draft, 'commondir'), '../..\n')
  writeFileSync(join(draft, 'gitdir'), `${join(real, '.git')}\n`)
  for (let number = 0; ; ) {
    const admin = join(folder, `${basename(path).replaceAll(/[^A-Za-z0-9_-]/g, '-')}${number === 0 ? '' : number}`)
    writeFileSync(join(real, '.git'), `gitdir: ${admin}\n`)
    try {
      mkdirSync(folder, { recursive: true })
      // Onto an empty folder a rename would succeed; git removes those.
      if (!existsSync(admin)) {
        renameSync(draft, admin)
        return admin
      }
      number++
    } catch (error) {
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') number++
      // Whoever removes the last other worktree just now removes the folder, too.
      else if (codeOf(error) !== 'ENOENT' || !existsSync(draft)) throw error
    }
  }
}

const DRAFT = 'ov-worktree-'

/** Removes the drafts of records that processes left which were killed before their rename. */
export function sweepDrafts(common: string): void {
  for (const name of readdirSync(common)) {
    if (!name.startsWith(DRAFT)) continue
    const pid = Number(name.slice(DRAFT.length).split('-')[0])
    if (identify(pid) === null) rmSync(join(common, name), { recursive: true, force: true })
  }
}

/**
 * Gives a worktree another folder. The record says so before it is: who is killed in between leaves a record whose folder
 * is not there, and a folder without a record.
 */
export function moveWorktree(from: string, to: string, common: string): void {
  const admin = adminDirOf(from, common)
  if (admin === null) throw new Error(`${from} is no worktree of the repository`)
  const lock = join(admin, 'locked')
  // Else somebody's `git worktree prune` would take the record for one that is left over.
  writeFileSync(lock, 'ov moves it\n')
  const draft = join(admin, 'gitdir.new')
  writeFileSync(draft, `${join(realpathSync(dirname(to)), basename(to), '.git')}\n`)
  renameSync(draft, join(admin, 'gitdir'))
  renameSync(from, to)
  rmSync(lock)
}

/** What the record of a worktree consists of, besides the index. */
const RECORD = ['commondir', 'gitdir']

/**
 * Makes the record of a worktree what it is for a new one with nothing checked out: whatever else lies in it (an index
 * with its flags, a rebase or bisect under way, sparse patterns, settings and refs of its own) is removed.
 *
 * @throws {Error} when it can't be for certain: a submodule's repository lies in it, or it is locked
 */
export function renewRecord(path: string, common: string, commit: string): string {
  const admin = adminDirOf(path, common)
  if (admin === null) throw new Error(`${path} is no worktree of the repository`)
  const names = readdirSync(admin)
  for (const name of ['modules', 'locked'])
    if (names.includes(name)) throw new Error(`the record of ${path} has ${name} in it`)
  for (const name of names) if (!RECORD.includes(name)) rmSync(join(admin, name), { recursive: true, force: true })
  writeFileSync(join(admin, 'HEAD'), `${commit}\n`)
  writeFileSync(join(admin, 'commondir'), '../..\n')
  rmSync(join(path, '.git'), { recursive: true, force: true })
  writeFileSync(join(path, '.git'), `gitdir: ${admin}\n`)
  return admin
}

/** Takes back a record that nothing was checked out to yet, or that is to go with all its files. */
export function forgetWorktree(path: string, common: string): void {
  const admin = adminDirOf(path, common)
  removeAll(path)
  if (admin !== null) rmSync(admin, { recursive: true, force: true })
}

/** Removes the record of a worktree's folder, also when a move that was killed had it name another that is not there. */
export function forgetFolder(path: string, common: string): void {
  const admin = adminDirOf(path, common) ?? namedBy(path, common)
  if (admin !== null) rmSync(admin, { recursive: true, force: true })
}

/** The record that the `.git` of a folder names, when that record is of no folder that is there. */
function namedBy(path: string, common: string): string | null {
  const dotGit = join(path, '.git')
  if (lstatSync(dotGit, { throwIfNoEntry: false })?.isFile() !== true) return null
  const admin = /^gitdir: (.+)$/m.exec(readFileSync(dotGit, 'utf8'))?.[1] ?? ''
  if (dirname(admin) !== join(common, 'worktrees') || !existsSync(join(admin, 'gitdir'))) return null
  return existsSync(readFileSync(join(admin, 'gitdir'), 'utf8').trim()) ? null : admin
}

/** True for what a killed `recordWorktree` leaves: a folder with nothing but a `.git` that names no record of ours. */
export function isStub(path: string, common: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return false
  const names = readdirSync(path)
  if (names.length === 0) return true
  if (names.length > 1 || names[0] !== '.git') return false
  const dotGit = join(path, '.git')
  if (!lstatSync(dotGit).isFile()) return false
  const admin = /^gitdir: (.+)$/m.exec(readFileSync(dotGit, 'utf8'))?.[1]
  return admin !== undefined && dirname(admin) === join(common, 'worktrees') && !existsSync(admin)
}
