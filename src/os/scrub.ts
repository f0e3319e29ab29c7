import { chmodSync, lstatSync, readdirSync, rmdirSync, rmSync, type Stats, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.ts'

/** What a commit has at a path. `size` in bytes of its content; null for what is no plain file. */
export interface Expected {
  readonly kind: 'file' | 'program' | 'link'
  readonly size: number
}

/** A name that is no UTF-8 can't be compared with what a commit has; it is taken for a stranger's. */
const UNREADABLE = '\ufffd'

/**
 * Removes from a folder all that is not for certain what a commit has there: files of other names, of another kind, size
 * or mode, with a second name elsewhere, empty folders, pipes and sockets. What is left are files of which only the
 * content is to be looked at, and git does that.
 *
 * @param expected by path from the folder, with slashes
 * @throws {Error} when something is mounted in it, or can't be removed
 */
export function scrub(folder: string, expected: ReadonlyMap<string, Expected>): void {
  const folders = new Set<string>()
  for (const path of expected.keys())
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) folders.add(path.slice(0, end))
  const mask = process.umask()
  const { dev } = lstatSync(folder)

  const clean = (below: string) => {
    const here = join(folder, below)
    chmodSync(here, 0o777 & ~mask)
    for (const raw of readdirSync(here, { encoding: 'buffer' })) {
      const name = raw.toString()
      const path = below === '' ? name : `${below}/${name}`
      const full = Buffer.concat([Buffer.from(`${here}/`), raw])
      const info = lstatSync(full)
      if (info.dev !== dev) throw new Error(`something is mounted at ${join(folder, path)}`)
      if (path === '.git' && info.isFile()) continue
      if (info.isDirectory()) {
        if (folders.has(path) && !name.includes(UNREADABLE)) clean(path)
        else removeTree(full, dev)
      } else if (name.includes(UNREADABLE) || !isAsExpected(info, expected.get(path), mask)) unlinkSync(full)
    }
  }
  clean('')
}

function isAsExpected(info: Stats, expected: Expected | undefined, mask: number): boolean {
  if (expected === undefined || info.nlink !== 1 || info.size !== expected.size) return false
  if (expected.kind === 'link') return info.isSymbolicLink()
  const mode = (expected.kind === 'program' ? 0o777 : 0o666) & ~mask
  return info.isFile() && (info.mode & 0o7777) === mode
}

/** Removes a folder and all in it, also where its former owner forbade that; never what is mounted in it. */
function removeTree(path: Buffer, dev: number): void {
  chmodSync(path, 0o700)
  for (const raw of readdirSync(path, { encoding: 'buffer' })) {
    const full = Buffer.concat([path, Buffer.from('/'), raw])
    const info = lstatSync(full)
    if (info.dev !== dev) throw new Error(`something is mounted at ${full}`)
    if (info.isDirectory()) removeTree(full, dev)
    else unlinkSync(full)
  }
  rmdirSync(path)
}

/** Removes a folder that `scrub` could not clean, as far as that is possible. */
export function removeFolder(path: string): void {
  const info = lstatSync(path, { throwIfNoEntry: false })
  if (info === undefined) return
  if (info.isDirectory()) removeTree(Buffer.from(path), info.dev)
  else rmSync(path)
}

/**
 * Removes what lies at a path with all in it; nothing there is no error. Folders that their owner may not write to (the module
 * cache of Go, a `chmod`) are opened for it: only root empties them as they are.
 */
export function removeAll(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    if (codeOf(error) !== 'EACCES') throw error
    removeFolder(path)
  }
}
