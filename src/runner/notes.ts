import type { AgentEvent } from '../contract/runtime.ts'
import { oneLine } from '../mail/frame.ts'
import { sha256 } from '../os/digest.ts'
import type { Redact } from './redact.ts'

/** What is recorded of something an agent reported. */
export interface Note {
  readonly type: string
  readonly data: Record<string, unknown>
}

/** Calls of tools that may be under way at once; what is older has ended unseen. */
const UNDER_WAY = 200

/**
 * What of an agent's reports is recorded as it is; null for what is acted on, counted or only shown. Of a tool's use also
 * digests are recorded, by which it is seen that the same is done again and again: `call` of the tool with its input,
 * `out` of what came of it. What went in or came out can't be found from them.
 */
export function noting(redact: Redact): (event: AgentEvent) => Note | null {
  const calls = new Map<string, { readonly tool: string; readonly call?: string }>()
  const digest = (text: string) => sha256(redact(text)).slice(0, 12)
  return (event) => {
    switch (event.type) {
      case 'tool_start': {
        const { id, tool, input } = event
        const made = input === undefined ? { tool } : { tool, call: digest(`${tool}\n${JSON.stringify(input)}`) }
        calls.set(id, made)
        for (const old of calls.keys()) if (calls.size > UNDER_WAY) calls.delete(old)
        return { type: 'tool.start', data: { ...made, summary: redact(oneLine(event.summary, 300)) } }
      }
      case 'tool_end': {
        const made = calls.get(event.id)
        calls.delete(event.id)
        const out = digest(event.ok ? event.summary : lasting(event.summary))
        return { type: 'tool.end', data: { ok: event.ok, summary: redact(oneLine(event.summary, 300)), ...made, out } }
      }
      case 'rate_limited':
        return {
          type: 'runtime.rate-limited',
          data: { resetAt: event.resetAt, message: redact(oneLine(event.message, 300)) },
        }
      case 'retrying':
        return {
          type: 'runtime.retrying',
          data: { attempt: event.attempt, delayMs: event.delayMs, cause: event.cause },
        }
      case 'waiting':
        return { type: 'runtime.waiting', data: { why: event.why, message: redact(oneLine(event.message, 300)) } }
      case 'started':
      case 'turn_start':
      case 'accepted':
      case 'text':
      case 'usage':
      case 'ask':
      case 'turn_end':
      case 'failed':
      case 'unknown':
        return null
    }
  }
}

/** An error without what is another each time it is met: times, durations, addresses. */
export function lasting(error: string): string {
  return error
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?/g, '')
    .replace(/\b\d\d:\d\d:\d\d([.,]\d+)?\b/g, '')
    .replace(/\b\d+([.,]\d+)?\s?(µs|ms|s|sec|seconds?|m|min|minutes?)\b/g, '')
    .replace(/\b0x[0-9a-f]+\b/gi, '')
}
