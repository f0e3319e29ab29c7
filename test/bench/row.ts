import type { FigureId } from './figures.ts'
import type { Stage } from './stage.ts'

/**
 * A row of the bench: one operation beside its floor.
 *
 * **To add one**, put a file into `rows/` whose default export is a `Row` or an array of them; the folder is the
 * registry. The figure (what is to be reached, the floor, Overstory's) is an entry of `figures.ts`.
 *
 * ```ts
 * export default {
 *   figure: 'mail-send',
 *   async prepare(stage) {
 *     const repo = await stage.project()               // a repository set up for ov, in a home of its own
 *     return {
 *       floor: { name: 'node + one INSERT', take: stage.command([process.execPath, script]) },
 *       ours: { name: 'ov mail send', take: stage.command(stage.ov('mail', 'send', …), { cwd: repo }) },
 *     }
 *   },
 * } satisfies Row
 * ```
 *
 * What `prepare` does is not timed. Afterwards the bench takes both sides in turn, in an order that changes each round,
 * first some rounds that don't count. A side is a function that does the operation once and says what it took; most
 * are `stage.command(argv)`. Untimed work of a round goes into `take` before and after the timed part, as in
 * `async () => { set up; const taken = await timed(…); tear down; return taken }` with `stage.timed`.
 *
 * What a process is too slow or too short for is done many times in one round: `stage.repeated(100, argv)` runs a
 * command 100 times from one shell and gives the time of one; a rate gives `count`, the units done in `ms`.
 */
export interface Row {
  readonly figure: FigureId
  /** Rounds that count, of a long and of a short run; 15 and 5 where it isn't said. */
  readonly rounds?: { readonly long: number; readonly short: number }
  prepare(stage: Stage): Promise<Sides>
}

export interface Sides {
  readonly floor: Side
  readonly ours: Side
}

export interface Side {
  /** What is done, in a few words, for the table. */
  readonly name: string
  /** Does it once. */
  take(round: number): Promise<Taken>
}

/** What one round took. */
export interface Taken {
  /** Wall time; of an amount (bytes, MB) the amount itself. */
  readonly ms: number
  /** Units done in it, 1 where it isn't said: messages, merges, agents. */
  readonly count?: number
  /** CPU time of the timed part, in ms, where `take` does more than that. */
  readonly cpuMs?: number | null
}
