import type { AgentEvent } from '../contract/runtime.ts'
import { oneLine, plainText } from '../mail/frame.ts'

/** What an agent reported, for a person: a mark that says what it is, and its text, free of control characters. */
export interface Readable {
  readonly mark: '│' | '▸' | '✖' | '…' | '──'
  readonly text: string
}

/** An event as a person reads it; null for what only the engine needs. */
export function readable(event: AgentEvent): Readable | null {
  switch (event.type) {
    case 'text':
      return { mark: '│', text: plainText(event.text).trimEnd() }
    case 'tool_start':
      return { mark: '▸', text: `${oneLine(event.tool, 60)} ${oneLine(event.summary, 160)}` }
    case 'tool_end':
      return event.ok ? null : { mark: '✖', text: oneLine(event.summary, 160) }
    case 'failed':
      return { mark: '✖', text: `${event.cause}: ${plainText(event.message).trim()}` }
    case 'rate_limited':
    case 'waiting':
      return { mark: '…', text: oneLine(event.message, 160) }
    case 'retrying':
      return { mark: '…', text: `retrying (${event.cause}), attempt ${event.attempt}` }
    case 'turn_end':
      return { mark: '──', text: 'turn ended' }
    case 'started':
    case 'turn_start':
    case 'accepted':
    case 'usage':
    case 'ask':
    case 'unknown':
      return null
  }
}
