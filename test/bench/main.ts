/**
 * `npm run bench`: measures each operation beside its floor and says how many times slower it is. How to add a row:
 * `row.ts`. How it is measured and why: docs/performance.md.
 *
 *   --only ID…     only these rows (ids: figures.ts)
 *   --short        fewer rounds and twice the budget, for CI
 *   --json FILE    the same as a document
 *
 * Exit codes: 0 all within budget · 2 usage · 3 something is over its budget.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/errors.ts'
import { FIGURES, type FigureId } from './figures.ts'
import { measure, NOISE, SHORT_NOISE } from './measure.ts'
import { document, isOver, type Result, table } from './report.ts'
import type { Row } from './row.ts'
import { makeStage } from './stage.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true, default: [] },
    short: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const known = Object.keys(FIGURES) as FigureId[]
const unknown = values.only.find((id) => !known.some((one) => one === id))
if (unknown !== undefined) {
  process.stderr.write(`There is no row "${unknown}". Rows: ${known.join(', ')}\n`)
  process.exit(2)
}

const rows = (await allRows())
  .filter(({ figure }) => values.only.length === 0 || values.only.includes(figure))
  .sort((one, other) => known.indexOf(one.figure) - known.indexOf(other.figure))
const noise = values.short ? SHORT_NOISE : NOISE
const results: Result[] = []
for (const row of rows) {
  process.stderr.write(`${FIGURES[row.figure].operation} …\n`)
  const first = await resultOf(row)
  // Once more, from the beginning: what is slow is slow twice, what was disturbed is not.
  if (isOver(first, noise)) process.stderr.write('  … over its budget, once more\n')
  results.push(isOver(first, noise) ? betterOf(first, await resultOf(row)) : first)
}
process.stdout.write(`${table(results, noise)}\n`)
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify(document(results, noise, values.short), null, 2)}\n`)
// What a row that broke still waits for keeps nobody waiting.
process.exit(results.some((result) => isOver(result, noise)) ? 3 : 0)

async function allRows(): Promise<Row[]> {
  const folder = join(import.meta.dirname, 'rows')
  const modules = readdirSync(folder).map((file) => import(join(folder, file)) as Promise<{ default: Row | Row[] }>)
  return (await Promise.all(modules)).flatMap((module) => module.default)
}

function betterOf(one: Result, other: Result): Result {
  if ('failed' in one) return other
  return 'failed' in other || one.measured.ratio <= other.measured.ratio ? one : other
}

/** A row that breaks doesn't keep the others from being measured. */
async function resultOf(row: Row): Promise<Result> {
  const stage = makeStage(values.short)
  try {
    const sides = await row.prepare(stage)
    const { long, short } = row.rounds ?? { long: 15, short: 5 }
    const measured = await measure(FIGURES[row.figure], sides, values.short ? short : long)
    return { figure: row.figure, names: { floor: sides.floor.name, ours: sides.ours.name }, measured }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    return { figure: row.figure, failed: messageOf(error).split('\n')[0] ?? '' }
  } finally {
    await stage.dispose()
  }
}
