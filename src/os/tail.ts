import { closeSync, fstatSync, openSync, readSync, watch } from 'node:fs'
import { codeOf } from '../errors.ts'

const CHUNK = 256 * 1024
/** Whoever wants the end of a file mostly wants little of it: the first piece is small, each further one larger. */
const FIRST_CHUNK = 8 * 1024
const LINE_END = 0x0a

/** Opens a file to read; null when there is none. */
function openOptional(path: string): number | null {
  try {
    return openSync(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** Where the last whole line of a file ends, in bytes; what stands behind is still being written. 0 when there is none. */
export function endOfLines(path: string): number {
  const file = openOptional(path)
  if (file === null) return 0
  try {
    for (let at = fstatSync(file).size, size = FIRST_CHUNK; at > 0; size = Math.min(CHUNK, 4 * size)) {
      const chunk = Buffer.alloc(Math.min(size, at))
      at -= chunk.length
      readSync(file, chunk, 0, chunk.length, at)
      const last = chunk.lastIndexOf(LINE_END)
      if (last >= 0) return at + last + 1
    }
    return 0
  } finally {
    closeSync(file)
  }
}

/** Whole lines of a file, from `end` (where a line ends) to its beginning, read only as far as they are taken. */
export function* linesFromEnd(path: string, end: number): Generator<string> {
  const file = openOptional(path)
  if (file === null) return
  try {
    let rest = Buffer.alloc(0)
    for (let at = Math.max(0, end - 1), size = FIRST_CHUNK; at > 0; size = Math.min(CHUNK, 4 * size)) {
      const chunk = Buffer.alloc(Math.min(size, at))
      at -= chunk.length
      readSync(file, chunk, 0, chunk.length, at)
      rest = Buffer.concat([chunk, rest])
      for (let cut = rest.lastIndexOf(LINE_END); cut >= 0; cut = rest.lastIndexOf(LINE_END)) {
        yield rest.toString('utf8', cut + 1)
        rest = rest.subarray(0, cut)
      }
    }
    if (end > 0) yield rest.toString('utf8')
  } finally {
    closeSync(file)
  }
}

/** A file that grows and may be renamed and begun anew. */
export interface Growing {
  /** Whole lines that have come since the last call, across one renaming. */
  read(): string[]
  close(): void
}

/** Follows a file from `start` (in bytes, where a line begins); one that is shorter or does not exist yet, from its beginning. */
export function growing(path: string, start: number): Growing {
  let file = openOptional(path)
  let at = file === null || fstatSync(file).size < start ? 0 : start
  let rest = Buffer.alloc(0)
  const take = (): string[] => {
    if (file === null) return []
    for (;;) {
      const chunk = Buffer.alloc(CHUNK)
      const size = readSync(file, chunk, 0, CHUNK, at)
      if (size === 0) break
      at += size
      rest = Buffer.concat([rest, chunk.subarray(0, size)])
    }
    const end = rest.lastIndexOf(LINE_END)
    if (end < 0) return []
    const lines = rest.toString('utf8', 0, end).split('\n')
    rest = rest.subarray(end + 1)
    return lines
  }
  /** True when another file has the name now. It is told at the second look: until then the writer may still add to the old one. */
  let leaving = false
  const renamed = () => {
    const now = openOptional(path)
    if (now === null) return false
    const same = file !== null && fstatSync(now).ino === fstatSync(file).ino
    if (same || (file !== null && !leaving)) {
      closeSync(now)
      leaving = !same
      return false
    }
    if (file !== null) closeSync(file)
    file = now
    at = 0
    rest = Buffer.alloc(0)
    leaving = false
    return true
  }
  return {
    read() {
      const lines = take()
      return renamed() ? [...lines, ...take()] : lines
    },
    close() {
      if (file !== null) closeSync(file)
      file = null
    },
  }
}

/** Calls `changed` when anything in a folder changes. Gives the function that ends the watching; null when there is no such folder. */
export function watchFolder(folder: string, changed: () => void): (() => void) | null {
  try {
    const watcher = watch(folder, { persistent: false }, changed)
    return () => watcher.close()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}
