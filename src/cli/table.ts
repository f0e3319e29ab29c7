import type { Paint } from './style.ts'
import { cutTo, padTo, widthOf } from './width.ts'

/** What stands in one place: plain text without line breaks, and how it is painted. */
export interface Cell {
  readonly text: string
  /** Said instead where the text would have to be cut. */
  readonly short?: string
  readonly paint?: Paint
}

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string | Cell
  readonly align?: 'left' | 'right'
  /** Fewest cells in which it still says something. Default: as wide as its content. */
  readonly min?: number
  /** Where it is tight, the column with the highest number goes first; one without a number stays. */
  readonly goes?: number
}

interface Laid {
  readonly cells: readonly Cell[]
  readonly title: string
  readonly align: 'left' | 'right'
  readonly goes: number | undefined
  readonly natural: number
  readonly least: number
}

const GAP = 2

/**
 * Rows under titles, in at most `width` cells a line. Columns without any content are left out; where it is tight,
 * columns get narrower, then go; where not even those fit that stay, each row becomes a few lines.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { width, paintTitle = (text) => text }: { width: number; paintTitle?: Paint },
): string[] {
  let laid = columns.map((column) => lay(column, rows)).filter(({ cells }) => cells.some(({ text }) => text !== ''))
  while (needed(laid) > width) {
    const first = laid.reduce<Laid | null>(
      (worst, one) => (one.goes !== undefined && one.goes > (worst?.goes ?? 0) ? one : worst),
      null,
    )
    if (first === null) return stacked(laid, rows.length, width)
    laid = laid.filter((one) => one !== first)
  }
  const widths = share(laid, width)
  const line = (parts: readonly string[]) => parts.join(' '.repeat(GAP)).trimEnd()
  const put = (one: Laid, index: number, { text, short = text, paint = (same) => same }: Cell) => {
    const room = widths[index] ?? 0
    return padTo(paint(cutTo(widthOf(text) > room ? short : text, room)), room, one.align)
  }
  return [
    line(laid.map((one, index) => put(one, index, { text: one.title, paint: paintTitle }))),
    ...rows.map((_, row) => line(laid.map((one, index) => put(one, index, one.cells[row] ?? { text: '' })))),
  ]
}

function lay<Row>(column: Column<Row>, rows: readonly Row[]): Laid {
  const cells = rows.map((row) => {
    const cell = column.cell(row)
    return typeof cell === 'string' ? { text: cell } : cell
  })
  const natural = Math.max(widthOf(column.title), ...cells.map(({ text }) => widthOf(text)))
  return {
    cells,
    title: column.title,
    align: column.align ?? 'left',
    goes: column.goes,
    natural,
    least: Math.min(natural, column.min ?? natural),
  }
}

function needed(laid: readonly Laid[]): number {
  return laid.reduce((sum, { least }) => sum + least, GAP * Math.max(0, laid.length - 1))
}

/** Everybody gets the least; what is left goes round, a cell at a time, to those that have use for it. */
function share(laid: readonly Laid[], width: number): number[] {
  const widths = laid.map(({ least }) => least)
  for (let left = width - needed(laid); left > 0; ) {
    const takers = [...widths.keys()]
      .filter((index) => (widths[index] ?? 0) < (laid[index]?.natural ?? 0))
      .slice(0, left)
    if (takers.length === 0) break
    for (const index of takers) widths[index] = (widths[index] ?? 0) + 1
    left -= takers.length
  }
  return widths
}

function stacked(laid: readonly Laid[], count: number, width: number): string[] {
  return Array.from({ length: count }, (_, row) =>
    laid.flatMap(({ cells }, index) => {
      const { text, short = text, paint = (same: string) => same } = cells[row] ?? { text: '' }
      const indent = index === 0 ? '' : '  '
      const room = width - indent.length
      return text === '' ? [] : [indent + paint(cutTo(widthOf(text) > room ? short : text, room))]
    }),
  ).flat()
}
