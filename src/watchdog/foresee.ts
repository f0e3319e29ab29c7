import { type AgentSeen, judge, type Memory, type Moment, NOTHING_YET, type Seen } from './rules.ts'
import type { Limits } from './silence.ts'
import type { TroubleKind } from './trouble.ts'

/** What the watchdog will do about an agent in which nothing changes. */
export interface Foreseen {
  readonly about: TroubleKind
  readonly do: 'nudge' | 'raise'
  /** Which nudge of this silence; null where they are not counted. */
  readonly nth: number | null
  /** In how many ms; 0: it is due. */
  readonly inMs: number
}

/** So many looks ahead. Each is at a time at which the rule itself asks to look again. */
const MOST_LOOKS = 50

/**
 * What follows for an agent if nothing changes, the soonest first: of its silence, and of whatever else is wrong with it. No
 * arithmetic of its own: the watchdog's rule is asked what it concludes at the time from which it counts, and then at each
 * time at which it wants to look again.
 *
 * @param now as the agent is seen
 * @param countsFromMs ms before `now` from which its silence counts: its last sign, the last thing done about it, or the
 *   first look of who watches
 */
export function foresee(agent: AgentSeen, now: Moment, countsFromMs: number, limits: Limits): Foreseen[] {
  const start = { wall: now.wall - countsFromMs, mono: now.mono - countsFromMs }
  const silence = firstVerdict({ ...agent, troubles: [] }, start, limits)
  const others = agent.troubles.map((trouble) =>
    firstVerdict({ ...agent, troubles: [trouble] }, now, limits, trouble.about),
  )
  return [silence, ...others]
    .flatMap((found) => (found === null ? [] : [{ ...found, inMs: Math.max(0, found.at - now.mono) }]))
    .map(({ at: _, ...found }) => found)
    .sort((a, b) => a.inMs - b.inMs)
}

function firstVerdict(
  agent: AgentSeen,
  start: Moment,
  limits: Limits,
  about: TroubleKind = 'silence',
): (Omit<Foreseen, 'inMs'> & { at: number }) | null {
  let memory: Memory = NOTHING_YET
  let at = start
  for (let look = 0; look < MOST_LOOKS; look++) {
    const judged = judge(seeing(agent, start, at), memory, limits, Number.POSITIVE_INFINITY)
    for (const verdict of judged.verdicts) {
      if ((verdict.do !== 'nudge' && verdict.do !== 'raise') || verdict.about !== about) continue
      return { about, do: verdict.do, nth: 'nth' in verdict ? verdict.nth : null, at: at.mono }
    }
    if (!Number.isFinite(judged.next)) return null
    memory = judged.memory
    const mono = Math.max(judged.next, at.mono + 1)
    at = { mono, wall: start.wall + (mono - start.mono) }
  }
  return null
}

/** An agent as it will be seen: what is due some time from `start` comes nearer. */
function seeing(agent: AgentSeen, start: Moment, at: Moment): Seen {
  const passed = at.mono - start.mono
  const troubles = agent.troubles.map((one) => ({ ...one, inMs: Math.max(0, one.inMs - passed) }))
  const nothing = { places: 0, stranded: [], merges: [], landings: [], unmarked: [], escalations: [], untold: false }
  return { at, agents: [{ ...agent, troubles }], ...nothing }
}
