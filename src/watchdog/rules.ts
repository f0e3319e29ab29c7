import type { AgentStateName } from '../contract/states.ts'
import type { Liveness } from '../os/process.ts'
import { attend, type Need, tended, type Wanted } from './needs.ts'
import { hearken, type Limits, nextRung, type Shows, type Silence } from './silence.ts'
import type { TroubleKind } from './trouble.ts'

/*
 * What the watchdog concludes from what it sees. Everything here is pure: facts, memory and time come in, verdicts and
 * the next memory come out.
 *
 * An agent's runner:
 *
 *   alive ◄──────► unknown
 *     │               ▲
 *     ▼               │
 *   gone? ──(gone again CONFIRM_MS later)──► gone: reported, then tended
 *
 * An agent's silence is told by `silence.ts`. What needs no silence to be heard (a loop, a dialog, a deadline) comes as a
 * complaint: its rung is in the records, and it is acted upon until they say so.
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
/** Who has answered carries it out by himself. */
const ANSWER_GRACE_MS = 1_000
/** So far wall and monotonic time may drift apart between two looks before it is a jump or a sleep. */
const JUMP_MS = 3_000
/** Looks that come so much later than they were due are a gap: the watcher itself was stopped or starved. */
const LATE_MS = 10_000

const NEVER = Number.POSITIVE_INFINITY

/** One moment on both clocks, in ms. Only `mono` is ever subtracted to decide about an agent. */
export interface Moment {
  readonly wall: number
  readonly mono: number
}

export interface AgentSeen extends Omit<Shows, 'working'> {
  readonly id: string
  readonly state: AgentStateName
  readonly fence: number
  /** What the kernel says of its owner; null when it has none. */
  readonly runner: Liveness | null
  /** It holds no place, and without a runner it is not at its end: it is reported, and left. */
  readonly persistent: boolean
  /** It reads mail. A command does not: it is not nudged, and its silence is its own. */
  readonly reads: boolean
  /** What else is wrong with it. */
  readonly troubles: readonly Complaint[]
}

/** A trouble that the records tell of, and what is due about it. */
export interface Complaint {
  readonly about: Exclude<TroubleKind, 'silence'>
  readonly step: 'nudge' | 'raise'
  /** The same for as long as it is this one. */
  readonly key: string
  /** How long it has been so, in ms. */
  readonly ms: number
  /** When it is due, in ms from now; 0: it is. */
  readonly inMs: number
  /** Id of the newest verdict about it; 0 for none. */
  readonly knows: number
}

/** What one look found. */
export interface Seen {
  readonly at: Moment
  /** Processes that want to run, for each core; absent where it was not asked. Each gets so much less of it. */
  readonly crowd?: number
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
  /** Questions about agents in trouble that are to go up, to be closed, or whose answer is to be carried out. */
  readonly escalations: readonly string[]
  /** A person is to be told of something. */
  readonly untold: boolean
}

/** What is remembered of one agent. Times are monotonic ms. */
interface Watched {
  readonly silence: Silence
  readonly troubles: ReadonlyMap<string, Need>
  /** Its owner, by its fence, was seen gone; `told`: and it has been reported. */
  readonly gone: { readonly fence: number; readonly since: number; readonly told: boolean } | null
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
  /** It has shown nothing for `silentMs`: said `nudges` times a silence. */
  | {
      readonly do: 'nudge'
      readonly about: 'silence'
      readonly agent: string
      readonly fence: number
      readonly silentMs: number
      /** Which nudge of this silence it is, from 1. */
      readonly nth: number
      /** A tool has run longer than tools may. */
      readonly busy: boolean
    }
  /** It goes in circles, and was not told yet. */
  | {
      readonly do: 'nudge'
      readonly about: 'loop'
      readonly agent: string
      readonly fence: number
      readonly key: string
    }
  /** Nudges are used up. Said again, ever more seldom, until a tier above has taken it. */
  | {
      readonly do: 'raise'
      readonly agent: string
      readonly fence: number
      readonly about: TroubleKind
      readonly ms: number
      /** Id of the newest verdict about it that is known; 0 for none. A newer one makes this void. */
      readonly knows: number
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
  let next = NEVER
  for (const agent of seen.agents) {
    const known = observe(agent, memory.agents.get(agent.id), at, gap !== 0)
    const { watched, verdict, again } = judgeOne(agent, known, at.mono, limits, seen.crowd ?? 1)
    if (verdict !== null) verdicts.push(verdict)
    const others = judgeTroubles(agent, watched, at.mono)
    agents.set(agent.id, others.watched)
    verdicts.push(...others.verdicts)
    next = Math.min(next, again, others.again)
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
  for (const one of seen.escalations) wanted.push({ key: `escalation:${one}`, grace: ANSWER_GRACE_MS })
  if (seen.untold) wanted.push({ key: 'untold', grace: READ_GRACE_MS })

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
function observe(agent: AgentSeen, before: Watched | undefined, at: Moment, gap: boolean): Watched {
  const gone = agent.runner === 'gone' && agent.state !== 'starting' && agent.state !== 'queued'
  const known = before?.gone?.fence === agent.fence ? before.gone : { fence: agent.fence, since: at.mono, told: false }
  return {
    silence: hearken(showsOf(agent), before?.silence, at, gap),
    troubles: before?.troubles ?? new Map(),
    gone: gone ? known : null,
  }
}

function showsOf(agent: AgentSeen): Shows {
  return { ...agent, working: agent.state === 'working' }
}

interface Judged {
  readonly watched: Watched
  readonly verdict: Verdict | null
  readonly again: number
}

/** What follows for one agent, and when to look at it again. */
function judgeOne(agent: AgentSeen, watched: Watched, now: number, limits: Limits, crowd: number): Judged {
  const { id, fence, busy } = agent
  const { gone } = watched
  if (gone !== null) {
    const confirmedAt = gone.since + CONFIRM_MS
    if (gone.told) return { watched, verdict: null, again: NEVER }
    if (now < confirmedAt) return { watched, verdict: null, again: confirmedAt }
    return {
      watched: { ...watched, gone: { ...gone, told: true } },
      verdict: { do: 'report-gone', agent: id, fence },
      again: NEVER,
    }
  }
  if (agent.state !== 'working' || agent.runner !== 'alive' || !agent.reads)
    return { watched, verdict: null, again: NEVER }
  const { silence, due, again } = nextRung(showsOf(agent), watched.silence, now, limits, crowd)
  const next = { ...watched, silence }
  const who = { agent: id, fence, about: 'silence' } as const
  switch (due?.do) {
    case undefined:
      return { watched: next, verdict: null, again }
    case 'nudge':
      return { watched: next, verdict: { do: 'nudge', ...who, silentMs: due.ms, nth: due.nth, busy }, again }
    case 'raise':
      return { watched: next, verdict: { do: 'raise', ...who, ms: due.ms, knows: silence.verdict }, again }
  }
}

/** Whether an agent's processes are to be asked after at the next look. It takes some dozen reads, so only when it matters. */
export function asksCpu(memory: Memory, id: string, now: number): boolean {
  return now >= (memory.agents.get(id)?.silence.cpuAt ?? Number.POSITIVE_INFINITY)
}

/** What follows from what needs no silence to be heard: again, ever more seldom, until the records say that it was done. */
function judgeTroubles(
  { id, fence, runner, troubles }: AgentSeen,
  watched: Watched,
  now: number,
): { watched: Watched; verdicts: Verdict[]; again: number } {
  const needs = new Map<string, Need>()
  const verdicts: Verdict[] = []
  let again = NEVER
  for (const { about, step, key, ms, inMs, knows } of runner === 'alive' ? troubles : []) {
    const name = `${about} ${step} ${key}`
    const need = inMs > 0 ? null : (watched.troubles.get(name) ?? { times: 0, next: now + GRACE_MS[about] })
    if (need === null) {
      again = Math.min(again, now + inMs)
      continue
    }
    const isDue = need.next <= now
    if (isDue && step === 'raise') verdicts.push({ do: 'raise', agent: id, fence, about, ms, knows })
    if (isDue && step === 'nudge') verdicts.push({ do: 'nudge', about: 'loop', agent: id, fence, key })
    const after = isDue ? tended(need, now) : need
    needs.set(name, after)
    again = Math.min(again, after.next)
  }
  return { watched: { ...watched, troubles: needs }, verdicts, again }
}

/** Who sits at its screen may answer what it asks before anybody else is asked. */
const GRACE_MS: Readonly<Record<Complaint['about'], number>> = { loop: 0, dialog: 10_000, deadline: 0 }
