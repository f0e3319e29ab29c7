import type { Home } from '../rig/sandbox-home.ts'
import type { Random } from './random.ts'

/**
 * A part of the chaos suite: one kind of fault, injected many times into real work, and an account by somebody else of
 * what became of that work.
 *
 * **To add one**, put a file into `parts/` whose default export is a `Part`; the folder is the registry.
 *
 * ```ts
 * export default {
 *   name: 'mail',
 *   what: 'senders and readers are killed while mail is on its way',
 *   seconds: 60,
 *   async run({ home, random, long, note, problem, gone }) {
 *     const machine = home()                         // gone at the end, with every process started in it
 *     const repo = await readyRepo(machine)
 *     const tally = emptyTally()
 *     while (tally.faults < (long ? 5_000 : 500) && !gone.aborted) { … tally.faults++ … }
 *     if (lost.length > 0) problem(`${lost.length} acknowledged mails never came: ${lost.join(' ')}`)
 *     return { ...tally, load: '8 senders, 4 readers', acknowledged, delivered }
 *   },
 * } satisfies Part
 * ```
 *
 * Everything that is chosen is chosen by `random`, so that a seed replays the choices (not the scheduler's). A part that
 * consists of many independent cases names them: `problem(what, 'sling.reserve:last')` makes the advice how to replay
 * `--case sling.reserve:last`, which comes in as `only`.
 */
export interface Part {
  /** What `--part` takes. */
  readonly name: string
  /** The faults it injects, in a few words. */
  readonly what: string
  /** What its short form may take on two quiet cores. More than twice of it is a problem of its own. */
  readonly seconds: number
  run(run: Run): Promise<Tally>
}

/** What a part is given. */
export interface Run {
  readonly seed: number
  /** Everything, however long it takes; else what fits into `seconds`. */
  readonly long: boolean
  /** This case alone, by the name that it gave to `problem`. */
  readonly only: string | null
  readonly random: Random
  /** Aborted when somebody interrupts the suite, or the time of the part is over. */
  readonly gone: AbortSignal
  /** True once a short form has used up its `seconds`: what is left may be left out, as far as the part allows. */
  late(): boolean
  /** A machine of its own (home, runtime and temp folder). It goes at the end, with its processes, whatever happens. */
  home(): Home
  /** Progress, for whoever watches. */
  note(text: string): void
  /** What must not be, in a sentence; `only` names the case that shows it. */
  problem(what: string, only?: string): void
  /** Before the machines go, the last first; when the suite is interrupted, too. */
  afterwards(work: () => unknown): void
}

/** What a part has to show. Null: it is not about that. */
export interface Tally {
  /** Faults that were injected. */
  readonly faults: number
  /** What was under way meanwhile: `20 agents, 60 tasks`. */
  readonly load: string
  /** What was acknowledged to its author (mails, as a rule), and what of it arrived. */
  readonly acknowledged: number | null
  readonly delivered: number | null
  /** Commits that agents made, and those of them that a ref still reaches. */
  readonly commits: number | null
  readonly reachable: number | null
  /** Whether the gates pass on the canonical branch. */
  readonly mainGreen: boolean | null
  /** Processes that nobody owns any more. */
  readonly orphans: number | null
  /** How long until each fault was noticed, in ms. */
  readonly noticed: readonly number[]
  /** How long until all was well again after each fault, in ms. */
  readonly recovered: readonly number[]
}

/** One that is being filled. */
export type OpenTally = { -readonly [key in Exclude<keyof Tally, 'noticed' | 'recovered'>]: Tally[key] } & {
  noticed: number[]
  recovered: number[]
}

/** A tally that claims nothing yet. */
export function emptyTally(): OpenTally {
  return {
    faults: 0,
    load: '',
    acknowledged: null,
    delivered: null,
    commits: null,
    reachable: null,
    mainGreen: null,
    orphans: null,
    noticed: [],
    recovered: [],
  }
}
