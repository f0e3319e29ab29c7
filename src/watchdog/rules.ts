import type { AgentStateName } from '../contract/states.ts'
import type { Liveness } from '../os/process.ts'
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
 * An agent's silence, only while it works:
 *
 *   signs ──(none for nudgeAfter)──► nudged 1 ──(nudgeEvery)──► … nudged N ──(nudgeEvery)──► raised ◄─┐
 *     ▲                                 │                            │                         │ │ nobody took it
 *     ├──────(a sign of its own)────────┴────────────────────────────┴─────────────────────────┤ └─up: again
 *     └──────(a verdict: anew, so much later)──────────────────────────────────────────────────┘
 *
 * Whose processes compute when it would be time for the next rung is no silent one yet, nor is one a tool of whose runs or
 * whose screen goes on showing something new, each up to `toolLimit`. What needs no silence to be heard (a loop, a dialog, a deadline) comes as a complaint: its rung
 * is in the records, and it is acted upon until they say so.
 *
 * `unknown` takes every suspicion back. Silence is counted in monotonic time; after a gap in the watching, or a jump
 * of the wall clock, everybody's silence begins anew. How often it was nudged is in the records, so that another watcher
 * goes on where this one was.
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
/** A need that tending did not end is tended again after this long, then twice as long, … */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

const NEVER = Number.POSITIVE_INFINITY

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
  /** Changes with what its screen shows; 0 where it has none. A spinner turns also for an answer that never comes. */
  readonly screen: number
  /** A tool of its runs. */
  readonly busy: boolean
  /** It holds no place, and without a runner it is not at its end: it is reported, and left. */
  readonly persistent: boolean
  /** It reads mail. A command does not: it is not nudged, and its silence is its own. */
  readonly reads: boolean
  /** What the records say was done about its present silence. */
  readonly tried: Tried
  /** Processor time its processes have used so far, in ms; null when it was not asked for, or can't be told. */
  readonly cpuMs: number | null
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

/** What was done about a trouble of an agent, as recorded. */
export interface Tried {
  /** Nudges since it began. */
  readonly nudges: number
  /** It was handed up, and a tier above has taken it. */
  readonly taken: boolean
  /** The newest verdict of a tier above about it, which gives the agent time: its event, and until when (wall time). */
  readonly verdict: { readonly id: number; readonly until: number } | null
}

export const NOTHING_TRIED: Tried = { nudges: 0, taken: false, verdict: null }

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

export interface Limits {
  /** Silence after which a working agent is nudged, in ms. */
  readonly nudgeAfter: number
  /** The next nudge comes after so many ms of more silence; after the last, it is raised. */
  readonly nudgeEvery: number
  /** Nudges for one silence. */
  readonly nudges: number
  /** So long a tool in flight counts as progress, in ms. */
  readonly toolLimit: number
}

/** What is remembered of one agent. Times are monotonic ms. */
interface Watched {
  readonly mark: string
  /** Since when its mark has been seen unchanged, without a gap. */
  readonly since: number
  readonly busySince: number | null
  readonly screen: number
  /** When its screen was last seen to show something new; null: never. */
  readonly screenAt: number | null
  /** What was asked for in this silence, by this watcher or one before. */
  readonly asked: Asked
  /** The newest verdict about it that is known. */
  readonly verdict: number
  /** What its processes had used when they were asked after, and when that was; null before the first time in a silence. */
  readonly cpu: { readonly ms: number; readonly at: number } | null
  /** They were found computing then, in this silence; null: never. */
  readonly computedAt: number | null
  /** When they are to be asked after next. */
  readonly cpuAt: number
  readonly troubles: ReadonlyMap<string, Need>
  /** Its owner, by its fence, was seen gone; `told`: and it has been reported. */
  readonly gone: { readonly fence: number; readonly since: number; readonly told: boolean } | null
}

/** What was asked for about one silence. */
interface Asked {
  readonly nudges: number
  /** Monotonic ms of the last of them; null before the first this watcher asked for. */
  readonly at: number | null
  /** It is to be raised: how often that was asked for. */
  readonly raised: Need | null
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
  const computeShare = COMPUTE_SHARE / Math.max(1, seen.crowd ?? 1)
  const verdicts: Verdict[] = gap === 0 ? [] : [{ do: 'note-gap', ms: gap }]
  const agents = new Map<string, Watched>()
  const wanted: Wanted[] = []
  let next = NEVER
  for (const agent of seen.agents) {
    const known = observe(agent, memory.agents.get(agent.id), at, gap !== 0)
    const { watched, verdict, again } = judgeOne(agent, known, at.mono, { ...limits, computeShare })
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
  const now = at.mono
  const gone = agent.runner === 'gone' && agent.state !== 'starting' && agent.state !== 'queued'
  return {
    mark: agent.mark,
    ...silenceOf(agent, before, at, gap),
    troubles: before?.troubles ?? new Map(),
    screen: agent.screen,
    screenAt: before === undefined || before.screen === agent.screen ? (before?.screenAt ?? null) : now,
    busySince: agent.busy ? (gap ? now : (before?.busySince ?? now)) : null,
    gone: !gone
      ? null
      : before?.gone?.fence === agent.fence
        ? before.gone
        : { fence: agent.fence, since: now, told: false },
  }
}

function silenceOf(
  { mark, state, tried }: AgentSeen,
  before: Watched | undefined,
  at: Moment,
  gap: boolean,
): Pick<Watched, 'since' | 'asked' | 'verdict' | 'cpu' | 'computedAt' | 'cpuAt'> {
  const unknown = { cpu: null, computedAt: null, cpuAt: NEVER }
  const verdict = tried.verdict?.id ?? 0
  const anew: Asked = { nudges: tried.nudges, at: null, raised: null }
  // Time that a verdict gave is not over by a sign in between, nor by another watcher.
  if (verdict > (before?.verdict ?? 0))
    return { since: at.mono + Math.max(0, (tried.verdict?.until ?? 0) - at.wall), asked: anew, verdict, ...unknown }
  const silent = before !== undefined && before.mark === mark && state === 'working'
  if (!silent || gap) return { since: Math.max(at.mono, before?.since ?? 0), asked: anew, verdict, ...unknown }
  const nudges = Math.max(before.asked.nudges, tried.nudges)
  const { since, cpu, computedAt, cpuAt } = before
  return { since, asked: { ...before.asked, nudges }, verdict, cpu, computedAt, cpuAt }
}

/** What follows for one agent, and when to look at it again. */
function judgeOne(agent: AgentSeen, watched: Watched, now: number, limits: SilenceLimits): Rung {
  if (watched.gone !== null) {
    const confirmedAt = watched.gone.since + CONFIRM_MS
    if (watched.gone.told) return { watched, verdict: null, again: NEVER }
    if (now < confirmedAt) return { watched, verdict: null, again: confirmedAt }
    return {
      watched: { ...watched, gone: { ...watched.gone, told: true } },
      verdict: { do: 'report-gone', agent: agent.id, fence: agent.fence },
      again: NEVER,
    }
  }
  if (agent.state !== 'working' || agent.runner !== 'alive' || !agent.reads)
    return { watched, verdict: null, again: NEVER }
  return judgeSilence(agent, watched, now, limits)
}

interface SilenceLimits extends Limits {
  /** Who uses this part of one core computes. */
  readonly computeShare: number
}

/** A silence after this look: what is remembered, what follows, and when to look again. */
interface Rung {
  readonly watched: Watched
  readonly verdict: Verdict | null
  readonly again: number
}

/** The next rung of a silence, when it is time for it. */
function judgeSilence(agent: AgentSeen, watched: Watched, now: number, limits: SilenceLimits): Rung {
  const { tried, cpuMs } = agent
  const { since, asked, cpu } = watched
  const { pause, window, due } = nextRung(watched, limits)
  const mayCompute = now - since < limits.toolLimit
  if (cpu === null && cpuMs !== null && mayCompute) {
    const again = Math.max(due, now + window)
    return { watched: { ...watched, cpu: { ms: cpuMs, at: now }, cpuAt: again }, verdict: null, again }
  }
  if (now < due) {
    // The kernel that was asked and does not tell is asked no sooner again.
    const again = cpu !== null || now >= watched.cpuAt ? due : Math.max(now + 1, due - window)
    return { watched: { ...watched, cpuAt: again }, verdict: null, again }
  }
  if (tried.taken && asked.nudges >= limits.nudges) return { watched: unasked(watched), verdict: null, again: NEVER }
  const computes = cpu !== null && cpuMs !== null && cpuMs - cpu.ms >= limits.computeShare * (now - cpu.at)
  if (computes && mayCompute) {
    const again = now + pause - window
    return { watched: { ...watched, cpu: null, computedAt: now, cpuAt: again }, verdict: null, again }
  }
  return asked.nudges < limits.nudges ? nudged(agent, watched, now, limits) : raised(agent, watched, now)
}

/** When the next rung is due, and over how long before that it is seen whether processes compute. */
function nextRung(
  { since, asked, busySince, cpu, computedAt, screenAt }: Watched,
  { nudgeAfter, nudgeEvery, toolLimit }: Limits,
): { pause: number; window: number; due: number } {
  const pause = asked.nudges === 0 ? nudgeAfter : nudgeEvery
  const window = Math.min(COMPUTE_MS, pause / 2)
  const shownAt = screenAt !== null && screenAt - since < toolLimit ? screenAt : since
  const quietFrom = Math.max(asked.at ?? since, computedAt ?? since, shownAt)
  const toolsUntil = busySince === null ? 0 : busySince + toolLimit
  return { pause, window, due: Math.max(quietFrom + pause, toolsUntil, cpu === null ? 0 : cpu.at + window) }
}

function nudged({ id, fence, busy }: AgentSeen, watched: Watched, now: number, { nudgeEvery }: Limits): Rung {
  const again = now + nudgeEvery - Math.min(COMPUTE_MS, nudgeEvery / 2)
  const nth = watched.asked.nudges + 1
  const silentMs = now - watched.since
  return {
    watched: { ...watched, cpu: null, cpuAt: again, asked: { ...watched.asked, nudges: nth, at: now } },
    verdict: { do: 'nudge', about: 'silence', agent: id, fence, silentMs, nth, busy },
    again,
  }
}

function raised({ id, fence }: AgentSeen, watched: Watched, now: number): Rung {
  const need = watched.asked.raised ?? { times: 0, next: now }
  if (now < need.next) return { watched: unasked(watched), verdict: null, again: need.next }
  const after = tended(need, now)
  return {
    watched: { ...unasked(watched), asked: { ...watched.asked, raised: after } },
    verdict: { do: 'raise', agent: id, fence, about: 'silence', ms: now - watched.since, knows: watched.verdict },
    again: after.next,
  }
}

/** Its processes need not be asked after any more. */
function unasked(watched: Watched): Watched {
  return { ...watched, cpuAt: NEVER }
}

/** Processes that use this part of one core over so long, in ms, compute. Who only waits for an answer uses less. */
const COMPUTE_SHARE = 0.1
const COMPUTE_MS = 30_000

/** Whether an agent's processes are to be asked after at the next look. It takes some dozen reads, so only when it matters. */
export function asksCpu(memory: Memory, id: string, now: number): boolean {
  return now >= (memory.agents.get(id)?.cpuAt ?? Number.POSITIVE_INFINITY)
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
  const needs = known.map(({ key, need, once = false }): [string, Need] => [key, after(need, now, once)])
  return { due, needs, next: needs.reduce((least, [, need]) => Math.min(least, need.next), Number.POSITIVE_INFINITY) }
}

/** A need after this look: what was due has been tried. */
function after(need: Need, now: number, once: boolean): Need {
  if (need.next > now) return need
  return once ? { times: need.times + 1, next: Number.POSITIVE_INFINITY } : tended(need, now)
}

/** A need that has been tried just now. */
function tended({ times }: Need, now: number): Need {
  return { times: times + 1, next: now + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** times) }
}
