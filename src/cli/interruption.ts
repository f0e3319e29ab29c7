import { writeSync } from 'node:fs'
import { codeOf, EXIT_CODES } from '../errors.ts'

/** A command that was told to end is given this long to do so in order, in ms. */
const PATIENCE_MS = 500

const ended = new AbortController()
let listening = false
let printing = false
let interrupted = false

/**
 * Aborts at the first Ctrl-C (or SIGTERM), or when whoever read our output has gone. A command that does not end by
 * itself then is ended soon after; a second Ctrl-C ends it at once.
 */
export function interruption(): AbortSignal {
  const signal = interruptionBySignal()
  if (printing) return signal
  printing = true
  process.stdout.on('error', (error) => {
    if (codeOf(error) === 'EPIPE') ended.abort()
  })
  return signal
}

/** The same for who prints without `process.stdout`, and so hears by itself that nobody reads any more. */
export function interruptionBySignal(): AbortSignal {
  if (listening) return ended.signal
  listening = true
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      if (interrupted) leave()
      interrupted = true
      ended.abort()
      setTimeout(leave, PATIENCE_MS).unref()
    })
  }
  return ended.signal
}

/** True once the person at the terminal has had enough. */
export function isInterrupted(): boolean {
  return interrupted
}

function leave(): never {
  // What drew on the terminal may have hidden the cursor, and may hold back what goes by `process.stderr`.
  if (process.stderr.isTTY) writeSync(process.stderr.fd, '\x1b[?25h')
  try {
    // Unless the command has said so itself and only winds down.
    if (process.exitCode !== EXIT_CODES.interrupted)
      writeSync(process.stderr.fd, '✖ Interrupted.\nHint: See how things stand: ov status\n')
  } finally {
    // Whether or not somebody still reads.
    process.exit(EXIT_CODES.interrupted)
  }
}
