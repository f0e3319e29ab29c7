import { join } from 'node:path'
import { ownerOf, type WatchedAgent, watchedAgents } from '../agents/store.ts'
import type { Clock } from '../clock.ts'
import { HUMAN } from '../contract/mail.ts'
import type { Level } from '../contract/states.ts'
import { leaseHolder } from '../db/lease.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { needsTending } from '../escalation/rules.ts'
import { type Escalation, pendingEscalations } from '../escalation/store.ts'
import { eventsBeyond, lastEventId, recentEvents } from '../events/store.ts'
import { hookFolder, privateFolder } from '../hooks/folder.ts'
import { recordedLevel } from '../load/look.ts'
import { mayAt, placesWatched } from '../load/rules.ts'
import { waitingReaders } from '../mail/store.ts'
import { openLandings, openMerges, TRAIN_LEASE } from '../merge/store.ts'
import { fileState, readFrom } from '../os/files.ts'
import { bootId, type HeldProcess, holdProcess, type Liveness, liveness, type ProcessIdentity } from '../os/process.ts'
import { getTask } from '../tasks/store.ts'
import { type AgentSeen, NOTHING_TRIED, type Seen, type Tried } from './rules.ts'

/** What the watchdog needs to know of a project. Plain data: the watcher holds no project open. */
export interface Place {
  readonly stateDir: string
  readonly maxConcurrent: number
  readonly mergeAuto: boolean
  /** ms after which an escalation goes to the next above. */
  readonly answerWithin: number
}

export type EventRow = Schema['events']

/** When panes last showed something new, by the pid of their process, in s since the epoch; null where tmux can't be asked. */
export type Shown = ReadonlyMap<number, number> | null

/** So many events are read at once; the rest at the next reading. */
export const MOST_EVENTS = 2_000
/** Of an agent that was there before the watcher, so many events tell whether a tool of its runs, and what was tried. */
export const HISTORY = 200

/** The facts of the database as they were at the last reading. */
interface Facts {
  readonly agents: readonly WatchedAgent[]
  readonly stranded: readonly string[]
  /** Open agents for whom mail waits. */
  readonly waiting: readonly string[]
  readonly merges: readonly string[]
  readonly level: Level
  readonly landings: Awaited<ReturnType<typeof openLandings>>
  readonly escalations: readonly Escalation[]
}

const NO_FACTS: Facts = {
  agents: [],
  stranded: [],
  waiting: [],
  merges: [],
  landings: [],
  level: 'full',
  escalations: [],
}

/** What an agent has shown of itself. */
interface Signs {
  /** Id of its last event that only it can have caused. */
  event: number
  tools: number
  /** When its output was last written to, as far as it was its own doing. */
  output: number
  /** How large its log was then, or when it was last looked into. */
  size: number
  /** All of what it showed, as it was seen last. */
  mark: string
  /** What was done about its silence, and when last, in ms since the epoch. */
  tried: Tried & { readonly at: number }
  readonly reads: boolean
}

const NOTHING_DONE: Signs['tried'] = { ...NOTHING_TRIED, at: 0 }

/**
 * Looks at a fleet: the database where something was committed, the kernel each time. One look is one set of queries and
 * one sweep over the processes; nothing is started for it.
 */
export class Eyes {
  readonly #db: Db
  readonly #clock: Clock
  readonly #signs = new Map<string, Signs>()
  readonly #held = new Map<string, HeldProcess>()
  #facts: Facts | null = null
  #seenEvents: number | null = null

  constructor(db: Db, clock: Clock) {
    this.#db = db
    this.#clock = clock
  }

  /** Everybody who is not at an end, as last read. */
  get agents(): readonly WatchedAgent[] {
    return this.#facts?.agents ?? []
  }

  /** Reads what is committed. Gives the events that came since the last reading, oldest first; none at the first. */
  async read(place: Place): Promise<readonly EventRow[]> {
    const events = await this.#newEvents()
    const agents = await watchedAgents(this.#db)
    const open = new Set(agents.map(({ id }) => id))
    const readers = await waitingReaders(this.#db)
    const landings = await openLandings(this.#db)
    const entries = place.mergeAuto ? await openMerges(this.#db) : []
    const driven = entries.length > 0 && (await leaseHolder(this.#db, TRAIN_LEASE, this.#clock)) !== null
    const level = await recordedLevel(this.#db, this.#clock.now())
    this.#facts = {
      agents,
      stranded: readers.filter((reader) => reader !== HUMAN && !open.has(reader)),
      waiting: readers.filter((reader) => open.has(reader)),
      level,
      merges: driven || !mayAt(level, 'merge') ? [] : entries.map(({ id }) => id),
      landings,
      escalations: await pendingEscalations(this.#db),
    }
    for (const id of this.#signs.keys()) if (!open.has(id)) this.#forget(id)
    for (const agent of agents)
      if (!this.#signs.has(agent.id)) this.#signs.set(agent.id, await this.#firstSigns(agent, place))
    for (const event of events) this.#note(event)
    return events
  }

  /**
   * Asks the kernel after everybody.
   *
   * @param nudged whether an agent was nudged in its present silence: then its log may have grown by the nudge alone
   */
  look(place: Place, nudged: (id: string) => boolean, shown: Shown = null): Seen {
    const facts = this.#facts ?? NO_FACTS
    return {
      at: { wall: this.#clock.now(), mono: this.#clock.monotonic() },
      agents: facts.agents.map((agent) => this.#lookAt(agent, place, nudged, shown)),
      places: placesWatched(facts.level, place.maxConcurrent),
      stranded: facts.stranded,
      merges: facts.merges,
      landings: facts.landings.filter((landing) => isGone(landing)).map(({ id }) => id),
      unmarked: facts.waiting.filter((reader) => isUnmarked(place, reader)),
      escalations: facts.escalations.filter((one) => this.#isDue(one, place)).map(({ id }) => id),
    }
  }

  #isDue(escalation: Escalation, { answerWithin }: Place): boolean {
    const agent = this.agents.find(({ id }) => id === escalation.agent_id)
    const reads = escalation.reader === HUMAN ? 'human' : this.agents.some(({ id }) => id === escalation.reader)
    const sameBoot = escalation.asked_boot === bootId()
    const glimpse = {
      answered: escalation.state === 'answered',
      about: escalation.about,
      sameOwner: agent?.fence === escalation.fence,
      movedOn: agent !== undefined && agent.state_since > escalation.created_at,
      silent: this.#signs.get(escalation.agent_id)?.tried.taken ?? true,
      reader: reads === 'human' ? reads : reads ? 'able' : 'gone',
      waitedMs: sameBoot ? this.#clock.monotonic() - escalation.asked_mono : null,
    } as const
    return needsTending(glimpse, answerWithin)
  }

  #lookAt(agent: WatchedAgent, place: Place, nudged: (id: string) => boolean, shown: Shown): AgentSeen {
    const { id, state, fence } = agent
    const owner = state === 'queued' ? null : ownerOf(agent)
    const signs = this.#signs.get(id)
    const screen = agent.mode === 'interactive' && owner !== null ? (shown?.get(owner.pid) ?? 0) : 0
    if (state === 'working' && signs !== undefined) listen(outputOf(place, id), signs, nudged(id))
    const mark = `${agent.state_since}:${signs?.event ?? 0}:${signs?.output ?? 0}:${screen}`
    if (signs !== undefined) notice(signs, mark, agent.state_since)
    return {
      id,
      state,
      fence,
      runner: owner === null ? null : this.#ask(id, owner),
      mark,
      busy: (signs?.tools ?? 0) > 0,
      persistent: agent.persistent === 1,
      reads: signs?.reads ?? false,
      tried: signs?.tried ?? NOTHING_TRIED,
    }
  }

  /** Asks the kernel after an agent's owner, who stays the same for long. */
  #ask(id: string, owner: ProcessIdentity): Liveness {
    const before = this.#held.get(id)
    const same = before !== undefined && before.who.pid === owner.pid && before.who.start === owner.start
    const held = same ? before : holdProcess(owner)
    if (held !== before) {
      before?.release()
      this.#held.set(id, held)
    }
    return owner.boot === bootId() && owner.start !== 'unknown' ? held.liveness() : liveness(owner)
  }

  #forget(id: string): void {
    this.#signs.delete(id)
    this.#held.get(id)?.release()
    this.#held.delete(id)
  }

  /** Lets go of all that it holds. */
  close(): void {
    for (const held of this.#held.values()) held.release()
    this.#held.clear()
  }

  async #newEvents(): Promise<EventRow[]> {
    if (this.#seenEvents === null) {
      this.#seenEvents = await lastEventId(this.#db)
      return []
    }
    const events = await eventsBeyond(this.#db, this.#seenEvents, MOST_EVENTS)
    this.#seenEvents = Number(events.at(-1)?.id ?? this.#seenEvents)
    return events
  }

  async #firstSigns(agent: WatchedAgent, place: Place): Promise<Signs> {
    const reads = (await getTask(this.#db, agent.task_id))?.command === null
    const signs: Signs = { event: 0, tools: 0, output: 0, size: 0, mark: '', tried: NOTHING_DONE, reads }
    const events = await recentEvents(this.#db, { agentId: agent.id }, HISTORY)
    // Those that are not read yet are noted when they are.
    for (const event of events) if (Number(event.id) <= (this.#seenEvents ?? 0)) add(signs, event)
    const nudge = events.findLast(({ type }) => type === 'agent.nudged')
    const log = fileState(outputOf(place, agent.id))
    if (signs.tried.nudges > 0 && nudge !== undefined && log !== null) {
      const { logSize } = JSON.parse(nudge.data_json)
      if (hasSpoken(outputOf(place, agent.id), Number(logSize), log.size)) calm(signs)
    }
    return signs
  }

  #note(event: EventRow): void {
    const signs = event.agent_id === null ? undefined : this.#signs.get(event.agent_id)
    if (signs !== undefined && Number(event.id) > signs.event) add(signs, event)
  }
}

/** Hooks are told of mail by a file, which can get lost. Who has no hooks has no folder for them. */
function isUnmarked({ stateDir }: Place, reader: string): boolean {
  const { spool, mail } = hookFolder(privateFolder(stateDir, reader))
  return fileState(spool) !== null && fileState(mail) === null
}

function outputOf(place: Place, id: string): string {
  return join(place.stateDir, 'logs', id, 'output.ndjson')
}

/** An event is a sign of life when only the agent itself can have caused it: its tools, what its runtime reports. */
export function showsLife({ type }: Pick<EventRow, 'type'>): boolean {
  return type.startsWith('tool.') || type.startsWith('runtime.')
}

function add(signs: Signs, event: EventRow): void {
  const { id, type } = event
  if (showsLife(event)) {
    signs.event = Number(id)
    calm(signs)
  }
  if (type === 'tool.start') signs.tools += 1
  if (type === 'tool.end' && signs.tools > 0) signs.tools -= 1
  if (type === 'agent.starting') {
    signs.tools = 0
    signs.tried = NOTHING_DONE
  }
  if (TRIES.has(type)) signs.tried = afterTry(signs.tried, event)
}

/** What others do about an agent's trouble. */
export const TRIES: ReadonlySet<string> = new Set(['agent.nudged', 'agent.raised', 'agent.triaged', 'agent.escalated'])

function afterTry(before: Signs['tried'], { id, at, type, data_json: data }: EventRow): Signs['tried'] {
  const { about = 'silence', waitMs } = JSON.parse(data)
  if (about !== 'silence' || type === 'agent.raised') return before
  if (type === 'agent.nudged') return { ...before, at, nudges: before.nudges + 1 }
  // Who was asked decides; it is not asked again meanwhile.
  if (type === 'agent.escalated') return { ...before, at, taken: true }
  // A verdict begins the silence anew, so much later.
  return { ...NOTHING_TRIED, at, verdict: { id: Number(id), until: at + (typeof waitMs === 'number' ? waitMs : 0) } }
}

/** It has shown something: whatever was done about its silence is over. */
function calm(signs: Signs): void {
  signs.tried = { ...NOTHING_DONE, verdict: signs.tried.verdict }
}

/** Takes a new mark for a sign of life. What was done before its present state is not about it. */
function notice(signs: Signs, mark: string, stateSince: number): void {
  const shown = signs.mark !== '' && signs.mark !== mark
  signs.mark = mark
  if (shown || signs.tried.at < stateSince) calm(signs)
}

/** Notes whether an agent's log has grown. After a nudge only what the agent itself said counts, not the nudge. */
function listen(path: string, signs: Signs, nudged: boolean): void {
  const file = fileState(path)
  if (file === null || (file.writtenAt === signs.output && file.size === signs.size)) return
  if (!nudged || hasSpoken(path, signs.size, file.size)) signs.output = file.writtenAt
  signs.size = file.size
}

/** More than this, in bytes, is never only a prompt of ours. */
const LONGEST_PROMPT = 64 * 1024

/** Whether an agent's log, grown between these sizes, has a line that came out of the agent itself. */
export function hasSpoken(path: string, from: number, to: number): boolean {
  // A log that shrank was full, and begun anew.
  if (to < from || to - from > LONGEST_PROMPT) return true
  return to > from && /"stream":"(out|err)"/.test(readFrom(path, from, to - from))
}

function isGone({ owner_pid: pid, owner_start: start, owner_boot: boot }: Facts['landings'][number]): boolean {
  return pid === null || start === null || boot === null || liveness({ pid, start, boot }) === 'gone'
}
