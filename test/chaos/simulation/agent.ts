import type { Capability, WaitingOn } from '../../../src/contract/states.ts'
import type { Liveness } from '../../../src/os/process.ts'
import type { Hold } from '../../../src/runner/session.ts'
import { type EventRow, noSigns, note, type Signs } from '../../../src/watchdog/signs.ts'
import type { TroubleKind } from '../../../src/watchdog/trouble.ts'
import type { SimAccount } from './account.ts'
import type { SimScreen } from './screen.ts'

export type State = 'queued' | 'starting' | 'working' | 'waiting' | 'ended'

/** Of an agent so many events are kept at least. */
const HISTORY = 200
/** So often something is done again before it is a loop. */
export const LOOP_AFTER = 3

/** What it does again and again, when it goes in circles. */
export interface Circle {
  /** `call`: so many calls by turns, always with the same outcome; `error`: other calls, the same error. */
  readonly kind: 'call' | 'error'
  readonly period: number
  readonly name: number
  /** How often it went round since it began, or since something was done about it. */
  done: number
}

/** An agent, its runner, and its records. What is true of it is kept beside what is recorded. */
export class SimAgent {
  readonly id: string
  /** Its runtime understands prompts; one that does not is a command, which is not run twice. */
  readonly prompts: boolean
  readonly capability: Capability
  readonly account: SimAccount
  /** Null for one without a screen. */
  readonly screen: SimScreen | null
  readonly parent: SimAgent | null
  state: State = 'queued'
  waitingOn: WaitingOn | null = null
  reason: string | null = null
  /** Wall time. */
  stateSince = 0
  fence = 0
  turns = 0
  /** Its runner, if it has one; what the kernel says of it may be nothing. */
  runner: 'alive' | 'dead' | null = null
  doubted = false
  diedAt: number | null = null
  /** Since when nothing has kept its death from being noticed; null while something does. */
  noticeableSince: number | null = null
  reported = 0
  midTurn = false
  hung = false
  /** A tool that takes its time. */
  tool = false
  /** Its processes compute; since when, monotonic, and what they have used by now, in ms. */
  computing: number | null = null
  computedUntil = 0
  cpu = 0
  /** Grows with all that it says. */
  said = 0
  readonly #events: EventRow[] = []
  readonly #signs = noSigns()
  /** Monotonic, less the time in which nobody could have known better. */
  silentSince = 0
  busySince = 0
  /** The same, with all that time. */
  toolSince = 0
  nudges = 0
  lastNudge: number | null = null
  /** What it had said when its silence was raised. */
  saidAtRaise: number | null = null
  /** The time that verdicts gave its troubles, from when by the wall clock, and until when by the other. */
  readonly given = new Map<TroubleKind, { readonly wall: number; readonly ms: number; until: number }>()
  /** How often it met each outcome since it last got on, or was told. */
  readonly outcomes = new Map<string, number>()
  toldOfLoop = false
  circle: Circle | null = null
  /** Since when a watcher should have said something about its loop, its dialog, its deadline, its silence; monotonic. */
  readonly overdue = new Map<TroubleKind, number>()
  reminded = false
  claimed = false
  asking = false
  setbacks = 0
  /** Its turn is begun again then, monotonic. */
  again: number | null = null
  /** What its screen waits for a person with, as its runner has said so. */
  held: Hold | null = null
  /** It waits for the end of a limit; `place`: its turn in the line of those that go on, monotonic. */
  parkedNow = false
  place: number | null = null
  /** How often it was parked, and taken up again. */
  parked = 0
  resumed = 0
  /** When it was started again, by the wall clock, which is how it is recorded. */
  restarts: { readonly wall: number; readonly by: 'ov' | 'person' }[] = []
  taskFinal = false
  /** Mail on its way to it. */
  waitingMail = 0
  /** When it first was started, on both clocks, and by how much the wall clock went back or ahead since. */
  begun: { readonly wall: number; readonly mono: number } | null = null
  setBack = 0
  setAhead = 0

  constructor(
    id: string,
    like: Pick<SimAgent, 'prompts' | 'capability' | 'account' | 'screen' | 'parent'> & { readonly since: number },
  ) {
    this.id = id
    this.prompts = like.prompts
    this.capability = like.capability
    this.account = like.account
    this.screen = like.screen
    this.parent = like.parent
    this.stateSince = like.since
  }

  get open(): boolean {
    return this.state !== 'ended'
  }

  get seenAs(): Liveness | null {
    if (this.runner === null) return null
    if (this.doubted) return 'unknown'
    return this.runner === 'alive' ? 'alive' : 'gone'
  }

  /** It is in the middle of a turn, and nothing keeps it from going on but itself. */
  get works(): boolean {
    return this.state === 'working' && this.runner === 'alive' && this.midTurn
  }

  keep(event: EventRow): void {
    this.#events.push(event)
    note(this.#signs, event, LOOP_AFTER)
    if (this.#events.length > 2 * HISTORY) this.#events.splice(0, HISTORY)
  }

  /** Its last events, oldest first. */
  get recent(): readonly EventRow[] {
    return this.#events
  }

  /** What its records say, as whoever acts reads them anew. */
  get signs(): Signs {
    return { ...this.#signs, tried: { ...this.#signs.tried } }
  }
}
