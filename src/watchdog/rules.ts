import type { AgentStateName } from '../contract/states.ts'
import type { Liveness } from '../os/process.ts'

/*
 * What the watchdog concludes from what it sees. Everything here is pure: facts, memory and time come in, verdicts and
 * the next memory come out.
 *
 * An agent's runner:                           An agent's silence (only while it works):
 *
 *   alive ◄──────► unknown                       signs ──(none for nudgeAfter)──► nudged once ──► …
 *     │               ▲                            ▲                                  │
 *     ▼               │                            └────────(a sign of its own)───────┘
 *   gone? ──(gone again CONFIRM_MS later)──► gone: reported, then tended
 *
 * `unknown` takes every suspicion back. Silence is counted in monotonic time; after a gap in the watching, or a jump
 * of the wall clock, everybody's silence begins anew.
 */

/** A death is believed when it is seen twice, at least so far apart. */
const CONFIRM_MS = 15
/** The starter of a start may end before its runner shows. */
const START_GRACE_MS = 3_000
/** What runners do by themselves is left to them for so long. */
const PLACE_GRACE_MS = 1_000
const MERGE_GRACE_MS = 2_000
/** Two tables are read one after the other: what looks wrong may only be new. */
const READ_GRACE_MS = 300
/** A runner makes lost markers again by itself, unless it is stopped. */
const MARKER_GRACE_MS = 3_000
/** So far wall and monotonic time may drift apart between two looks before it is a jump or a sleep. */
const JUMP_MS = 3_000
/** Looks that come so much later than they were due are a gap: the watcher itself was stopped or starved. */
const LATE_MS = 10_000
/** A need that tending did not end is tended again after this long, then twice as long, … */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

/** One moment on both clocks, in ms. Only `mono` is ever subtracted to decide about an agent. */
export interface Moment {
  readonly wall: number
  readonly mono: number
}

export interface AgentSeen {
  readonly id: string
  readonly state: AgentStateName
  readonly fence: number
  /** What the kernel says of its owner; null when it has none. */
  readonly runner: Liveness | null
  /** Changes with every sign of the agent's own: an event, output, another state. */
  readonly mark: string
  /** A tool of its runs. */
  readonly busy: boolean
  /** It holds no place, and without a runner it is not at its end: it is reported, and left. */
  readonly persistent: boolean
}

/** What one look found. */
export interface Seen {
  readonly at: Moment
  readonly agents: readonly AgentSeen[]
  /** Agents that may be at work at once. */
  readonly places: number
  /** Readers of waiting mail that will never read it. */
  readonly stranded: readonly string[]
  /** Entries of the merge queue that nobody drives, and that are to be driven. */
  readonly merges: readonly string[]
  /** Landings that a dead process left in the middle. */
  readonly landings: readonly string[]
  /** Readers with hooks whom no marker tells of their mail. */
  readonly unmarked: readonly string[]
}

export interface Limits {
  /** Silence after which a working agent is nudged, in ms. */
  readonly nudgeAfter: number
  /** So long a tool in flight counts as progress, in ms. */
  readonly toolLimit: number
}

/** What is remembered of one agent. Times are monotonic ms. */
interface Watched {
  readonly mark: string
  /** Since when its mark has been seen unchanged, without a gap. */
  readonly since: number
  readonly busySince: number | null
  /** It was nudged for this silence. */
  readonly nudged: boolean
  /** Its owner, by its fence, was seen gone; `told`: and it has been reported. */
  readonly gone: { readonly fence: number; readonly since: number; readonly told: boolean } | null
}

/** What is remembered of something that has to be tended. */
interface Need {
  /** How often it was. */
  readonly times: number
  /** When it is to be the next time. */
  readonly next: number
}

export interface Memory {
  /** The moment of the look before, and when the next was due. Null before the first. */
  readonly last: (Moment & { readonly due: number }) | null
  readonly agents: ReadonlyMap<string, Watched>
  readonly needs: ReadonlyMap<string, Need>
}

export const NOTHING_YET: Memory = { last: null, agents: new Map(), needs: new Map() }

export type Verdict =
  /** Nobody looked for so long, or the clock was set: `ms` is by how much, back is negative. */
  | { readonly do: 'note-gap'; readonly ms: number }
  /** The owner of this fence is gone for certain. Said once a fence. */
  | { readonly do: 'report-gone'; readonly agent: string; readonly fence: number }
  /** It has shown nothing for `silentMs`. Said once a silence. */
  | {
      readonly do: 'nudge'
      readonly agent: string
      readonly fence: number
      readonly mark: string
      readonly silentMs: number
      /** A tool has run longer than tools may. */
      readonly busy: boolean
    }
  /** These need somebody who looks after the fleet. */
  | { readonly do: 'tend'; readonly because: readonly string[] }
  /** The merge train stands, and should go. */
  | { readonly do: 'merge'; readonly because: readonly string[] }

export interface Judgement {
  readonly verdicts: readonly Verdict[]
  readonly memory: Memory
  /** Monotonic ms at which time alone may change the judgement; infinity when it will not. */
  readonly next: number
}

/**
 * @param due monotonic ms by which the look after this one is promised at the latest
 */
export function judge(seen: Seen, memory: Memory, limits: Limits, due: number): Judgement {
  const { at } = seen
  const gap = gapBefore(at, memory.last)
  const verdicts: Verdict[] = gap === 0 ? [] : [{ do: 'note-gap', ms: gap }]
  const agents = new Map<string, Watched>()
  const wanted: Wanted[] = []
  let next = Number.POSITIVE_INFINITY
  for (const agent of seen.agents) {
    const known = observe(agent, memory.agents.get(agent.id), at.mono, gap !== 0)
    const { watched, verdict, again } = judgeOne(agent, known, at.mono, limits)
    agents.set(agent.id, watched)
    if (verdict !== null) verdicts.push(verdict)
    next = Math.min(next, again)
    const confirmed = watched.gone !== null && at.mono - watched.gone.since >= CONFIRM_MS
    if (agent.state === 'starting' && agent.runner === 'gone')
      wanted.push({ key: `start:${agent.id}:${agent.fence}`, grace: START_GRACE_MS })
    else if (confirmed) wanted.push({ key: `gone:${agent.id}:${agent.fence}`, grace: 0, once: agent.persistent })
  }
  const live = seen.agents.filter(({ state, persistent }) => state !== 'queued' && !persistent).length
  const oldest = seen.agents.find(({ state }) => state === 'queued')
  if (oldest !== undefined && live < seen.places) wanted.push({ key: `place:${oldest.id}`, grace: PLACE_GRACE_MS })
  for (const reader of seen.stranded) wanted.push({ key: `mail:${reader}`, grace: READ_GRACE_MS })
  for (const landing of seen.landings) wanted.push({ key: `landing:${landing}`, grace: READ_GRACE_MS })
  for (const reader of seen.unmarked) wanted.push({ key: `marker:${reader}`, grace: MARKER_GRACE_MS })

  const fleet = attend(wanted, memory.needs, at.mono)
  const merges = attend(
    seen.merges.map((id) => ({ key: `merge:${id}`, grace: MERGE_GRACE_MS })),
    memory.needs,
    at.mono,
  )
  if (fleet.due) verdicts.push({ do: 'tend', because: wanted.map(({ key }) => key) })
  if (merges.due) verdicts.push({ do: 'merge', because: [...seen.merges] })
  next = Math.min(next, fleet.next, merges.next)
  return {
    verdicts,
    memory: {
      last: { ...at, due: Math.min(due, Math.max(next, at.mono)) },
      agents,
      needs: new Map([...fleet.needs, ...merges.needs]),
    },
    next,
  }
}

/** By how much wall time ran away from monotonic time, or else how long nobody looked who should have; 0 for neither. */
function gapBefore(at: Moment, last: Memory['last']): number {
  if (last === null) return 0
  const drift = at.wall - last.wall - (at.mono - last.mono)
  if (Math.abs(drift) > JUMP_MS) return drift
  const late = at.mono - last.due
  return late > LATE_MS ? late : 0
}

/** What is known of an agent after this look, before anything is concluded. */
function observe(agent: AgentSeen, before: Watched | undefined, now: number, gap: boolean): Watched {
  const silent = before !== undefined && before.mark === agent.mark && agent.state === 'working'
  const gone = agent.runner === 'gone' && agent.state !== 'starting' && agent.state !== 'queued'
  return {
    mark: agent.mark,
    since: silent && !gap ? before.since : now,
    busySince: agent.busy ? (gap ? now : (before?.busySince ?? now)) : null,
    nudged: silent && before.nudged,
    gone: !gone
      ? null
      : before?.gone?.fence === agent.fence
        ? before.gone
        : { fence: agent.fence, since: now, told: false },
  }
}

/** What follows for one agent, and when to look at it again. */
function judgeOne(
  agent: AgentSeen,
  watched: Watched,
  now: number,
  limits: Limits,
): { watched: Watched; verdict: Verdict | null; again: number } {
  if (watched.gone !== null) {
    const confirmedAt = watched.gone.since + CONFIRM_MS
    if (watched.gone.told) return { watched, verdict: null, again: Number.POSITIVE_INFINITY }
    if (now < confirmedAt) return { watched, verdict: null, again: confirmedAt }
    return {
      watched: { ...watched, gone: { ...watched.gone, told: true } },
      verdict: { do: 'report-gone', agent: agent.id, fence: agent.fence },
      again: Number.POSITIVE_INFINITY,
    }
  }
  if (agent.state !== 'working' || agent.runner !== 'alive' || watched.nudged)
    return { watched, verdict: null, again: Number.POSITIVE_INFINITY }
  const limit = watched.since + limits.nudgeAfter
  const patience = watched.busySince === null ? limit : Math.max(limit, watched.busySince + limits.toolLimit)
  if (now < patience) return { watched, verdict: null, again: patience }
  return {
    watched: { ...watched, nudged: true },
    verdict: {
      do: 'nudge',
      agent: agent.id,
      fence: agent.fence,
      mark: agent.mark,
      silentMs: now - watched.since,
      busy: agent.busy,
    },
    again: Number.POSITIVE_INFINITY,
  }
}

/** Something to be tended, and how long it is left to those who do it by themselves. */
interface Wanted {
  readonly key: string
  readonly grace: number
  /** Trying again would not help. */
  readonly once?: boolean
}

/**
 * Whether somebody has to be sent now. Each need is tried when its grace is over, and again after longer and longer
 * pauses as long as it lasts; one that is over is forgotten.
 */
function attend(
  wanted: readonly Wanted[],
  before: ReadonlyMap<string, Need>,
  now: number,
): { due: boolean; needs: [string, Need][]; next: number } {
  const known = wanted.map((one) => ({ ...one, need: before.get(one.key) ?? { times: 0, next: now + one.grace } }))
  const due = known.some(({ need }) => need.next <= now)
  const needs = known.map(({ key, need, once = false }): [string, Need] => [key, tried(need, now, once)])
  return { due, needs, next: needs.reduce((least, [, need]) => Math.min(least, need.next), Number.POSITIVE_INFINITY) }
}

/** A need after this look: what was due has been tried. */
function tried(need: Need, now: number, once: boolean): Need {
  if (need.next > now) return need
  const pause = once ? Number.POSITIVE_INFINITY : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** need.times)
  return { times: need.times + 1, next: now + pause }
}
