import { StringDecoder } from 'node:string_decoder'

/** Longest line that is passed on whole, in characters. Of a longer one only the beginning is. */
const MAX_LINE = 16 * 1024 * 1024
const BEGINNING = 4096

export interface Lines {
  push(chunk: Buffer): void
  /** The stream has ended; what stands there without a line break is the last line. */
  end(): void
}

/**
 * Puts chunks together to lines, divided by `\n` alone (JSON may hold U+2028). A `\r` at the end is cut off.
 *
 * @param empty whether empty lines are lines too
 */
export function splitLines(each: (line: string) => void, { empty = false } = {}): Lines {
  const decoder = new StringDecoder('utf8')
  let parts: string[] = []
  let length = 0
  const keep = (text: string) => {
    if (length <= MAX_LINE) parts.push(text)
    length += text.length
  }
  const flush = () => {
    const line = parts.join('').replace(/\r$/, '')
    const whole = length <= MAX_LINE
    parts = []
    length = 0
    if (line !== '' || empty) each(whole ? line : line.slice(0, BEGINNING))
  }
  const take = (text: string) => {
    let from = 0
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      keep(text.slice(from, at))
      flush()
      from = at + 1
    }
    if (from < text.length) keep(text.slice(from))
  }
  return {
    push: (chunk) => take(decoder.write(chunk)),
    end() {
      take(decoder.end())
      if (length > 0) flush()
    },
  }
}
