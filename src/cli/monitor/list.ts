import { style } from '../style.ts'
import type { Cell } from '../table.ts'
import { widthOf } from '../width.ts'
import { cell, fill, type Line } from './line.ts'

/**
 * A column of a list on a screen that is drawn again and again: its width depends on the screen alone, never on what
 * the rows hold just now, so that nothing moves when a text changes.
 */
export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => string | Cell | Line
  /** Fewest and most cells. */
  readonly min: number
  readonly max: number
  /** Cells it should have before columns that are `extra` get any. Default `min`. */
  readonly fair?: number
  /** Comes only where all that are not have their fair width. */
  readonly extra?: boolean
  /** How much of the room that is left it gets, beside the others. Default 1. */
  readonly share?: number
  readonly align?: 'left' | 'right'
  /** Where it is tight, the column with the highest number goes first; one without a number stays. */
  readonly goes?: number
}

/** What a list shows. */
export interface List<Row> {
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly id: (row: Row) => string
  /** Said where there are no rows. */
  readonly empty: string
}

export interface Laid<Row> {
  readonly column: Column<Row>
  readonly width: number
}

/** Which columns fit into `width` cells, and how wide each is. */
export function layColumns<Row>(columns: readonly Column<Row>[], width: number): Laid<Row>[] {
  const gap = gapFor(width)
  let kept = [...columns]
  const needed = (least: (column: Column<Row>) => number = ({ min }) => min) =>
    kept.reduce((sum, column) => sum + least(column), gap * (kept.length - 1))
  const drop = (from: readonly Column<Row>[]) => {
    const first = from.reduce((worst, one) => ((one.goes ?? 0) > (worst.goes ?? 0) ? one : worst))
    kept = kept.filter((one) => one !== first)
  }
  const extras = () => kept.filter(({ extra }) => extra)
  while (extras().length > 0 && needed(({ min, fair = min }) => fair) > width) drop(extras())
  while (kept.some(({ goes }) => goes !== undefined) && needed() > width) drop(kept)
  const widths = kept.map(({ min }) => min)
  for (let left = width - needed(); left > 0; left--) {
    let next = -1
    let least = Number.POSITIVE_INFINITY
    for (const [index, { min, max, share = 1 }] of kept.entries()) {
      const now = widths[index] ?? 0
      const has = (now - min + 1) / share
      if (now < max && has < least) {
        least = has
        next = index
      }
    }
    if (next < 0) break
    widths[next] = (widths[next] ?? 0) + 1
  }
  return kept.map((column, index) => ({ column, width: widths[index] ?? 0 }))
}

function gapFor(width: number): number {
  return width < 60 ? 1 : 2
}

/** A list laid out for a width: its titles, and any of its rows as a line. */
export interface ListView {
  readonly titles: Line
  readonly count: number
  row(index: number): Line
}

export function layList<Row>({ columns, rows }: List<Row>, width: number): ListView {
  const laid = layColumns(columns, width)
  const gap = ' '.repeat(gapFor(width))
  const join = (cells: readonly Line[]) =>
    cells.flatMap((spans, index) => (index === 0 ? spans : [{ text: gap }, ...spans]))
  return {
    titles: join(
      laid.map(({ column: { title, align = 'left' }, width: room }) => [
        { text: cell(title, room, align), paint: style.dim },
      ]),
    ),
    count: rows.length,
    row(index) {
      const row = rows[index]
      return row === undefined ? [] : join(laid.map(({ column, width: room }) => cellOf(column, row, room)))
    },
  }
}

function cellOf<Row>(column: Column<Row>, row: Row, room: number): Line {
  const said = column.cell(row)
  if (Array.isArray(said)) return fill(said, room)
  const { text, short = text, paint }: Cell = typeof said === 'string' ? { text: said } : (said as Cell)
  const shown = cell(widthOf(text) > room ? short : text, room, column.align ?? 'left')
  return [{ text: shown, ...(paint === undefined ? {} : { paint }) }]
}

/**
 * The first of `count` rows to show in `height` lines, so that row `selected` is among them: as before where that goes.
 */
export function topFor(count: number, height: number, selected: number, before: number): number {
  const most = Math.max(0, count - height)
  const seen = selected < before ? selected : selected >= before + height ? selected - height + 1 : before
  return Math.max(0, Math.min(most, seen))
}
