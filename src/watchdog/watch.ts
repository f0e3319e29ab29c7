import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { changeCounter } from '../db/changes.ts'
import { type Lease, releaseLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { assess } from '../load/look.ts'
import { fileState, watchDatabase } from '../os/files.ts'
import { tmuxAt } from '../os/tmux.ts'
import { type SessionWatch, watchSessions } from '../os/tmux-control.ts'
import { step } from '../steps.ts'
import { Eyes, MOST_EVENTS, type Shown } from './eyes.ts'
import { type Ended, type Hands, handsFor, type Work } from './hands.ts'
import { claimWatch, type Watcher } from './lease.ts'
import type { Verdict } from './rules.ts'
import type { EventRow } from './signs.ts'
import { limitsOf, type WatchSpec } from './spec.ts'
import type { Order } from './tend.ts'
import { firstRound, type Round, tick } from './tick.ts'

/** Runners whose end tmux tells are asked after this often, in ms: it could be missed. */
const PULSE_MS = 1_000
/** Runners whose end nothing tells. Asking the kernel costs microseconds. */
const QUICK_PULSE_MS = 50
/** What is committed in a burst is read together. */
const READ_PAUSE_MS = 50
/**
 * The kernel tells of a commit when it is being written; it can be read once it is on the disk, which on a busy one takes
 * a while. So long it is looked for, after ever longer pauses: mostly it is there, or it was our own.
 */
const SETTLE_MS = 2_000
/** While there are agents, the load of the machine is looked at this often, in ms. */
const LOAD_MS = 5_000
/** A database that can't be written to is tried again after this long. */
const TROUBLE_PAUSE_MS = 1_000
/** So often in a row the same work may fail before the watcher gives up, and with it the right to watch. */
const MOST_FAILURES = 5
/** Those who act for a watcher that ends may take this long to end too. */
const LEAVING_MS = 400

export interface Watching {
  /** Aborts when it is to end. */
  readonly gone: AbortSignal
  /** ms between two looks at everything; else what the configuration says. */
  readonly interval: number | null
  /** What was recorded since the watcher looked first, oldest first, with the names of the agents they are about. */
  readonly tell: (events: readonly EventRow[], nameOf: (agent: string) => string) => void
  /** After every reading: who is in which state. */
  readonly count: (agents: ReadonlyMap<string, readonly unknown[]>) => void
  /** What is wrong with the database, for as long as nothing can be recorded. */
  readonly complain: (trouble: string) => void
}

/**
 * Watches a fleet until `gone`: one round at a time, whenever something is committed, a session ends or begins, or time
 * is up. Gives up the watch at its end, whatever ends it.
 *
 * @throws {OvError} `watch.busy` when somebody watches already, `watch.lost`, `watch.helpless`, `watch.no-project`
 */
export async function watchFleet(db: Kysely<Schema>, clock: Clock, spec: WatchSpec, watching: Watching): Promise<void> {
  const claimed = await claimWatch(db, clock)
  if ('pid' in claimed) throw busy(claimed, clock.now())
  step('watch.leased')
  await recordEvent(db, { at: clock.now(), type: 'watch.started', data: { pid: process.pid } })
  const watch = new Watch(db, clock, claimed, spec, watching)
  try {
    await watch.run()
  } finally {
    await watch.close()
    await write(db, async (tx) => {
      await releaseLease(tx, claimed)
      await recordEvent(tx, { at: clock.now(), type: 'watch.stopped', data: { pid: process.pid } })
    })
  }
}

class Watch {
  readonly #db: Kysely<Schema>
  readonly #clock: Clock
  readonly #watching: Watching
  readonly #round: Round
  readonly #wakes: Wakes
  readonly #troubles = new Troubles()
  readonly #hands: Hands
  readonly #sessions: SessionWatch | null
  readonly #unwatch: () => void
  readonly #names = new Map<string, string>()
  #spec: WatchSpec
  #config: string
  /** Something was committed since the last reading. */
  #dirty = true
  /** What the database's counter of changes was at the last reading. */
  #changes = -1
  /** Monotonic ms at which the kernel has told of a commit that may not be visible yet. */
  #toldAt = Number.NEGATIVE_INFINITY
  /** Monotonic ms of the last reading, and by when the next comes whatever happens. */
  #lastRead = 0
  #readAt = 0
  /** Monotonic ms at which patterns are looked for again, while somebody is there to be told. */
  #digestAt = 0
  #complaint = ''
  /** Monotonic ms by which the load is looked at again. */
  #loadAt = 0

  constructor(db: Kysely<Schema>, clock: Clock, lease: Lease, spec: WatchSpec, watching: Watching) {
    this.#db = db
    this.#clock = clock
    this.#watching = watching
    this.#spec = this.#asWanted(spec)
    this.#config = stateOfConfig(spec)
    this.#round = firstRound(db, clock, lease, new Eyes(db, clock))
    this.#wakes = wakesOf(watching.gone)
    this.#hands = handsFor(
      () => this.#spec,
      (work, ended) => {
        if (ended.ok) this.#spec = this.#asWanted(ended.spec)
        this.#troubles.note(work, ended)
        this.#wakes.wake()
      },
    )
    const tmux = spec.tmuxSocket === null ? null : tmuxAt(spec.tmuxSocket)
    this.#sessions = tmux === null ? null : watchSessions(tmux, this.#wakes.wake)
    this.#unwatch = watchDatabase(spec.databasePath, () => {
      this.#dirty = true
      this.#toldAt = clock.monotonic()
      this.#wakes.wake()
    })
  }

  async run(): Promise<void> {
    while (!this.#watching.gone.aborted) {
      const wakeAt = await this.#look().catch((error: unknown) => this.#bear(error))
      await this.#wakes.sleep(Math.max(1, wakeAt - this.#clock.monotonic()))
    }
  }

  async close(): Promise<void> {
    this.#unwatch()
    this.#sessions?.close()
    this.#round.eyes.close()
    await this.#hands.close(LEAVING_MS)
  }

  /** One round, and what follows from it. Gives the monotonic ms by which the next is due. */
  async #look(): Promise<number> {
    const { eyes } = this.#round
    const now = this.#clock.monotonic()
    const changes = await changeCounter(this.#db)
    this.#dirty ||= changes !== this.#changes
    const read = now >= this.#readAt || (this.#dirty && now - this.#lastRead >= READ_PAUSE_MS)
    if (read) this.#changes = changes
    if (read) this.#beginReading(now)
    const shown = this.#sessions?.panes ?? null
    const due = Math.min(this.#readAt, now + pulseOf(eyes, shown))
    const { verdicts, events, next } = await tick(this.#round, this.#spec, limitsOf(this.#spec), { read, due, shown })
    this.#act(verdicts)
    if (read) this.#tell(events)
    if (events.length === MOST_EVENTS) this.#dirty = true
    await this.#troubles.record(this.#db, this.#clock)
    if (eyes.agents.length > 0 && now >= this.#loadAt) {
      this.#loadAt = now + LOAD_MS
      await assess(this.#db, this.#clock, this.#spec.load)
    }
    if (eyes.agents.some(({ state }) => state !== 'queued')) this.#sessions?.connect()
    if (eyes.agents.some(({ mode, state }) => mode === 'interactive' && state === 'working')) this.#sessions?.refresh()
    this.#complaint = ''
    return Math.min(this.#readNext(now), now + pulseOf(eyes, shown), next)
  }

  /** Monotonic ms at which the database is looked at again, if nothing is told of it before. */
  #readNext(now: number): number {
    const told = now - this.#toldAt
    if (this.#dirty) return now + READ_PAUSE_MS
    return told < SETTLE_MS ? now + Math.max(READ_PAUSE_MS, told) : this.#readAt
  }

  #beginReading(now: number): void {
    this.#dirty = false
    this.#lastRead = now
    this.#readAt = now + this.#spec.interval
    if (fileState(this.#spec.databasePath) !== null) return
    throw new OvError('failed', 'watch.no-project', 'There is no project here any more, so nothing to watch.', {
      hint: 'ov init',
    })
  }

  /** Has done what the verdicts ask for, and what a changed configuration asks for. */
  #act(verdicts: readonly Verdict[]): void {
    const nudges = verdicts.filter((verdict) => verdict.do === 'nudge')
    const troubles = verdicts.filter((verdict) => verdict.do === 'raise')
    const { fence } = this.#round.lease
    const config = stateOfConfig(this.#spec)
    const changed = config !== this.#config || this.#isDigestDue()
    const tend = nudges.length > 0 || changed || verdicts.some((verdict) => verdict.do === 'tend')
    this.#config = config
    if (tend) this.#hands.send('fleet', { ...NO_ORDER, fence, nudges })
    if (troubles.length > 0) this.#hands.send('troubles', { ...NO_ORDER, fence, troubles })
    if (verdicts.some((verdict) => verdict.do === 'merge')) this.#hands.send('merges', { ...NO_ORDER, fence })
  }

  #isDigestDue(): boolean {
    const { digestEvery } = this.#spec
    const now = this.#clock.monotonic()
    const { agents } = this.#round.eyes
    if (digestEvery === null || now < this.#digestAt || !agents.some(isMonitor)) return false
    this.#digestAt = now + digestEvery
    return true
  }

  #tell(events: readonly EventRow[]): void {
    const { agents } = this.#round.eyes
    for (const { id, name } of agents) this.#names.set(id, name)
    if (events.length > 0) this.#watching.tell(events, (id) => this.#names.get(id) ?? nameIn(events, id))
    this.#watching.count(Map.groupBy(agents, ({ state }) => state))
  }

  /** A database that is busy, or a disk that is full, passes: it is said once, and tried again. Anything else ends the watch. */
  #bear(error: unknown): number {
    if (!(error instanceof OvError) || !['db.busy', 'db.full'].includes(error.code)) throw error
    if (error.message !== this.#complaint) this.#watching.complain(error.message)
    this.#complaint = error.message
    this.#dirty = true
    return this.#clock.monotonic() + TROUBLE_PAUSE_MS
  }

  #asWanted(spec: WatchSpec): WatchSpec {
    const { interval } = this.#watching
    return interval === null ? spec : { ...spec, interval }
  }
}

function isMonitor({ capability, persistent, state }: Eyes['agents'][number]): boolean {
  return capability === 'monitor' && persistent === 1 && state === 'waiting'
}

/** The name of an agent that came and went between two readings. */
function nameIn(events: readonly EventRow[], id: string): string {
  const slung = events.find(({ type, agent_id: agent }) => type === 'agent.slung' && agent === id)
  return slung === undefined ? 'an agent' : String(JSON.parse(slung.data_json).name)
}

/** How soon the kernel is to be asked again: rarely when every runner is the process of a pane that tmux watches. */
function pulseOf(eyes: Eyes, panes: Shown): number {
  const live = eyes.agents.filter(({ state }) => state === 'working' || state === 'waiting')
  if (live.length === 0) return eyes.agents.length === 0 ? Number.POSITIVE_INFINITY : PULSE_MS
  return live.every(({ owner_pid: pid }) => pid !== null && panes?.has(pid)) ? PULSE_MS : QUICK_PULSE_MS
}

function stateOfConfig({ configFiles }: WatchSpec): string {
  return JSON.stringify(configFiles.map(fileState))
}

const NO_ORDER: Omit<Order, 'fence'> = { nudges: [], troubles: [] }

interface Wakes {
  readonly wake: () => void
  readonly sleep: (ms: number) => Promise<void>
}

/** Lets a loop sleep until time is up or somebody wakes it. A wake-up between two sleeps ends the next one at once. */
function wakesOf(gone: AbortSignal): Wakes {
  let woken = false
  let rise: (() => void) | null = null
  const wake = () => {
    woken = true
    rise?.()
  }
  gone.addEventListener('abort', wake)
  return {
    wake,
    async sleep(ms) {
      if (!woken) {
        let timer: NodeJS.Timeout | undefined
        await new Promise<void>((resolve) => {
          rise = resolve
          timer = setTimeout(resolve, Math.min(ms, LONGEST_SLEEP_MS))
        })
        clearTimeout(timer)
      }
      woken = false
      rise = null
    },
  }
}

/** Timers end at 2³¹ ms. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1

/** What goes wrong with those who act: told once as long as it stays the same, and given up on after a while. */
class Troubles {
  readonly #inARow = new Map<Work, { times: number; why: string }>()
  #untold: { work: Work; why: string }[] = []

  note(work: Work, ended: Ended): void {
    const before = this.#inARow.get(work)
    if (ended.ok) {
      this.#inARow.delete(work)
      return
    }
    if (before?.why !== ended.why) this.#untold.push({ work, why: ended.why })
    this.#inARow.set(work, { times: (before?.times ?? 0) + 1, why: ended.why })
  }

  /** @throws {OvError} `watch.helpless` */
  async record(db: Kysely<Schema>, clock: Clock): Promise<void> {
    for (const { work, why } of this.#untold.splice(0))
      await recordEvent(db, { at: clock.now(), type: 'watch.trouble', data: { work, why: why.slice(0, 2_000) } })
    const helpless = [...this.#inARow.values()].find(({ times }) => times >= MOST_FAILURES)
    if (helpless === undefined) return
    throw new OvError(
      'failed',
      'watch.helpless',
      `The watcher could not act, ${helpless.times} times:\n${helpless.why}`,
      {
        hint: 'Agents look after one another again. To see what is wrong: ov doctor',
      },
    )
  }
}

/** The error of a second watcher. */
export function busy({ pid, since, late }: Watcher, now: number): OvError {
  const silent = late ? ', but has not looked for a while (it is stopped, or the machine is overrun)' : ''
  const began = new Date(since)
  const when = now - since < 12 * 3_600_000 ? began.toTimeString().slice(0, 8) : began.toISOString().slice(0, 16)
  return new OvError('busy', 'watch.busy', `Process ${pid} watches this fleet since ${when}${silent}.`, {
    hint: 'ov watch status, or end it: ov watch stop',
  })
}
