import { appendFileSync, closeSync, fstatSync, mkdirSync, openSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Redact } from './redact.ts'

/**
 * Whose a line of a log is: printed by the agent's CLI (`out`, `err`), printed in answer to a request of `ov`'s, which says
 * nothing of its work (`reply`), given to it (`in`), reported by it another way (`told`), or a remark of `ov`'s.
 */
export type LogStream = 'out' | 'err' | 'reply' | 'in' | 'told' | 'ov'

/** The raw output of an agent, one JSON line an output line, rotated. Losing it loses nothing but detail. */
export interface RawLog {
  write(stream: LogStream, text: string): void
  close(): void
}

/** At this size, in bytes, a log becomes `.1`, and the `.1` before it is dropped. */
const ROTATE_AT = 16 * 1024 * 1024

/**
 * Opens the log at `path`, whose folder need not be there yet. Each line is with the kernel when `write` returns: nothing piles up in memory,
 * and whoever floods is read no faster than the disk takes it. `failed` is called once if it can't be written (a full
 * disk, say): the agent works on.
 */
export function openRawLog(path: string, redact: Redact, failed: (error: Error) => void): RawLog {
  let file: number | null = null
  let size = 0
  let broken = false
  const attempt = (work: () => void) => {
    if (broken) return
    try {
      work()
    } catch (error) {
      broken = true
      failed(error instanceof Error ? error : new Error(String(error)))
    }
  }
  const open = () => {
    file = openSync(path, 'a')
    size = fstatSync(file).size
  }
  const close = () => {
    if (file !== null) closeSync(file)
    file = null
  }
  attempt(() => {
    mkdirSync(dirname(path), { recursive: true })
    open()
  })
  return {
    write: (stream, text) =>
      attempt(() => {
        if (file === null) return
        const line = `${JSON.stringify({ at: Date.now(), stream, text: redact(text) })}\n`
        appendFileSync(file, line)
        size += Buffer.byteLength(line)
        if (size < ROTATE_AT) return
        close()
        renameSync(path, `${path}.1`)
        open()
      }),
    close,
  }
}
