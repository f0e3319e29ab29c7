import {
  accessSync,
  closeSync,
  constants,
  createReadStream,
  existsSync,
  type FSWatcher,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  unwatchFile,
  watch,
  watchFile,
  writeFileSync,
} from 'node:fs'
import { statfs } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { createInterface } from 'node:readline'
import { codeOf } from '../errors.ts'

/** A name beside a file that nobody else uses at this moment. */
function draftOf(path: string): string {
  return `${path}.${process.pid}.${Math.random().toString(36).slice(2)}.tmp`
}

/** Writes a file whole or not at all, making its folder. */
export function writeWhole(path: string, content: string, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true })
  const draft = draftOf(path)
  try {
    writeFileSync(draft, content, { mode, flush: true })
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** Writes a new file whole; gives false and changes nothing when something is there already, even if it came this instant. */
export function createWhole(path: string, content: string, mode = 0o644): boolean {
  const draft = draftOf(path)
  try {
    writeFileSync(draft, content, { mode, flush: true })
    linkSync(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Copies a file in place of whatever was there, for its owner alone, and makes its folder. */
export function copyWhole(path: string, from: string, mode = 0o600): void {
  writeWhole(path, readFileSync(from, 'utf8'), mode)
}

/** Makes a symbolic link in place of whatever was there, and its folder. A folder stays as it is, with what it holds. */
export function linkWhole(path: string, to: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return
  mkdirSync(dirname(path), { recursive: true })
  const draft = draftOf(path)
  symlinkSync(to, draft)
  renameSync(draft, path)
}

/** What answers "there is nothing for you to read here". */
const UNREADABLE = new Set([
  'ENOENT',
  'ESRCH',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ELOOP',
  'ENXIO',
  'ENAMETOOLONG',
])

/**
 * Text of a regular file of at most `limit` bytes, else null: a foreign tree may hold a link to a device or a pipe,
 * which must neither be waited for nor read without end.
 */
export function readText(path: string, limit = 1024 * 1024): string | null {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (UNREADABLE.has(codeOf(error) ?? '')) return null
    throw error
  }
  try {
    const info = fstatSync(file)
    return info.isFile() && info.size <= limit ? readFileSync(file, 'utf8') : null
  } finally {
    closeSync(file)
  }
}

/** What a folder's entry turned out to be when it was read. */
export type Entry =
  | { readonly is: 'text'; readonly text: string; readonly bytes: number }
  /** A file of more bytes than wanted; `text` is how it begins. */
  | { readonly is: 'too-long'; readonly text: string; readonly bytes: number }
  | { readonly is: 'gone' }
  /** No file, or none that may be read. */
  | { readonly is: 'unreadable' }

/** Characters shown of a file that is too long. */
const BEGINNING = 4_096

/** Reads what somebody untrusted put into a folder: a link is not followed, a pipe not waited for. */
export function readEntry(path: string, limit: number): Entry {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (code === 'ENOENT') return { is: 'gone' }
    if (UNREADABLE.has(code)) return { is: 'unreadable' }
    throw error
  }
  try {
    const info = fstatSync(file)
    if (!info.isFile()) return { is: 'unreadable' }
    if (info.size <= limit) return { is: 'text', text: readFileSync(file, 'utf8'), bytes: info.size }
    const beginning = Buffer.alloc(BEGINNING)
    const length = readSync(file, beginning)
    return { is: 'too-long', text: beginning.toString('utf8', 0, length), bytes: info.size }
  } finally {
    closeSync(file)
  }
}

/** Makes a folder that its owner alone may enter, with what leads to it. */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}

/** Size of a file in bytes; 0 when there is none. */
export function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Makes an empty file where there is none. False when it can't be made, for want of its folder, space or permission. */
export function createEmpty(path: string): boolean {
  try {
    closeSync(openSync(path, 'a', 0o600))
    return true
  } catch (error) {
    if (codeOf(error) !== undefined) return false
    throw error
  }
}

/** Removes what lies at a path, a link itself and not what it leads to. True when nothing lies there any more. */
export function remove(path: string): boolean {
  try {
    rmSync(path, { force: true, recursive: true })
    return true
  } catch (error) {
    if (codeOf(error) !== undefined) return false
    throw error
  }
}

/** Names of what lies in a folder, sorted; none when it is missing or may not be read. */
export function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch (error) {
    if (UNREADABLE.has(codeOf(error) ?? '')) return []
    throw error
  }
}

/** When a file was last written to, in ms since the epoch; null when there is none. */
export function changedAt(path: string): number | null {
  const info = statSync(path, { throwIfNoEntry: false })
  return info === undefined ? null : Math.floor(info.mtimeMs)
}

/** What a file is like now, to be compared later; null when there is none. */
export interface FileState {
  /** When it was last written to, in ms since the epoch, with fractions. */
  readonly writtenAt: number
  /** Bytes. */
  readonly size: number
}

export function fileState(path: string): FileState | null {
  const info = statSync(path, { throwIfNoEntry: false })
  return info === undefined ? null : { writtenAt: info.mtimeMs, size: info.size }
}

/** At most `limit` bytes of a file from `offset` on, as Latin-1 text: for looking for ASCII words in what was added. */
export function readFrom(path: string, offset: number, limit: number): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const buffer = Buffer.alloc(limit)
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, limit, offset))
  } finally {
    closeSync(file)
  }
}

/** Sets a log aside, as `.1`, when it has more bytes than `limit`; the one set aside before goes. */
export function keepOne(path: string, limit: number): void {
  if ((fileState(path)?.size ?? 0) > limit) renameSync(path, `${path}.1`)
}

/** The file below a folder whose path ends so, or null; a folder that is missing or may not be read holds none. */
export function findBelow(folder: string, endsWith: string): string | null {
  try {
    const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
      `/${path}`.endsWith(endsWith),
    )
    return found === undefined ? null : join(folder, found)
  } catch (error) {
    if (UNREADABLE.has(codeOf(error) ?? '')) return null
    throw error
  }
}

/** The lines of a file, one at a time, whatever its size. */
export function linesOf(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })
}

/** True when `path` is `folder` or lies below it, by name alone. */
export function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, resolve(folder, path))
  return way === '' || (!way.startsWith(`..${sep}`) && way !== '..' && !isAbsolute(way))
}

/** True when `path` is `folder` or lies below it, links resolved; what can't be resolved is not. `path` need not exist. */
export function isReallyWithin(folder: string, path: string): boolean {
  const root = realPath(folder)
  const target = realPath(resolve(folder, path))
  return root !== null && target !== null && isWithin(root, target)
}

/** Where a path leads when it is written to; null when a link leads nowhere, or the kernel would not say. */
function realPath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') return null
  }
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined || dirname(path) === path) return null
  const parent = realPath(dirname(path))
  return parent === null ? null : join(parent, basename(path))
}

/** Finds a program on PATH: its absolute path, or null. */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | null {
  if (name.includes('/')) return isProgram(name) ? resolve(name) : null
  for (const folder of path.split(':')) {
    if (folder === '') continue
    const candidate = join(folder, name)
    if (isProgram(candidate)) return candidate
  }
  return null
}

/** Every program on PATH that has one of these names, each once: the first is the one that is taken. */
export function findPrograms(names: readonly string[], path = process.env.PATH ?? ''): string[] {
  const folders = path.split(':').filter((folder) => folder !== '')
  const candidates = names.flatMap((name) =>
    name.includes('/') ? [resolve(name)] : folders.map((folder) => join(folder, name)),
  )
  const found = new Map<string, string>()
  for (const candidate of candidates.filter(isProgram)) {
    const real = realpathSync(candidate)
    if (!found.has(real)) found.set(real, candidate)
  }
  return [...found.values()]
}

/** Why a path that somebody names as a program can't be run as one; null when it can. */
export function unfitProgram(path: string): 'missing' | 'no file' | 'not executable' | null {
  const info = statSync(path, { throwIfNoEntry: false })
  if (info === undefined) return 'missing'
  if (!info.isFile()) return 'no file'
  return may(path, constants.X_OK) ? null : 'not executable'
}

/** Tells this very file from any that takes its place, even one of the same size and age. */
export function fileMark(path: string): string {
  const { ino, size, mtimeMs, ctimeMs } = statSync(path)
  return `${realpathSync(path)} ${ino} ${size} ${mtimeMs} ${ctimeMs}`
}

/** Whether a file is a script for a shell, by its first line. */
export function isShellScript(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const head = Buffer.alloc(128)
    const line = head.toString('latin1', 0, readSync(file, head)).split('\n', 1)[0] ?? ''
    return /^#!.*\/(env +(-\S+ +)*)?(ba|da|z|k|fi)?sh\b/.test(line)
  } finally {
    closeSync(file)
  }
}

function isProgram(path: string): boolean {
  return may(path, constants.X_OK) && statSync(path).isFile()
}

/** The first of these paths that is a program, relative to the folder in which `program` really lies; else `program`. */
export function programBehind(program: string, paths: readonly string[]): string {
  const folder = dirname(realpathSync(program))
  return paths.map((path) => join(folder, path)).find(isProgram) ?? program
}

/** True when this process may write to a file, or make files in a folder. */
export function isWritable(path: string): boolean {
  return may(path, constants.W_OK)
}

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    // Whatever the reason (missing, forbidden, a read-only file system): the answer is no.
    return false
  }
}

/** True for a folder (no link to one) that belongs to this user, and that nobody else may enter. */
export function isPrivateFolder(path: string): boolean {
  const info = lstatSync(path)
  return info.isDirectory() && info.uid === (process.getuid?.() ?? 0) && (info.mode & 0o077) === 0
}

/** The nearest folder that exists, from `path` upwards. */
export function nearestFolder(path: string): string {
  let at = resolve(path)
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at)
  return at
}

/** False when the file system of a path has no room for even one more small file. */
export function hasSpace(path: string): boolean {
  const { bavail, bsize, ffree, files } = statfsSync(path)
  return bavail * bsize >= 64 * 1024 && (files === 0 || ffree > 0)
}

/** What is left for this user on the file system of a path: bytes and files (null where it does not count files). */
export async function freeSpace(path: string): Promise<{ bytes: number; files: number | null }> {
  const { bavail, bsize, ffree, files } = await statfs(path)
  return { bytes: bavail * bsize, files: files === 0 ? null : ffree }
}

/** After an event of the database's file it is looked at again, this much later. */
const AGAIN_MS = [5, 100]

/**
 * Calls `changed` after another process has committed to the database at `path`. The kernel's event comes before the
 * commit is visible, by a few ms as a rule and by the time of an fsync on a busy disk, so each is followed by two more
 * calls.
 * Returns the function that ends the watching.
 */
export function watchDatabase(path: string, changed: () => void): () => void {
  const log = `${path}-wal`
  let later: readonly NodeJS.Timeout[] = []
  const told = () => {
    changed()
    later.forEach(clearTimeout)
    later = AGAIN_MS.map((ms) => setTimeout(changed, ms))
  }
  // The machine's supply of watches can be used up (EMFILE, ENOSPC). Then the file's size and time are looked at.
  const look = () => watchFile(log, { interval: 1_000, persistent: false }, told)
  let watcher: FSWatcher | undefined
  try {
    watcher = watch(dirname(path), { persistent: false }, (_event, file) => {
      if (file === basename(log)) told()
    })
    watcher.on('error', look)
  } catch {
    look()
  }
  return () => {
    later.forEach(clearTimeout)
    watcher?.close()
    unwatchFile(log, told)
  }
}

/** Tells a file from another that has its name later; null when there is none. */
export function fileId(path: string): string | null {
  const info = statSync(path, { throwIfNoEntry: false })
  return info === undefined ? null : `${info.dev}:${info.ino}`
}

/**
 * Calls `changed` whenever something in a folder changes. A machine without a watch to spare (EMFILE, ENOSPC) calls
 * nothing: whoever watches looks from time to time as well. Returns the function that ends the watching.
 */
export function watchFolder(path: string, changed: () => void): () => void {
  let watcher: FSWatcher | undefined
  try {
    watcher = watch(path, { persistent: false }, changed)
    watcher.on('error', () => watcher?.close())
  } catch {
    // No watch to spare, or no folder: the look from time to time finds out.
  }
  return () => watcher?.close()
}
