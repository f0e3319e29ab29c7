import { aligned } from '../rig/aligned.ts'
import { FIGURES, type Figure, type FigureId } from './figures.ts'
import { budgetOf, isFastEnough, type Measured, type Spread } from './measure.ts'

/** A row that was measured, or what kept it from being. */
export type Result =
  | { readonly figure: FigureId; readonly names: { floor: string; ours: string }; readonly measured: Measured }
  | { readonly figure: FigureId; readonly failed: string }

/** True when an operation took more than its budget, both by its ratio and by the clock, or could not be measured. */
export function isOver(result: Result, noise: number): boolean {
  if ('failed' in result) return true
  const { ratio, ours } = result.measured
  const figure = FIGURES[result.figure]
  return ratio > budgetOf(figure, noise) && !isFastEnough(figure, ours.median, noise)
}

const COLUMNS = ['operation', 'floor', '', 'ours', 'reach', 'ratio', 'budget', 'noise', 'CPU', 'Overstory', ''] as const

/** The table for a person. */
export function table(results: readonly Result[], noise: number): string {
  const rows = results.map((result) => {
    const figure: Figure = FIGURES[result.figure]
    const verdict = isOver(result, noise) ? 'OVER' : 'ok'
    const overstory = figure.overstory === null ? '–' : amount(figure.overstory, figure)
    if ('failed' in result) return [figure.operation, result.failed, '', '', '', '', '', '', '', overstory, verdict]
    const { names, measured } = result
    return [
      figure.operation,
      amount(measured.floor.median, figure),
      names.floor,
      amount(measured.ours.median, figure),
      amount(figure.reach, figure),
      `${measured.ratio.toFixed(2)}×`,
      `${budgetOf(figure, noise).toFixed(2)}×`,
      `±${noiseOf(measured.floor)}/${noiseOf(measured.ours)}`,
      `${cpu(measured.floor)}/${cpu(measured.ours)}`,
      overstory,
      verdict,
    ]
  })
  return aligned(COLUMNS, rows)
}

/** The document of `--json`. */
export function document(results: readonly Result[], noise: number, short: boolean) {
  return {
    short,
    node: process.version,
    rows: results.map((result) => {
      const figure: Figure = FIGURES[result.figure]
      const facts = { id: result.figure, ...figure, budget: budgetOf(figure, noise), over: isOver(result, noise) }
      if ('failed' in result) return { ...facts, failed: result.failed }
      const { names, measured } = result
      return {
        ...facts,
        ratio: measured.ratio,
        measured: { floor: { name: names.floor, ...measured.floor }, ours: { name: names.ours, ...measured.ours } },
      }
    }),
  }
}

function amount(value: number, { unit }: Figure): string {
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0
  return unit.startsWith('/') ? `${value.toFixed(digits)}${unit}` : `${value.toFixed(digits)} ${unit}`
}

/** Half of what lies between the quarters, relative to the median. */
function noiseOf({ median, quarters }: Spread): string {
  return `${Math.round(((quarters[1] - quarters[0]) / 2 / median) * 100)}%`
}

function cpu({ cpuMs }: Spread): string {
  return cpuMs === null ? '–' : `${cpuMs.toFixed(cpuMs < 10 ? 1 : 0)}`
}
