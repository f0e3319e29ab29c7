import { type AgentSeen, judge, type Limits, type Memory, type Moment, NOTHING_YET, type Seen } from './rules.ts'

/** What the watchdog will do about an agent that goes on showing nothing. */
export interface Foreseen {
  readonly do: 'nudge' | 'raise'
  /** Which nudge of this silence; null for a raise. */
  readonly nth: number | null
  /** In how many ms; 0: it is due. */
  readonly inMs: number
}

/** So many looks ahead. Each ends at a time at which the rule itself asks to look again. */
const MOST_LOOKS = 50

/**
 * What follows for an agent if nothing changes. No arithmetic of its own: the watchdog's rule is asked what it concludes at
 * the time from which it counts, and then at each time at which it wants to look again.
 *
 * @param now as the agent is seen
 * @param countsFromMs ms before `now` from which its silence counts: its last sign, the last thing done about it, or the
 *   first look of who watches
 */
export function foresee(agent: AgentSeen, now: Moment, countsFromMs: number, limits: Limits): Foreseen | null {
  const start = { wall: now.wall - countsFromMs, mono: now.mono - countsFromMs }
  let memory: Memory = NOTHING_YET
  let at = start
  for (let look = 0; look < MOST_LOOKS; look++) {
    const judged = judge(seeing(agent, at), memory, limits, Number.POSITIVE_INFINITY)
    for (const verdict of judged.verdicts) {
      if (verdict.do !== 'nudge' && verdict.do !== 'raise') continue
      const nth = verdict.do === 'nudge' && 'nth' in verdict ? verdict.nth : null
      return { do: verdict.do, nth, inMs: Math.max(0, at.mono - now.mono) }
    }
    if (!Number.isFinite(judged.next)) return null
    memory = judged.memory
    const next = Math.max(judged.next, at.mono + 1)
    at = { mono: next, wall: start.wall + (next - start.mono) }
  }
  return null
}

function seeing(agent: AgentSeen, at: Moment): Seen {
  const nothing = { places: 0, stranded: [], merges: [], landings: [], unmarked: [], escalations: [], untold: false }
  return { at, agents: [agent], ...nothing }
}
