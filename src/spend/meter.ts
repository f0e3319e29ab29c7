import type { AgentEvent, Usage } from '../contract/runtime.ts'

type UsageEvent = Extract<AgentEvent, { type: 'usage' }>
type Counter = 'input' | 'output' | 'cacheRead' | 'cacheWrite' | 'costUsd'

/**
 * Turns what runtimes report, what was added or the total so far, into what each report adds. What a report does not
 * count, or adds, is no total of that counter.
 *
 * @param earlier what was counted of a session that is taken up again. A runtime whose counts are totals of the session
 *   goes on from there; one that counts by turns, or by processes, begins anew by itself.
 */
export function usageMeter(earlier: Usage | null = null): (event: UsageEvent) => Usage {
  const totals = new Map<Counter, number>()
  let taken = earlier
  /** A counter that fell was begun anew (a resumed session of some runtimes): then all of it is new. */
  const rise = (counter: Counter, total: number | null): number | null => {
    if (total === null) return null
    const last = totals.get(counter) ?? 0
    totals.set(counter, total)
    return total >= last ? total - last : total
  }
  return ({ usage, scope, costScope }) => {
    if (scope === 'total' && costScope === 'total' && taken !== null)
      for (const counter of COUNTERS) totals.set(counter, taken[counter] ?? 0)
    taken = null
    const added = (counter: Exclude<Counter, 'costUsd'>) =>
      scope === 'added' ? usage[counter] : rise(counter, usage[counter])
    return {
      ...usage,
      input: added('input'),
      output: added('output'),
      cacheRead: added('cacheRead'),
      cacheWrite: added('cacheWrite'),
      costUsd: costScope === 'added' ? usage.costUsd : rise('costUsd', usage.costUsd),
    }
  }
}

const COUNTERS: readonly Counter[] = ['input', 'output', 'cacheRead', 'cacheWrite', 'costUsd']
