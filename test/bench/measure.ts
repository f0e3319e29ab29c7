import { cpuMs } from './cpu.ts'
import type { Figure } from './figures.ts'
import type { Side, Sides, Taken } from './row.ts'

/** What a side took over all rounds, in the figure's unit. */
export interface Spread {
  readonly median: number
  /** The middle half of the rounds lies between these. */
  readonly quarters: readonly [number, number]
  /** CPU time of a round, user and system, of this process and of all it waited for; the mean. Null where not known. */
  readonly cpuMs: number | null
}

export interface Measured {
  readonly floor: Spread
  readonly ours: Spread
  /** How many times more than the floor ours takes, by the medians; of a rate, how many times less it does. */
  readonly ratio: number
}

/** The noise that a row may have on top of its figure. */
export const NOISE = 1.3
/**
 * A short run has few rounds, on a machine that does other things. It is to find what has become slow by mistake (a
 * module loaded too many, a poll instead of an event), so it fails at twice the budget of a long one.
 */
export const SHORT_NOISE = 2 * NOISE

/** How many times its floor an operation may take. */
export function budgetOf(figure: Figure, noise: number): number {
  return (isRate(figure) ? figure.floor / figure.reach : figure.reach / figure.floor) * noise
}

/** What is fast enough whatever its floor: the figure itself and the noise. A floor that is a fast machine's takes no budget away. */
export function isFastEnough(figure: Figure, ours: number, noise: number): boolean {
  return isRate(figure) ? ours >= figure.reach / noise : ours <= figure.reach * noise
}

/**
 * Takes both sides in turn, the one that begins changing each round: what the machine does beside it meets both alike.
 *
 * @param rounds how many count; the warm-up comes on top
 */
export async function measure(figure: Figure, { floor, ours }: Sides, rounds: number): Promise<Measured> {
  const warmUp = Math.min(3, rounds)
  const takenBy = { floor: sampler(figure, floor), ours: sampler(figure, ours) }
  for (let round = -warmUp; round < rounds; round++) {
    const order = round % 2 === 0 ? (['floor', 'ours'] as const) : (['ours', 'floor'] as const)
    for (const side of order) await takenBy[side].take(round + warmUp, round >= 0)
  }
  const spread = { floor: takenBy.floor.spread(), ours: takenBy.ours.spread() }
  const [less, more] = isRate(figure) ? [spread.ours, spread.floor] : [spread.floor, spread.ours]
  return { ...spread, ratio: more.median / less.median }
}

function isRate({ unit }: Figure): boolean {
  return unit === '/min' || unit === '/s'
}

function sampler(figure: Figure, side: Side) {
  const values: number[] = []
  let cpu = 0
  return {
    async take(round: number, counts: boolean): Promise<void> {
      const before = cpuMs()
      const { ms, count = 1, cpuMs: own } = await inTime(side, round)
      if (!counts) return
      values.push(inUnit(figure, ms, count))
      cpu += own ?? (cpuMs() ?? Number.NaN) - (before ?? Number.NaN)
    },
    spread: (): Spread => ({
      median: quantile(values, 0.5),
      quarters: [quantile(values, 0.25), quantile(values, 0.75)],
      cpuMs: Number.isNaN(cpu) ? null : cpu / values.length,
    }),
  }
}

/** A round that takes longer than this never ends. */
const ROUND_MS = 120_000

async function inTime(side: Side, round: number): Promise<Taken> {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${side.name} did not end`)), ROUND_MS)
  })
  try {
    return await Promise.race([side.take(round), tooLong])
  } finally {
    clearTimeout(timer)
  }
}

function inUnit({ unit }: Figure, ms: number, count: number): number {
  switch (unit) {
    case '/min':
      return (count / ms) * 60_000
    case '/s':
      return (count / ms) * 1_000
    default:
      return ms / count
  }
}

export function quantile(values: readonly number[], at: number): number {
  const sorted = [...values].sort((one, other) => one - other)
  const place = (sorted.length - 1) * at
  const below = sorted[Math.floor(place)] ?? Number.NaN
  const above = sorted[Math.ceil(place)] ?? Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}
