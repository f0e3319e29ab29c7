import { createWriteStream, mkdirSync, renameSync, statSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.ts'
import type { Redact } from './redact.ts'

/** The raw output of an agent, one JSON line an output line, rotated. Losing it loses nothing but detail. */
export interface RawLog {
  write(stream: 'out' | 'err' | 'in' | 'ov', text: string): void
  behind(): boolean
  caughtUp(then: () => void): void
  close(): Promise<void>
}

/** At this size a log becomes `.1`, and the `.1` before it is dropped. */
const ROTATE_AT = 16 * 1024 * 1024

/** Opens `output.ndjson` in `folder`. `failed` is called once if it can't be written (a full disk, say): the agent works on. */
export function openRawLog(folder: string, redact: Redact, failed: (error: Error) => void): RawLog {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'output.ndjson')
  let size = sizeOf(path)
  let broken = false
  const open = (): WriteStream =>
    createWriteStream(path, { flags: 'a' }).on('error', (error) => {
      if (!broken) failed(error)
      broken = true
    })
  let file = open()
  return {
    write(stream, text) {
      if (broken) return
      const line = `${JSON.stringify({ at: Date.now(), stream, text: redact(text) })}\n`
      size += line.length
      file.write(line)
      if (size < ROTATE_AT) return
      file.end()
      renameSync(path, `${path}.1`)
      file = open()
      size = 0
    },
    behind: () => !broken && file.writableNeedDrain,
    caughtUp(then) {
      file.once('drain', then)
      file.once('error', then)
    },
    close: () => new Promise((resolve) => file.end(() => resolve())),
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0
    throw error
  }
}
