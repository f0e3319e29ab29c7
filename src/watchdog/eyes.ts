import { startSeen } from '../agents/starts.ts'
import { ownerOf, type WatchedAgent, watchedAgents } from '../agents/store.ts'
import type { Clock } from '../clock.ts'
import { HUMAN } from '../contract/mail.ts'
import type { Level } from '../contract/states.ts'
import { leaseHolder } from '../db/lease.ts'
import type { Db } from '../db/open.ts'
import { needsTending } from '../escalation/rules.ts'
import { type Escalation, pendingEscalations } from '../escalation/store.ts'
import { eventsBeyond, firstEvent, lastEventId, notableBeyond } from '../events/store.ts'
import { hookFolder, privateFolder } from '../hooks/folder.ts'
import { recordedLevel } from '../load/look.ts'
import { mayAt, placesWatched } from '../load/rules.ts'
import { waitingReaders } from '../mail/store.ts'
import { openLandings, openMerges, TRAIN_LEASE } from '../merge/store.ts'
import { isNotable, NOTABLE } from '../notify/rules.ts'
import { nextDue, toldUpTo } from '../notify/store.ts'
import { fileState } from '../os/files.ts'
import { loadPerCore } from '../os/machine.ts'
import {
  bootId,
  cpuBelow,
  type HeldProcess,
  holdProcess,
  type Liveness,
  liveness,
  type ProcessIdentity,
} from '../os/process.ts'
import { outputFile } from '../state-dir.ts'
import { getTask } from '../tasks/store.ts'
import { complaintsOf, type Deadlines } from './complaints.ts'
import { hasSpoken } from './log.ts'
import type { AgentSeen, Complaint, Seen } from './rules.ts'
import { type EventRow, hear, note, type Signs } from './signs.ts'
import { type Given, NOTHING_TRIED, timeGiven } from './silence.ts'
import { told } from './told.ts'

/** What the watchdog needs to know of a project. Plain data: the watcher holds no project open. */
export interface Place {
  readonly stateDir: string
  readonly maxConcurrent: number
  readonly mergeAuto: boolean
  /** ms after which an escalation goes to the next above. */
  readonly answerWithin: number
  /** So often something has to be repeated to be a loop; null: nothing is. */
  readonly loopAfter: number | null
  readonly deadlines: Deadlines
  /** A person is told outside of `ov` of what needs him. */
  readonly tells: boolean
}

/** When panes last showed something new, by the pid of their process, in s since the epoch; null where tmux can't be asked. */
export type Shown = ReadonlyMap<number, number> | null

/** So many events are read at once; the rest at the next reading. */
export const MOST_EVENTS = 2_000

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
  /** Up to which event a person was told, and when what waits to be told is due, in ms since the epoch. */
  readonly told: number | null
  readonly toTell: number | null
}

const NO_FACTS: Facts = {
  agents: [],
  stranded: [],
  waiting: [],
  merges: [],
  landings: [],
  level: 'full',
  escalations: [],
  told: null,
  toTell: null,
}

/** One agent, as it was seen last. */
interface Sight {
  readonly signs: Signs
  /** When its output was last written to, as far as it was its own doing. */
  output: number
  /** How large its log was then, or when it was last looked into. */
  size: number
  /** All of what it showed. */
  mark: string
  readonly reads: boolean
  /** How long it had been at its task at a moment, in ms, both monotonic; null before it begins, and where that is not asked. */
  age: { readonly ms: number; readonly at: number } | null
  /** Its task may take only so long. */
  readonly timed: boolean
  /** Until when verdicts give it time, in monotonic ms, by the verdict's event. */
  readonly given: Map<number, number>
}

/**
 * Looks at a fleet: the database where something was committed, the kernel each time. One look is one set of queries and
 * one sweep over the processes; nothing is started for it.
 */
export class Eyes {
  readonly #db: Db
  readonly #clock: Clock
  readonly #sights = new Map<string, Sight>()
  readonly #held = new Map<string, HeldProcess>()
  #facts: Facts | null = null
  #seenEvents: number | null = null
  /** Id of the newest event that a person may have to be told of. */
  #notable = 0

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
      told: place.tells ? await toldUpTo(this.#db) : null,
      toTell: place.tells ? await nextDue(this.#db) : null,
    }
    this.#notable = Math.max(this.#notable, ...events.filter(({ type }) => isNotable(type)).map(({ id }) => Number(id)))
    for (const id of this.#sights.keys()) if (!open.has(id)) this.#forget(id)
    for (const agent of agents)
      if (!this.#sights.has(agent.id)) this.#sights.set(agent.id, await this.#firstSight(agent, place))
    for (const event of events) this.#note(event, place)
    return events
  }

  /** Asks the kernel after everybody. */
  look(place: Place, curiosity: Curiosity, shown: Shown = null): Seen {
    const facts = this.#facts ?? NO_FACTS
    return {
      at: { wall: this.#clock.now(), mono: this.#clock.monotonic() },
      crowd: facts.agents.some(({ id }) => curiosity.asksCpu(id)) ? (loadPerCore() ?? 1) : 1,
      agents: facts.agents.map((agent) => this.#lookAt(agent, place, curiosity, shown)),
      places: placesWatched(facts.level, place.maxConcurrent),
      stranded: facts.stranded,
      merges: facts.merges,
      landings: facts.landings.filter((landing) => isGone(landing)).map(({ id }) => id),
      unmarked: facts.waiting.filter((reader) => isUnmarked(place, reader)),
      escalations: facts.escalations.filter((one) => this.#isDue(one, place)).map(({ id }) => id),
      untold: place.tells && this.#isUntold(facts),
    }
  }

  /** Something has happened, or waits, that a person is to be told of. Before the first look that is not known. */
  #isUntold({ told, toTell }: Facts): boolean {
    return told === null || told < this.#notable || (toTell !== null && toTell <= this.#clock.now())
  }

  #isDue(escalation: Escalation, { answerWithin }: Place): boolean {
    const agent = this.agents.find(({ id }) => id === escalation.agent_id)
    const reads = escalation.reader === HUMAN ? 'human' : this.agents.some(({ id }) => id === escalation.reader)
    const sameBoot = escalation.asked_boot === bootId()
    const glimpse = {
      answered: escalation.state === 'answered',
      about: escalation.about,
      sameOwner: agent?.fence === escalation.fence,
      movedOn: agent !== undefined && agent.state_since !== escalation.state_since,
      silent: this.#sights.get(escalation.agent_id)?.signs.tried.silence.taken ?? true,
      reader: reads === 'human' ? reads : reads ? 'able' : 'gone',
      waitedMs: sameBoot ? this.#clock.monotonic() - escalation.asked_mono : null,
    } as const
    return needsTending(glimpse, answerWithin)
  }

  #lookAt(agent: WatchedAgent, place: Place, { asksCpu }: Curiosity, shown: Shown): AgentSeen {
    const { id, state, fence } = agent
    const owner = state === 'queued' ? null : ownerOf(agent)
    const sight = this.#sights.get(id)
    const screen = agent.mode === 'interactive' && owner !== null ? (shown?.get(owner.pid) ?? 0) : 0
    if (state === 'working' && sight !== undefined) listen(outputFile(place, { id }), sight)
    const mark = `${agent.state_since}:${sight?.signs.event ?? 0}:${sight?.output ?? 0}`
    if (sight !== undefined) notice(sight, mark, agent.state_since)
    return {
      id,
      state,
      fence,
      runner: owner === null ? null : this.#runnerOf(agent, owner),
      mark,
      screen,
      busy: (sight?.signs.tools ?? 0) > 0,
      cpuMs: owner !== null && asksCpu(id) ? cpuBelow(owner.pid) : null,
      persistent: agent.persistent === 1,
      reads: sight?.reads ?? false,
      tried: sight?.signs.tried.silence ?? NOTHING_TRIED,
      troubles: sight === undefined ? [] : this.#troublesOf(agent, sight, place),
    }
  }

  /** What is wrong with an agent that needs no silence to be heard. */
  #troublesOf(agent: WatchedAgent, sight: Sight, { deadlines }: Place): Complaint[] {
    const { signs, age, reads, given } = sight
    const now = this.#clock.monotonic()
    return complaintsOf(agent, signs, this.#clock.now(), {
      reads,
      age: age === null ? null : age.ms + now - age.at,
      deadlines,
      timeLeft: (verdict) => (given.get(verdict.id) ?? this.#given(sight, verdict)) - now,
    })
  }

  /** When the time that a verdict gives is over, in monotonic ms: whatever the wall clock does from now on. */
  #given(sight: Sight, verdict: Given): number {
    const at = this.#clock.monotonic() + timeGiven(verdict, this.#clock.now())
    sight.given.set(verdict.id, at)
    return at
  }

  /** A starter that lives says nothing of what it has started. */
  #runnerOf(agent: WatchedAgent, owner: ProcessIdentity): Liveness {
    const seen = this.#ask(agent.id, owner)
    return seen === 'alive' && agent.state === 'starting' ? startSeen(agent, this.#clock.now()) : seen
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
    this.#sights.delete(id)
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
      const told = await toldUpTo(this.#db)
      const missed = told === null ? undefined : (await notableBeyond(this.#db, told, NOTABLE)).at(-1)
      this.#notable = Number(missed?.id ?? 0)
      return []
    }
    const events = await eventsBeyond(this.#db, this.#seenEvents, MOST_EVENTS)
    this.#seenEvents = Number(events.at(-1)?.id ?? this.#seenEvents)
    return events
  }

  async #firstSight(agent: WatchedAgent, place: Place): Promise<Sight> {
    const { id } = agent
    const seen = this.#seenEvents ?? 0
    // Those that are not read yet are noted when they are.
    const { signs } = await told(this.#db, place, agent, seen)
    signs.last = seen
    const reads = (await getTask(this.#db, agent.task_id))?.command === null
    const timed = agent.capability in place.deadlines && agent.persistent === 0
    const begun = timed ? await firstEvent(this.#db, id, 'agent.starting') : undefined
    const age = begun === undefined ? null : this.#since(begun)
    return { signs, output: 0, size: 0, mark: '', reads, age, timed, given: new Map() }
  }

  #note(event: EventRow, { loopAfter }: Place): void {
    const sight = event.agent_id === null ? undefined : this.#sights.get(event.agent_id)
    if (sight === undefined || Number(event.id) <= sight.signs.last) return
    note(sight.signs, event, loopAfter)
    // Who waited for a place when it was seen first begins now.
    if (event.type === 'agent.starting' && sight.timed) sight.age ??= this.#since(event)
  }

  #since({ at }: Pick<EventRow, 'at'>): { ms: number; at: number } {
    return { ms: Math.max(0, this.#clock.now() - at), at: this.#clock.monotonic() }
  }
}

/** What a look is to find out beside what it always does. */
export interface Curiosity {
  /** Whether to ask how much an agent's processes have computed. */
  readonly asksCpu: (id: string) => boolean
}

/** A look at what there is, without any memory. */
export const INCURIOUS: Curiosity = { asksCpu: () => false }

/** Hooks are told of mail by a file, which can get lost. Who has no hooks has no folder for them. */
function isUnmarked({ stateDir }: Place, reader: string): boolean {
  const { spool, mail } = hookFolder(privateFolder(stateDir, reader))
  return fileState(spool) !== null && fileState(mail) === null
}

/** Takes a new mark for a sign of life. What was done before its present state is not about it. */
function notice(sight: Sight, mark: string, stateSince: number): void {
  const shown = sight.mark !== '' && sight.mark !== mark
  sight.mark = mark
  hear(sight.signs, { spoke: shown, stateSince })
}

/** Notes whether an agent's log has grown by what the agent itself said: a nudge, or mail, is no sign of it. */
function listen(path: string, sight: Sight): void {
  const file = fileState(path)
  if (file === null || (file.writtenAt === sight.output && file.size === sight.size)) return
  if (hasSpoken(path, sight.size, file.size)) sight.output = file.writtenAt
  sight.size = file.size
}

function isGone({ owner_pid: pid, owner_start: start, owner_boot: boot }: Facts['landings'][number]): boolean {
  return pid === null || start === null || boot === null || liveness({ pid, start, boot }) === 'gone'
}
