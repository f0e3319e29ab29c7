import { text } from 'node:stream/consumers'
import { openBrokerLine } from '../broker/client.ts'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import type { HookOutput } from '../contract/runtime.ts'

/** The CLI waits longer than this for a hook: a refusal for want of an answer must come before it stops waiting. */
const PATIENCE_MS = 20_000

/**
 * `ov hook EVENT CALL`: what `ov-hook` runs where the runner is to be asked, with the CLI's JSON on stdin. Not for people.
 * Prints the answer and exits as the runtime understands it; exits 1 when there is no answer to be had.
 */
export async function hookMain([event = '', call = '']: readonly string[]): Promise<void> {
  process.exitCode = 1
  const path = process.env[BROKER_VARIABLE]
  if (path === undefined) return
  const line = openBrokerLine(path)
  // A payload that never ends is waited for no longer either.
  const late = setTimeout(() => process.exit(), PATIENCE_MS)
  try {
    const answer = (await line.call('hook', { event, call, payload: await text(process.stdin) })) as HookOutput
    process.stdout.write(answer.stdout)
    process.stderr.write(answer.stderr)
    process.exitCode = answer.exit
  } catch {
    // No answer, for whatever reason: `ov-hook` knows what that means for the tool or turn it was called for.
  } finally {
    clearTimeout(late)
    line.close()
  }
}
