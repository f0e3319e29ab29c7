import { plainText } from '../../mail/frame.ts'
import type { Paint } from '../style.ts'
import { cutTo, padTo, widthOf } from '../width.ts'

/** A piece of a line: plain text on one line, and how it is painted. */
export interface Span {
  readonly text: string
  readonly paint?: Paint
}

/** A line of the screen before it is cut, padded and painted. */
export type Line = readonly Span[]

export function widthOfLine(line: Line): number {
  return line.reduce((sum, { text }) => sum + widthOf(text), 0)
}

/** The line in exactly `width` cells: cut with `…`, or followed by spaces. */
export function fill(line: Line, width: number): Line {
  const fitted: Span[] = []
  let left = width
  for (const [index, span] of line.entries()) {
    const wide = widthOf(span.text)
    const isLast = index === line.length - 1
    if (wide < left || (wide === left && isLast)) {
      fitted.push(span)
      left -= wide
      continue
    }
    // What stands behind would not show at all: the cut says so.
    const rest = isLast ? span.text : `${span.text}${line.slice(index + 1).some(({ text }) => text !== '') ? ' …' : ''}`
    const text = cutTo(rest, left)
    fitted.push({ ...span, text })
    left -= widthOf(text)
    break
  }
  return left > 0 ? [...fitted, { text: ' '.repeat(left) }] : fitted
}

/** Two ends of one line, with as much space between as there is; where both do not fill, the right one goes. */
export function spread(left: Line, right: Line, width: number): Line {
  const space = width - widthOfLine(left) - widthOfLine(right)
  if (space < 1) return fill(left, width)
  return [...left, { text: ' '.repeat(space) }, ...right]
}

/** A painted line; a selected one in reverse, as a whole. */
export function painted(line: Line, { ascii, reverse }: { ascii: boolean; reverse?: Paint }): string {
  const plain = (text: string) => (ascii ? toAscii(text) : text)
  if (reverse !== undefined) return reverse(plain(line.map(({ text }) => text).join('')))
  return line.map(({ text, paint }) => (paint === undefined ? plain(text) : paint(plain(text)))).join('')
}

/** What stands for our own signs where the terminal has only ASCII. Each is as wide as what it stands for. */
const SIGNS: Readonly<Record<string, string>> = {
  '●': '*',
  '◌': '+',
  '◐': '%',
  '◆': '?',
  '○': 'o',
  '✓': 'v',
  '✔': 'v',
  '✗': 'x',
  '✖': 'x',
  '■': '-',
  '▌': '>',
  '▸': '>',
  '→': '>',
  '↑': '^',
  '↓': 'v',
  '…': '~',
  '·': '-',
  '│': '|',
  '┬': '+',
  '├': '|',
  '└': '`',
  '─': '-',
  '−': '-',
  '–': '-',
  '—': '-',
  '‹': '<',
  '›': '>',
  '’': "'",
  '‘': "'",
  '“': '"',
  '”': '"',
  '█': '_',
  '×': 'x',
}

/** The text in ASCII alone, cell by cell: what has no likeness is a question mark for each cell. Escape sequences stay. */
export function toAscii(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are ASCII and stay as they are.
  if (/^[\x00-\x7e]*$/.test(text)) return text
  return Array.from(text, (letter) => {
    if (letter <= '\x7e') return letter
    return SIGNS[letter] ?? bare(letter) ?? '?'.repeat(widthOf(letter))
  }).join('')
}

/** A letter without its accent, where that is ASCII. */
function bare(letter: string): string | null {
  const [first = ''] = letter.normalize('NFD')
  return first > ' ' && first <= '\x7e' ? first : null
}

/**
 * Foreign text whose width every terminal agrees on: one line, tabs as spaces, and of emoji that are built of several
 * signs (families, skin tones, flags, keycaps) only those that stand by themselves.
 */
export function steady(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text
  return plainText(text)
    .replace(/\s/gu, ' ')
    .replace(
      /[\u{FE00}-\u{FE0F}]|[\u{200B}-\u{200F}]|\u{2060}|\u{20E3}|[\u{1F3FB}-\u{1F3FF}]|[\u{E0020}-\u{E007F}]/gu,
      '',
    )
    .replace(/[\u{1F1E6}-\u{1F1FF}]/gu, (flag) => String.fromCharCode((flag.codePointAt(0) ?? 0) - 0x1f1e6 + 65))
}

/** A cell of a list: as much of the text as fits, and spaces. */
export function cell(text: string, width: number, align: 'left' | 'right'): string {
  return padTo(cutTo(steady(text), width), width, align)
}
