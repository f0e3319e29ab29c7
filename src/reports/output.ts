import * as z from 'zod'
import type { AgentRuntime } from '../contract/runtime.ts'
import { plainText } from '../mail/frame.ts'
import { endOfLines, linesFromEnd } from '../os/tail.ts'
import { readable } from '../runner/readable.ts'

const entrySchema = z.object({
  at: z.number(),
  stream: z.enum(['out', 'err', 'reply', 'in', 'told', 'ov']),
  text: z.string(),
})

/**
 * One line of an agent's raw log: what its runtime printed (`out`, `err`), was given (`in`), told by its hooks (`told`,
 * in words), or what `ov` noted.
 */
export type Entry = z.infer<typeof entrySchema>

/** The entry a line holds; none where a full disk or a kill left it in pieces. */
export function entriesIn(line: string): Entry[] {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line))
    return parsed.success ? [parsed.data] : []
  } catch (error) {
    if (error instanceof SyntaxError) return []
    throw error
  }
}

/**
 * The newest entries of a log, oldest first: as many as it takes for `count` lines, of those that make any.
 *
 * @param end where to begin in the newest file, in bytes; what comes behind is left out
 */
export function lastEntries(
  path: string,
  count: number,
  linesOf: (entry: Entry) => readonly string[],
  end = endOfLines(path),
): Entry[] {
  const entries: Entry[] = []
  let lines = 0
  const rotated = `${path}.1`
  for (const source of [linesFromEnd(path, end), linesFromEnd(rotated, endOfLines(rotated))]) {
    for (const line of source) {
      if (lines >= count) return entries.reverse()
      for (const entry of entriesIn(line)) {
        const more = linesOf(entry).length
        if (more > 0) entries.push(entry)
        lines += more
      }
    }
  }
  return entries.reverse()
}

/** What a person sees of an entry, in lines without control characters: the runtime's words and tools, not its protocol. */
export function wordsOf(entry: Entry, runtime: Pick<AgentRuntime, 'read'>): string[] {
  switch (entry.stream) {
    case 'in':
      return []
    case 'ov':
      return [`── ${clean(entry.text)}`]
    case 'told':
      return entry.text.split('\n').map(clean)
    case 'err':
      return [`! ${clean(entry.text)}`]
    case 'out':
    case 'reply':
      return runtime.read(entry.text).flatMap((event) => {
        // What the adapter doesn't know is shown where it is words, not where it is protocol.
        if (event.type === 'unknown') return event.line.trimStart().startsWith('{') ? [] : [clean(event.line)]
        if (event.type === 'text') return event.text.trimEnd().split('\n').map(clean)
        const told = readable(event)
        return told === null ? [] : [`${told.mark} ${told.text}`]
      })
  }
}

/** Of a line that was written over and over (a progress bar) only its last state. */
function clean(text: string): string {
  return plainText(text.replace(/\r+$/, '').split('\r').at(-1) ?? '')
}
