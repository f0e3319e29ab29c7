import type { AgentEvent, Usage } from '../contract/runtime.ts'

type UsageEvent = Extract<AgentEvent, { type: 'usage' }>

/**
 * Turns what runtimes report, what was added or the total so far, into what each report adds.
 *
 * @param earlier what was counted of a session that is taken up again. A runtime whose counts are totals of the session
 *   goes on from there; one that counts by turns, or by processes, begins anew by itself.
 */
export function usageMeter(earlier: Usage | null = null): (event: UsageEvent) => Usage {
  let before: Usage | null = null
  let taken = earlier
  return ({ usage, scope, costScope }) => {
    if (scope === 'total' && costScope === 'total') before ??= taken
    taken = null
    const added = (key: 'input' | 'output' | 'cacheRead' | 'cacheWrite') =>
      scope === 'added' ? usage[key] : rise(usage[key], before?.[key])
    const counted = {
      ...usage,
      input: added('input'),
      output: added('output'),
      cacheRead: added('cacheRead'),
      cacheWrite: added('cacheWrite'),
      costUsd: costScope === 'added' ? usage.costUsd : rise(usage.costUsd, before?.costUsd),
    }
    before = usage
    return counted
  }
}

/** A counter that fell was begun anew (a resumed session of some runtimes): then all of it is new. */
function rise(total: number | null, before: number | null | undefined): number | null {
  if (total === null) return null
  const last = before ?? 0
  return total >= last ? total - last : total
}
