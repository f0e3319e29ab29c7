import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../../src/errors.ts'
import { run as runProgram } from '../../../src/os/process.ts'
import { aligned } from '../../rig/aligned.ts'
import { MUTATIONS, type Mutation } from '../mutations.ts'
import { emptyTally, type Part, type Run } from '../part.ts'
import { several } from '../several.ts'
import { makeVariant, type Variant } from '../variant.ts'

/** So many of them in the short form, chosen by the seed. */
const HANDFUL = 6
const AT_ONCE = 2
/** Longest that the tests of one may take, in ms. */
const PATIENCE_MS = 240_000

/** Each protection taken out of a copy of the sources: the tests that it is for have to go red there. */
export default {
  name: 'mutations',
  what: 'each protection taken away, to see that a test goes red without it',
  seconds: 40,
  async run(run) {
    const chosen = MUTATIONS.filter(({ protection }) => run.only === null || run.only === protection)
    const tried = run.long ? chosen : run.random.shuffled(chosen).slice(0, HANDFUL)
    const seen: [string, string][] = []
    await several(AT_ONCE, tried, async (mutation) => {
      if (run.gone.aborted || run.late()) return
      const { protection } = mutation
      try {
        const red = await redWithout(run, mutation)
        if (red === null) run.problem(`without "${protection}" nothing goes red`, protection)
        seen.push([protection, red ?? 'NOTHING'])
        run.note(`${red === null ? '✖' : '✔'} ${protection}`)
      } catch (error) {
        if (!run.gone.aborted) run.problem(`${protection}: ${messageOf(error)}`, protection)
      }
    })
    process.stderr.write(`${aligned(['without', 'goes red'], seen)}\n`)
    return { ...emptyTally(), faults: seen.length, load: `${MUTATIONS.length} protections` }
  },
} satisfies Part

/** The first test that goes red without a protection; null when none does. */
async function redWithout(run: Run, { without, red }: Mutation): Promise<string | null> {
  const variant = makeVariant(without)
  run.afterwards(variant.dispose)
  try {
    if ('part' in red) return await redPart(variant, red.part, run.seed)
    if (red.build) await variant.build()
    return await redTest(variant, red)
  } finally {
    variant.dispose()
  }
}

async function redPart(variant: Variant, part: string, seed: number): Promise<string | null> {
  const main = join(variant.root, 'test', 'chaos', 'main.ts')
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', main]
  const { code, output } = await runProgram([...node, '--part', part, '--seed', `${seed}`], {
    cwd: variant.root,
    timeoutMs: PATIENCE_MS,
  })
  if (code === 0) return null
  const why = /^✖ (.*)$/m.exec(output)?.[1]
  if (code !== 1 || why === undefined)
    throw new Error(`chaos --part ${part} ended with ${code}: ${output.slice(-2_000)}`)
  return `chaos: ${why}`
}

interface Reported {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: readonly {
    readonly message: string
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[]
  }[]
}

async function redTest(variant: Variant, { file, title }: { file: string; title?: string }): Promise<string | null> {
  const vitest = join(variant.root, 'node_modules', '.bin', 'vitest')
  const only = title === undefined ? [] : ['--testNamePattern', title]
  const said = join(variant.root, 'said.json')
  const { output } = await runProgram([vitest, 'run', file, ...only, '--reporter=json', `--outputFile=${said}`], {
    cwd: variant.root,
    timeoutMs: PATIENCE_MS,
  })
  if (!existsSync(said)) throw new Error(`vitest said nothing: ${output.slice(-2_000)}`)
  const report: Reported = JSON.parse(readFileSync(said, 'utf8'))
  const failed = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === 'failed').map((test) => test.title),
  )
  if (failed.length === 0 && report.numPassedTests === 0)
    throw new Error(`no test ran: ${report.testResults.map(({ message }) => message).join(' ')}`)
  return failed[0] === undefined ? null : `${file}: ${failed[0]}`
}
