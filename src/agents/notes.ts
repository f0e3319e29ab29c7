import type { AgentEvent } from '../contract/runtime.ts'
import { oneLine } from '../mail/frame.ts'
import type { Redact } from './redact.ts'

/** What is recorded of something an agent reported. */
export interface Note {
  readonly type: string
  readonly data: Record<string, unknown>
}

/** What of a report is recorded as it is; null for what is acted on, counted or only shown. */
export function noteOf(event: AgentEvent, redact: Redact): Note | null {
  switch (event.type) {
    case 'tool_start':
      return { type: 'tool.start', data: { tool: event.tool, summary: redact(oneLine(event.summary, 300)) } }
    case 'tool_end':
      return { type: 'tool.end', data: { ok: event.ok, summary: redact(oneLine(event.summary, 300)) } }
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
