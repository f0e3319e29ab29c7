import type { AgentEvent } from '../contract/runtime.ts'
import { codeOf } from '../errors.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import type { Redact } from './redact.ts'

/** What somebody sees who attaches to a structured agent: its words and tools, a line each. */
export interface Pane {
  title(text: string): void
  event(event: AgentEvent): void
}

/** A pane on this process's stdout. That the terminal went away (its tmux server was killed) stops nobody. */
export function paneOn(out: NodeJS.WriteStream, redact: Redact): Pane {
  out.on('error', (error) => {
    if (!['EIO', 'EPIPE', 'EBADF'].includes(codeOf(error) ?? '')) throw error
  })
  const line = (mark: string, text: string) => out.write(`${mark} ${redact(text)}\n`)
  return {
    title: (text) => line('──', oneLine(text, 160)),
    event(event) {
      switch (event.type) {
        case 'text':
          return void line('│', plainText(event.text).trimEnd())
        case 'tool_start':
          return void line('▸', `${event.tool} ${oneLine(event.summary, 160)}`)
        case 'tool_end':
          return void (event.ok || line('✖', oneLine(event.summary, 160)))
        case 'failed':
          return void line('✖', `${event.cause}: ${plainText(event.message).trim()}`)
        case 'rate_limited':
        case 'waiting':
          return void line('…', oneLine(event.message, 160))
        case 'retrying':
          return void line('…', `retrying (${event.cause}), attempt ${event.attempt}`)
        case 'turn_end':
          return void line('──', 'turn ended')
        case 'started':
        case 'turn_start':
        case 'accepted':
        case 'usage':
        case 'ask':
        case 'unknown':
          return
      }
    },
  }
}
