import type { Schema } from '../db/schema.ts'
import { lasting } from '../runner/notes.ts'
import { type Ended, type Loop, loopIn, loopMemory } from './loops.ts'
import { NOTHING_TRIED, type Tried, timeGiven } from './silence.ts'
import { aboutOf, TROUBLES, type TroubleKind } from './trouble.ts'

export type EventRow = Schema['events']

/*
 * What the records say of one agent, event by event: what it has shown, what it repeats, and what was done about its
 * troubles. Pure, so that whoever acts concludes the same as whoever watches, and another watcher the same as this one.
 */
export interface Signs {
  /** Id of its last event. */
  last: number
  /** Id of its last event that only it can have caused. */
  event: number
  /** Tools of its that run. */
  tools: number
  /**
   * What was done about each trouble, and since when the agent had been in the state in which it was (`state_since` of its
   * row then): another one now is another state, whatever the clock was set to meanwhile. Null: not known.
   */
  readonly tried: Record<TroubleKind, Tried & { readonly stateSince: number | null }>
  /** Its last uses of tools, since a commit, or since something was done about a loop. */
  ends: readonly Ended[]
  loop: Loop | null
  /** Loops that it was nudged for. */
  nudgedFor: readonly string[]
  /** Troubles that were handed up and are not over. */
  raised: readonly TroubleKind[]
  /** What its screen asks that nobody answers, and the words by which its state says so. */
  dialog: { readonly dialog: string; readonly message: string } | null
}

export function noSigns(): Signs {
  return {
    last: 0,
    event: 0,
    tools: 0,
    tried: nothingDone(),
    ends: [],
    loop: null,
    nudgedFor: [],
    raised: [],
    dialog: null,
  }
}

const NOTHING_DONE = { ...NOTHING_TRIED, stateSince: null }

function nothingDone(): Signs['tried'] {
  return { silence: NOTHING_DONE, loop: NOTHING_DONE, dialog: NOTHING_DONE, deadline: NOTHING_DONE }
}

/** What is about an agent's troubles in its records. */
const TRIES: ReadonlySet<string> = new Set([
  'agent.nudged',
  'agent.raised',
  'agent.triaged',
  'agent.escalated',
  'agent.escalation-settled',
])

/** What is on record about troubles that no sign of life ends, and what ends those. */
export const LASTING: readonly string[] = [...TRIES, 'agent.committed', 'agent.starting']

/** Whether such an event holds however much the agent has shown since. */
export function outlasts({ type, data_json }: EventRow): boolean {
  return !TRIES.has(type) || ['loop', 'deadline'].includes(String(aboutOf(data_json)))
}

/** An event is a sign of life when only the agent itself can have caused it: its tools, its commits, what its runtime reports. */
export function showsLife({ type }: Pick<EventRow, 'type'>): boolean {
  return type.startsWith('tool.') || type.startsWith('runtime.') || type === 'agent.committed'
}

/** @param loopAfter so often something has to be repeated to be a loop; null: nothing is */
export function signsOf(events: readonly EventRow[], loopAfter: number | null): Signs {
  const signs = noSigns()
  for (const event of events) note(signs, event, loopAfter)
  return signs
}

/** Takes in the next event. */
export function note(signs: Signs, event: EventRow, loopAfter: number | null): void {
  const { id, type } = event
  signs.last = Number(id)
  if (showsLife(event)) {
    signs.event = Number(id)
    calm(signs)
  }
  switch (type) {
    case 'tool.start':
      signs.tools += 1
      return
    case 'tool.end':
      if (signs.tools > 0) signs.tools -= 1
      end(signs, event, loopAfter)
      return
    case 'runtime.failed':
      // Its tools ended with its turn, and nobody said so.
      signs.tools = 0
      end(signs, event, loopAfter)
      return
    case 'runtime.waiting':
      signs.dialog = dialogIn(event)
      signs.tried.dialog = NOTHING_DONE
      isOver(signs, 'dialog')
      return
    case 'agent.committed':
      getOn(signs)
      return
    case 'agent.starting':
      // Another owner: whatever was done was done about the one before. Its task goes on.
      signs.tools = 0
      for (const about of ['silence', 'dialog'] as const) {
        signs.tried[about] = NOTHING_DONE
        isOver(signs, about)
      }
      getOn(signs)
      return
    default:
      if (TRIES.has(type)) tryAt(signs, event)
  }
}

/** It has shown something: whatever was done about its silence is over. Time that a verdict gave is not. */
export function calm(signs: Signs): void {
  signs.tried.silence = { ...NOTHING_DONE, verdict: signs.tried.silence.verdict }
  isOver(signs, 'silence')
}

/** What no event tells: whether it has said something, and since when it is in its present state. */
export function hear(signs: Signs, { spoke, stateSince }: { spoke: boolean; stateSince: number }): void {
  if (spoke) calm(signs)
  comeTo(signs, stateSince)
}

/** What was done about its silence in another state is not about this one. */
function comeTo(signs: Signs, stateSince: number | null): void {
  const before = signs.tried.silence.stateSince
  if (before !== null && stateSince !== null && before !== stateSince) calm(signs)
}

function isOver(signs: Signs, about: TroubleKind): void {
  if (signs.raised.includes(about)) signs.raised = signs.raised.filter((one) => one !== about)
}

/** Whatever it repeated, it got on. */
function getOn(signs: Signs): void {
  Object.assign(signs, { ends: [], loop: null, nudgedFor: [] })
  signs.tried.loop = { ...NOTHING_DONE, verdict: signs.tried.loop.verdict }
  isOver(signs, 'loop')
}

function end(signs: Signs, event: EventRow, loopAfter: number | null): void {
  const ended = loopAfter === null ? null : endedBy(event)
  if (loopAfter === null || ended === null) return
  const { verdict } = signs.tried.loop
  if (verdict !== null && timeGiven(verdict, event.at) > 0) return
  signs.ends = [...signs.ends, ended].slice(-loopMemory(loopAfter))
  signs.loop = loopIn(signs.ends, loopAfter)
}

/** Waiting mends these, and is done. */
const PASSING: ReadonlySet<unknown> = new Set(['rate_limit', 'quota', 'overloaded', 'network', 'interrupted'])

function endedBy({ type, at, data_json }: EventRow): Ended | null {
  const data: Record<string, unknown> = JSON.parse(data_json)
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  if (type === 'runtime.failed') {
    if (PASSING.has(data.cause)) return null
    const summary = text(data.message)
    return { ok: false, call: null, out: lasting(summary), tool: '', summary, at }
  }
  // As it was recorded before such digests were.
  if (typeof data.out !== 'string') return null
  const call = typeof data.call === 'string' ? data.call : null
  return { ok: data.ok === true, call, out: data.out, tool: text(data.tool), summary: text(data.summary), at }
}

function dialogIn({ data_json }: EventRow): Signs['dialog'] {
  const { dialog, message } = JSON.parse(data_json)
  return typeof dialog === 'string' && typeof message === 'string' ? { dialog, message } : null
}

function tryAt(signs: Signs, { id, at, type, data_json }: EventRow): void {
  const told = aboutOf(data_json)
  const { waitMs, key, nth, verdict, stateSince: since } = JSON.parse(data_json)
  const stateSince = typeof since === 'number' ? since : null
  const about = TROUBLES.find((one) => one === told)
  if (about === undefined) return
  if (about === 'silence') comeTo(signs, stateSince)
  const before = signs.tried[about]
  switch (type) {
    case 'agent.nudged':
      // As whoever gave it has counted, who knew what the agent had said since the one before.
      signs.tried[about] = { ...before, stateSince, nudges: typeof nth === 'number' ? nth : before.nudges + 1 }
      if (about === 'loop' && typeof key === 'string')
        Object.assign(signs, { ends: [], loop: null, nudgedFor: [...signs.nudgedFor, key] })
      return
    case 'agent.raised':
      signs.raised = [...signs.raised, about]
      return
    case 'agent.escalated':
      signs.tried[about] = { ...before, stateSince, taken: true }
      return
    case 'agent.escalation-settled':
      // Nobody needs an answer: should it be so again, it is so anew.
      if (about === 'loop') getOn(signs)
      signs.tried[about] = { ...before, taken: false }
      isOver(signs, about)
      return
    case 'agent.triaged': {
      if (verdict === 'ask-human') {
        // Whoever is asked decides; until then it is taken.
        signs.tried[about] = { ...before, stateSince, taken: true }
        return
      }
      const ms = typeof waitMs === 'number' ? waitMs : 0
      if (about === 'loop') getOn(signs)
      isOver(signs, about)
      // It begins anew, so much later.
      signs.tried[about] = { ...NOTHING_TRIED, stateSince, verdict: { id: Number(id), until: at + ms, ms } }
    }
  }
}
