import { timeOfDay } from '../clock.ts'
import type { RuntimeId } from '../contract/runtime.ts'

/** Why a runtime can't take a task just now. */
export type Obstacle =
  | { readonly is: 'not-installed' | 'no-login' | 'no-prompts' | 'no-commands' | 'no-screen' | 'refused-login' }
  /** One of its agents waits until its provider lets it go on: a limit, an outage. `until` in ms since the epoch. */
  | { readonly is: 'parked'; readonly until: number }

/** A runtime that would have been taken before the one that was. */
export interface PassedOver {
  readonly runtime: RuntimeId
  readonly why: Obstacle['is']
  /** When it can go on, ms since the epoch; null where waiting does not help. */
  readonly until: number | null
}

/** A runtime in the chain, and what stands in its way. */
export interface Candidate {
  readonly runtime: RuntimeId
  readonly obstacle: Obstacle | null
}

/**
 * The first runtime of a chain that nothing stands in the way of. Where none is free: the one that can go on first, since
 * it only has to wait; where that is none either, the first of all, so that what is wrong with it is said.
 */
export function firstAble(chain: readonly [Candidate, ...Candidate[]]): {
  readonly taken: RuntimeId
  readonly passedOver: readonly PassedOver[]
} {
  const able = chain.findIndex(({ obstacle }) => obstacle === null)
  const at = able >= 0 ? able : soonest(chain)
  return { taken: (chain[at] ?? chain[0]).runtime, passedOver: chain.slice(0, at).map(passed) }
}

function soonest(chain: readonly Candidate[]): number {
  const until = (at: number) => {
    const obstacle = chain[at]?.obstacle
    return obstacle?.is === 'parked' ? obstacle.until : Number.POSITIVE_INFINITY
  }
  return chain.reduce((best, _, at) => (until(at) < until(best) ? at : best), 0)
}

/** One that is passed over, and why. */
export function passed({ runtime, obstacle }: Candidate): PassedOver {
  return {
    runtime,
    why: obstacle?.is ?? 'not-installed',
    until: obstacle?.is === 'parked' ? obstacle.until : null,
  }
}

const WHY = {
  'not-installed': 'is not installed',
  'no-login': 'is not logged in',
  'refused-login': 'had its login refused',
  'no-prompts': 'understands no prompt',
  'no-commands': 'runs no commands, so it cannot lead others',
  'no-screen': 'has no screen that ov can drive',
  parked: 'is held up by its provider',
} as const satisfies Record<Obstacle['is'], string>

/** Why others were passed over, in words: `claude is held up by its provider until 14:05, gemini is not installed`. */
export function sayPassedOver(passedOver: readonly PassedOver[]): string {
  return passedOver
    .map(
      ({ runtime, why, until }) =>
        `${runtime} ${WHY[why]}${until === null ? '' : ` until ${timeOfDay(until, Date.now())}`}`,
    )
    .join(', ')
}
