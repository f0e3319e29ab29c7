import { oneLine } from '../mail/frame.ts'

/*
 * Patterns that no single agent shows: what several of them meet at once, and what stands still. Pure: the fleet's recent
 * past comes in, sentences come out.
 */

/** So far back is looked, in ms. */
export const WINDOW_MS = 30 * 60_000
/** From so many on it is a pattern. */
const AGENTS = 3
const REJECTIONS = 3
/** So long mail may wait for a coordinator that has nothing to do, and the merge queue without a merge, in ms. */
const MAIL_MS = 5 * 60_000
const QUEUE_MS = 15 * 60_000
/** Errors that say less than this many characters, or only that something failed, are everybody's. */
const TELLING = 16
const SAYS_NOTHING =
  /^(error:? )?(exit(ed)?|command failed|process exited|failed|refused)\b[^a-z]*( with)?( (exit )?(code|status))?[^a-z]*$/

/** What has happened, with the name of the agent it happened to. */
export interface Happened {
  readonly at: number
  readonly type: string
  readonly agent: string | null
  readonly data: Readonly<Record<string, unknown>>
}

export interface FleetFacts {
  /** ms since the epoch, like all times here. */
  readonly now: number
  /** Oldest first. */
  readonly events: readonly Happened[]
  /** The coordinator, when there is one: whether it has a turn under way, and since when the oldest mail waits for it. */
  readonly coordinator: { readonly name: string; readonly busy: boolean; readonly mailSince: number | null } | null
  /** Since when the oldest entry has been in the merge queue; null when it is empty. */
  readonly queuedSince: number | null
}

export interface Pattern {
  /** The same for the same pattern, whenever it is seen. */
  readonly key: string
  readonly text: string
}

/** The patterns there are, the most telling first. */
export function patternsIn(facts: FleetFacts): Pattern[] {
  const recent = facts.events.filter(({ at }) => facts.now - at <= WINDOW_MS)
  return [
    ...sameErrors(recent),
    ...conflicts(recent),
    ...redGates(recent),
    ...deaths(recent),
    ...idleCoordinator(facts),
    ...standingQueue(facts, recent),
  ]
}

function sameErrors(events: readonly Happened[]): Pattern[] {
  const errors = events.flatMap((event) => {
    const message = errorIn(event)
    return message === null || event.agent === null ? [] : [{ agent: event.agent, message, kind: kindOf(message) }]
  })
  const byKind = Map.groupBy(errors, ({ kind }) => kind)
  return [...byKind].flatMap(([kind, met]) => {
    const agents = distinct(met.map(({ agent }) => agent))
    const [first] = met
    if (agents.length < AGENTS || first === undefined || kind.length < TELLING || SAYS_NOTHING.test(kind)) return []
    return [{ key: `error:${kind}`, text: `${names(agents)} meet the same error: ${oneLine(first.message, 200)}` }]
  })
}

function errorIn({ type, data }: Happened): string | null {
  const text = type === 'tool.end' && data.ok === false ? data.summary : type === 'runtime.failed' ? data.message : null
  return typeof text === 'string' ? text : null
}

/** What is the same in two errors though their places, numbers and names of temporary things differ. */
function kindOf(message: string): string {
  return message
    .toLowerCase()
    .replace(/(\/[\w.@+-]+)+\/?/g, '/…')
    .replace(/\b[0-9a-f]{7,}\b/g, '#')
    .replace(/\d+/g, '#')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 120)
}

function conflicts(events: readonly Happened[]): Pattern[] {
  const met = events.filter(({ type, data }) => type === 'merge.rejected' && data.why === 'conflict')
  const agents = named(met)
  if (met.length < REJECTIONS || agents.length < 2) return []
  return [{ key: 'conflicts', text: `${met.length} merges met conflicts lately, of ${names(agents)}.` }]
}

function redGates(events: readonly Happened[]): Pattern[] {
  const red = events.filter(({ type, data }) => type === 'merge.rejected' && data.why === 'gate')
  return [...Map.groupBy(red, ({ data }) => String(data.gate))].flatMap(([gate, met]) => {
    const agents = named(met)
    if (met.length < REJECTIONS || agents.length < 2) return []
    return [{ key: `gate:${gate}`, text: `The gate ${oneLine(gate, 60)} was red for ${names(agents)}.` }]
  })
}

function deaths(events: readonly Happened[]): Pattern[] {
  const agents = named(events.filter(({ type }) => type === 'agent.runner-gone'))
  return agents.length < AGENTS ? [] : [{ key: 'deaths', text: `${names(agents)} lost their runners lately.` }]
}

function idleCoordinator({ coordinator, now }: FleetFacts): Pattern[] {
  if (coordinator === null || coordinator.busy || coordinator.mailSince === null) return []
  const waited = now - coordinator.mailSince
  if (waited < MAIL_MS) return []
  const text = `Mail has waited ${minutes(waited)} for ${coordinator.name}, which has nothing under way.`
  return [{ key: 'coordinator', text }]
}

function standingQueue({ queuedSince, now }: FleetFacts, events: readonly Happened[]): Pattern[] {
  if (queuedSince === null || now - queuedSince < QUEUE_MS) return []
  const moved = events.some(({ type, at }) => /^merge\.(merged|rejected)$/.test(type) && now - at < QUEUE_MS)
  if (moved) return []
  return [
    { key: 'queue', text: `Nothing was merged or sent back for ${minutes(now - queuedSince)}, though work waits.` },
  ]
}

function named(events: readonly Happened[]): string[] {
  return distinct(events.flatMap(({ agent }) => agent ?? []))
}

function distinct(list: readonly string[]): string[] {
  return [...new Set(list)]
}

function names(agents: readonly string[]): string {
  const [last, ...others] = [...agents].reverse()
  return others.length === 0 ? (last ?? '') : `${others.reverse().join(', ')} and ${last}`
}

function minutes(ms: number): string {
  return `${Math.round(ms / 60_000)} minutes`
}
