import type { AgentEvent } from '../contract/runtime.ts'
import { codeOf } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { readable } from './readable.ts'
import type { Redact } from './redact.ts'

/** What somebody sees who attaches to a structured agent: its words and tools, a line each. */
export interface Pane {
  title(text: string): void
  event(event: AgentEvent): void
}

/**
 * A pane on this process's stdout. That the terminal went away (its tmux server was killed) stops nobody.
 *
 * @param muted while it is, nothing is written: the screen is another's
 */
export function paneOn(out: NodeJS.WriteStream, redact: Redact, muted: () => boolean = () => false): Pane {
  out.on('error', (error) => {
    if (!['EIO', 'EPIPE', 'EBADF'].includes(codeOf(error) ?? '')) throw error
  })
  const line = (mark: string, text: string) => {
    if (!muted()) out.write(`${mark} ${redact(text)}\n`)
  }
  return {
    title: (text) => line('──', oneLine(text, 160)),
    event(event) {
      const told = readable(event)
      if (told !== null) line(told.mark, told.text)
    },
  }
}
