import { stripVTControlCharacters } from 'node:util'

let segmenter: Intl.Segmenter | undefined

/** What a person sees as one letter each. Made when the first text is more than ASCII: that takes milliseconds. */
function graphemes(text: string): Intl.Segments {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return segmenter.segment(text)
}

/** East Asian wide and full-width letters, as ranges of code points. (Emoji are told by their own property.) */
const WIDE = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1b000, 0x1b2ff],
  [0x20000, 0x3fffd],
] as const

/** Terminal cells of one grapheme: 0, 1 or 2. */
function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 0
  if (code < 0x300) return grapheme.includes('\uFE0F') ? 2 : 1
  if (/^[\p{M}\p{Cf}]/u.test(grapheme)) return 0
  if (/^\p{Emoji_Presentation}/u.test(grapheme) || grapheme.includes('\uFE0F')) return 2
  return WIDE.some(([from, to]) => code >= from && code <= to) ? 2 : 1
}

/** Terminal cells a text takes; escape sequences take none. */
export function widthOf(text: string): number {
  const plain = stripVTControlCharacters(text)
  // Plain ASCII is nearly everything.
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length
  let width = 0
  for (const { segment } of graphemes(plain)) width += graphemeWidth(segment)
  return width
}

/** The text in at most `width` cells, with `…` where it was cut. Only for text without escape sequences. */
export function cutTo(text: string, width: number): string {
  if (width <= 0) return ''
  if (widthOf(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of graphemes(text)) {
    const next = graphemeWidth(segment)
    if (used + next > width - 1) break
    cut += segment
    used += next
  }
  return `${cut.trimEnd()}…`
}

/** The text followed (or preceded) by as many spaces as it takes to fill `width` cells. */
export function padTo(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'left' ? text + space : space + text
}

/** The text in lines of at most `width` cells, broken between words where that goes. Only for text without escape sequences. */
export function wrapTo(text: string, width: number): string[] {
  if (width === Number.POSITIVE_INFINITY) return text.split('\n')
  return text.split('\n').flatMap((line) => wrapLine(line, Math.max(1, width)))
}

function wrapLine(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/(?<=\s)(?=\S)/)) {
    if (widthOf(line) + widthOf(word.trimEnd()) <= width) {
      line += word
      continue
    }
    if (line !== '') lines.push(line.trimEnd())
    line = word
    while (widthOf(line.trimEnd()) > width) {
      const head = headOf(line, width)
      lines.push(head)
      line = line.slice(head.length)
    }
  }
  return [...lines, line.trimEnd()]
}

/** As many graphemes as fit, at least one. */
function headOf(text: string, width: number): string {
  let head = ''
  let used = 0
  for (const { segment } of graphemes(text)) {
    used += graphemeWidth(segment)
    if (used > width && head !== '') break
    head += segment
  }
  return head
}
