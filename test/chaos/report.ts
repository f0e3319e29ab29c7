import { aligned } from '../rig/aligned.ts'
import type { Part, Tally } from './part.ts'

/** What must not be, and how to see it again. */
export interface Problem {
  readonly what: string
  readonly replay: string
}

/** A part that was run. */
export interface Row extends Tally {
  readonly part: string
  readonly what: string
  readonly seed: number
  readonly seconds: number
  readonly problems: readonly Problem[]
}

const COLUMNS = [
  'part',
  'faults',
  'load held',
  'acked/delivered',
  'commits/reachable',
  'main',
  'orphans',
  'noticed (median/p99)',
  'recovered (median/p99)',
  'took',
  '',
] as const

/** The chaos table for a person. */
export function table(rows: readonly Row[]): string {
  return aligned(
    COLUMNS,
    rows.map((row) => [
      row.part,
      `${row.faults}`,
      row.load,
      pair(row.acknowledged, row.delivered),
      pair(row.commits, row.reachable),
      row.mainGreen === null ? '–' : row.mainGreen ? 'green' : 'RED',
      row.orphans === null ? '–' : `${row.orphans}`,
      times(row.noticed),
      times(row.recovered),
      `${row.seconds.toFixed(0)} s`,
      row.problems.length === 0 ? 'ok' : `${row.problems.length} PROBLEM${row.problems.length === 1 ? '' : 'S'}`,
    ]),
  )
}

/** The document of `--json`. */
export function document(rows: readonly Row[], long: boolean) {
  return {
    long,
    node: process.version,
    ok: rows.every(({ problems }) => problems.length === 0),
    parts: rows.map(({ noticed, recovered, ...row }) => ({
      ...row,
      noticedMs: spread(noticed),
      recoveredMs: spread(recovered),
    })),
  }
}

/** How to see the same choices again. */
export function replayOf({ name }: Part, run: { seed: number; long: boolean; only: string | null }): string {
  const only = run.only === null ? '' : ` --case '${run.only}'`
  return `npm run chaos -- --part ${name} --seed ${run.seed}${run.long ? ' --long' : ''}${only}`
}

function spread(samples: readonly number[]): { count: number; median: number; p99: number } | null {
  if (samples.length === 0) return null
  const sorted = samples.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { count: sorted.length, median: at(0.5), p99: at(0.99) }
}

function pair(one: number | null, other: number | null): string {
  return one === null && other === null ? '–' : `${one ?? '–'}/${other ?? '–'}`
}

function times(samples: readonly number[]): string {
  const found = spread(samples)
  return found === null ? '–' : `${duration(found.median)} / ${duration(found.p99)}`
}

function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
