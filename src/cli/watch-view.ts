import type { EventRow } from '../watchdog/signs.ts'
import { type Words, wordsFor } from '../watchdog/words.ts'

/** How a watcher shows itself. */
export type WatchStyle = 'live' | 'lines' | 'log' | 'json'

export interface WatchView {
  /** Something to say that is no event. */
  say(text: string): void
  events(events: readonly EventRow[], nameOf: (agent: string) => string): void
  count(agents: ReadonlyMap<string, readonly unknown[]>): void
  /** Takes the status line away. */
  close(): void
}

/**
 * One line for each thing that happened; on a terminal a status line below them. Written by hand: this is resident all
 * day, and a library for it would be a tenth of its memory.
 *
 * @param out stdout
 */
export function watchView(out: NodeJS.WriteStream, style: WatchStyle): WatchView {
  const live = style === 'live'
  const colour = live && !process.env.NO_COLOR
  let status = ''
  const clear = () => (status === '' ? '' : '\r\x1b[K')
  const line = (text: string) => out.write(`${clear()}${text}\n${status}`)
  const stamp = (at: number) => {
    const date = new Date(at)
    return style === 'log' ? date.toISOString() : date.toTimeString().slice(0, 8)
  }
  const paint = ({ tone, text }: Words) => {
    const [mark, code] = MARKS[tone]
    return colour ? `\x1b[${code}m${mark}\x1b[0m ${text}` : `${mark} ${text}`
  }
  const dim = (text: string) => (colour ? `\x1b[2m${text}\x1b[0m` : text)
  return {
    say: (text) => {
      if (style !== 'json') line(`${dim(stamp(Date.now()))} ${text}`)
    },
    events(events, nameOf) {
      for (const event of events) {
        const words = wordsFor(event, nameOf)
        if (words === null) continue
        line(style === 'json' ? JSON.stringify(documentOf(event, nameOf)) : `${dim(stamp(event.at))} ${paint(words)}`)
      }
    },
    count(agents) {
      if (!live) return
      const width = (out.columns || 80) - 1
      const next = statusLine(agents).slice(0, Math.max(0, width))
      if (next === status) return
      out.write(`${clear()}${next}`)
      status = next
    },
    close() {
      out.write(clear())
      status = ''
    },
  }
}

const MARKS = { good: ['✔', 32], bad: ['!', 33], plain: ['·', 2] } as const

/** An event as `--json` gives it, one to a line. */
function documentOf(event: EventRow, nameOf: (agent: string) => string): unknown {
  const { at, type, agent_id: agent, data_json: data } = event
  return { at, type, agent: agent === null ? null : nameOf(agent), data: JSON.parse(data) }
}

/** `2 working · 1 waiting · 3 queued`, or that nobody is there. */
export function statusLine(agents: ReadonlyMap<string, readonly unknown[]>): string {
  const parts = ['starting', 'working', 'waiting', 'queued'].flatMap((state) => {
    const those = agents.get(state)
    return those === undefined ? [] : `${those.length} ${state}`
  })
  return parts.length === 0 ? 'Nobody is at work.' : parts.join(' · ')
}
