import { plainText } from '../mail/frame.ts'

/** Of what is kept, the first third is the beginning (what was run, the first error), the rest the end. */
const HEAD_SHARE = 1 / 3
/** Lines longer than this are cut: minified code, base64, one-line JSON. */
const LONGEST_LINE = 400

/**
 * A program's output, made short enough to be read by whoever has to mend it: escape sequences, overwritten progress
 * and repeated lines are gone, beginning and end are kept.
 *
 * @param limit characters of the result, about
 */
export function compactOutput(output: string, limit: number): string {
  const lines = foldRepeats(output.split('\n').map(finalLine).filter(isNotBlankTwice))
  const text = lines.join('\n').trim()
  if (text.length <= limit) return text
  const headRoom = Math.floor(limit * HEAD_SHARE)
  const head = takeWhole(lines, headRoom)
  const tail = takeWhole(lines.slice(head.length).reverse(), limit - headRoom).reverse()
  const left = lines.length - head.length - tail.length
  return [...head, `[… ${left} lines left out …]`, ...tail].join('\n').trim()
}

/** What a terminal would show of a line in the end: the text behind its last carriage return, without escapes. */
function finalLine(line: string): string {
  const shown = line.replace(/\r+$/, '').split('\r').at(-1) ?? ''
  const plain = plainText(shown).trimEnd()
  return plain.length > LONGEST_LINE ? `${plain.slice(0, LONGEST_LINE)}… (${plain.length - LONGEST_LINE} more)` : plain
}

function isNotBlankTwice(line: string, index: number, lines: readonly string[]): boolean {
  return line !== '' || lines[index - 1] !== ''
}

/** Equal lines in a row from here on, and lines that differ only in their numbers, are folded. */
const EQUAL_RUN = 3
const SIMILAR_RUN = 12
/** So many of similar lines are kept at either end: each may name another place. */
const KEPT_OF_SIMILAR = 5

/** Folds runs of equal lines, and long ones of lines that differ only in their numbers: progress, retries, timings. */
function foldRepeats(lines: readonly string[]): string[] {
  const equal = foldRuns(lines, (line) => line, EQUAL_RUN, 1)
  return foldRuns(equal, (line) => line.replace(/\d+(\.\d+)?/g, '0').trim(), SIMILAR_RUN, KEPT_OF_SIMILAR)
}

function foldRuns(lines: readonly string[], alike: (line: string) => string, shortest: number, kept: number): string[] {
  const folded: string[] = []
  for (let at = 0; at < lines.length; ) {
    const pattern = alike(lines[at] ?? '')
    let end = at + 1
    while (end < lines.length && alike(lines[end] ?? '') === pattern) end++
    if (end - at < shortest) folded.push(...lines.slice(at, end))
    else {
      const between = end - at - 2 * kept
      folded.push(...lines.slice(at, at + kept), `[… ${between} more like this …]`, ...lines.slice(end - kept, end))
    }
    at = end
  }
  return folded
}

/** Whole lines from the start, as many as fit. */
function takeWhole(lines: readonly string[], room: number): string[] {
  let used = 0
  const taken: string[] = []
  for (const line of lines) {
    used += line.length + 1
    if (used > room) break
    taken.push(line)
  }
  return taken
}
