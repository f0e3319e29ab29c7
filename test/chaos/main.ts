/**
 * `npm run chaos`: breaks things on purpose, many times, and has somebody outside `ov` say what was lost. What a part is:
 * `part.ts`. What each proves: docs/chaos.md.
 *
 *   --part NAME    only this part (again for another)
 *   --seed N       choose as that run did; without it by chance
 *   --case TEXT    only this case of the part, as a problem has named it
 *   --long         everything, however long it takes
 *   --list         the parts
 *   --json FILE    the table as a document
 *
 * Exit codes: 0 nothing was lost · 1 a problem · 2 usage · 130 interrupted.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/errors.ts'
import { aligned } from '../rig/aligned.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { emptyTally, type Part, type Run, type Tally } from './part.ts'
import { randomOf } from './random.ts'
import { document, type Problem, type Row, replayOf, table } from './report.ts'

/** So long a part that was told to end may take for it, in ms. */
const ENDING_MS = 20_000

const { values } = parseArgs({
  options: {
    part: { type: 'string', multiple: true, default: [] },
    seed: { type: 'string' },
    case: { type: 'string' },
    long: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const parts = await allParts()
if (values.list) {
  process.stdout.write(
    `${aligned(
      ['part', 'short form', 'faults'],
      parts.map(({ name, what, seconds }) => [name, `${seconds} s`, what]),
    )}\n`,
  )
  process.exit(0)
}
const unknown = values.part.find((name) => !parts.some((part) => part.name === name))
if (unknown !== undefined) misuse(`There is no part "${unknown}". Parts: ${parts.map(({ name }) => name).join(', ')}`)
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
if (!Number.isSafeInteger(seed)) misuse('A seed is an integer.')

/** Undone at the end of a part, or when somebody interrupts: the last first. */
const undo: (() => unknown)[] = []
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    process.stderr.write(`\n${signal}: cleaning up …\n`)
    interrupted.abort()
    void undoAll().finally(() => process.exit(130))
  })

const rows: Row[] = []
for (const part of parts.filter(({ name }) => values.part.length === 0 || values.part.includes(name))) {
  if (interrupted.signal.aborted) break
  rows.push(await rowOf(part))
}
if (!interrupted.signal.aborted) {
  process.stdout.write(`\n${table(rows)}\n`)
  for (const { part, problems } of rows)
    for (const { what, replay } of problems) process.stdout.write(`\n✖ ${part}: ${what}\n  ${replay}\n`)
  if (values.json !== undefined) {
    mkdirSync(dirname(values.json), { recursive: true })
    writeFileSync(values.json, `${JSON.stringify(document(rows, values.long), null, 2)}\n`)
  }
  // What a part that broke still waits for keeps nobody waiting.
  process.exit(rows.some(({ problems }) => problems.length > 0) ? 1 : 0)
}

async function allParts(): Promise<Part[]> {
  const folder = join(import.meta.dirname, 'parts')
  const files = readdirSync(folder).sort()
  const modules = files.map((file) => import(join(folder, file)) as Promise<{ default: Part }>)
  return (await Promise.all(modules)).map((module) => module.default)
}

/** A part that breaks has a problem, and doesn't keep the others from being run. */
async function rowOf(part: Part): Promise<Row> {
  const from = performance.now()
  const elapsed = () => (performance.now() - from) / 1_000
  const problems: Problem[] = []
  const only = values.case ?? null
  const note = (text: string) => process.stderr.write(`  ${part.name} ${elapsed().toFixed(0)} s: ${text}\n`)
  const problem: Run['problem'] = (what, only = values.case) => {
    process.stderr.write(`  ✖ ${part.name}: ${what}\n`)
    problems.push({ what, replay: replayOf(part, { seed, long: values.long, only: only ?? null }) })
  }
  const overdue = new AbortController()
  const timer = values.long ? undefined : setTimeout(() => overdue.abort(), part.seconds * 2_000)
  process.stderr.write(`${part.name}: ${part.what}; seed ${seed}\n`)
  const run: Run = {
    seed,
    only,
    long: values.long,
    random: randomOf(seed).of(part.name),
    gone: AbortSignal.any([interrupted.signal, overdue.signal]),
    late: () => !values.long && elapsed() > part.seconds,
    home: newHome,
    note,
    problem,
    afterwards: (work) => undo.push(work),
  }
  let tally: Tally = { ...emptyTally(), load: 'broke off' }
  try {
    tally = await withinTime(part.run(run), overdue.signal)
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    problem(messageOf(error))
  } finally {
    clearTimeout(timer)
    await undoAll()
  }
  if (overdue.signal.aborted) problem(`It took more than twice its ${part.seconds} s.`)
  return { part: part.name, what: part.what, seed, seconds: elapsed(), ...tally, problems }
}

/** What a part gives, unless it does not end although its time is over. */
function withinTime<T>(work: Promise<T>, overdue: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined
    overdue.addEventListener('abort', () => {
      timer = setTimeout(() => reject(new Error('It did not end when its time was over.')), ENDING_MS)
    })
    work.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function newHome(): Home {
  const home = makeHome()
  const dispose = () => home.dispose()
  undo.push(dispose)
  return {
    ...home,
    async dispose() {
      // Whoever interrupts may be at it already.
      const at = undo.indexOf(dispose)
      if (at >= 0) undo.splice(at, 1)
      await home.dispose()
    },
  }
}

/** One that fails doesn't keep the others from being undone. */
async function undoAll(): Promise<void> {
  for (let work = undo.pop(); work !== undefined; work = undo.pop())
    try {
      await work()
    } catch (error) {
      process.stderr.write(`  … and while cleaning up: ${messageOf(error)}\n`)
    }
}

function misuse(why: string): never {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}
