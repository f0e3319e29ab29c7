import { codeOf } from '../errors.ts'
import { readFrom } from '../os/files.ts'

/** More than this, in bytes, is never only a prompt of ours. */
const LONGEST_PROMPT = 64 * 1024

/**
 * Whether an agent's log, grown between these sizes, has a line that came out of the agent itself. What it was given, and
 * what its CLI replies to that, is none.
 */
export function hasSpoken(path: string, from: number, to: number): boolean {
  // A log that shrank was full, and begun anew.
  if (to < from || to - from > LONGEST_PROMPT) return true
  if (to === from) return false
  try {
    return /"stream":"(out|err|told)"/.test(readFrom(path, from, to - from))
  } catch (error) {
    // It was full just now.
    if (codeOf(error) === 'ENOENT') return true
    throw error
  }
}
