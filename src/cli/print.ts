import { writeSync } from 'node:fs'
import { codeOf, messageOf, OvError } from '../errors.ts'

/** Whoever reads slowly is looked at again after so long, in ms. */
const PAUSE_MS = 2

/**
 * Writes text whole, at once, without Node's streams, which take longer to load than a short command takes.
 *
 * @throws {OvError} `output.closed` when whoever was to read it has gone
 */
export function print(file: 1 | 2, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(file, bytes, at)
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN') throw new OvError('failed', 'output.closed', notArrived(error))
      // A pipe that somebody else has set not to wait, and it is full.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
    }
  }
}

/** Says that output was lost, and why. */
export function notArrived(error: unknown): string {
  return `What was printed did not arrive: ${codeOf(error) ?? messageOf(error)}.`
}
