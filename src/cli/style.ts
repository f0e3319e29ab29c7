import { Chalk, type ChalkInstance, supportsColor, supportsColorStderr } from 'chalk'

/** Colours for one stream: none when `NO_COLOR` is set, when it is no terminal, or when the terminal has none. */
function coloursOf(support: { level: number } | false): ChalkInstance {
  const level = process.env.NO_COLOR || !support ? 0 : support.level
  return new Chalk({ level: level as 0 | 1 | 2 | 3 })
}

/** For what goes to stdout. */
export const style = coloursOf(supportsColor)
/** For what goes to stderr. */
export const errStyle = coloursOf(supportsColorStderr)

/** Paints a text without changing its width. */
export type Paint = (text: string) => string

/** Columns of the terminal on stdout; a pipe has no edge, unless `COLUMNS` gives it one. */
export function screenWidth(): number {
  const columns = process.stdout.isTTY ? process.stdout.columns : Number(process.env.COLUMNS)
  return Number.isInteger(columns) && columns > 0 ? columns : Number.POSITIVE_INFINITY
}
