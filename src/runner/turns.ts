import type { Agent } from '../agents/store.ts'
import type { Clock } from '../clock.ts'
import type { AgentEvent } from '../contract/runtime.ts'
import type { Session } from './session.ts'
import type { Attempt } from './setback.ts'

/** What a CLI reports that works. */
const WORKS: ReadonlySet<AgentEvent['type']> = new Set(['accepted', 'text', 'tool_start', 'tool_end', 'turn_end'])

/** An agent's turns, as far as its runner has seen them. */
export class Turns {
  readonly #agent: Pick<Agent, 'turns' | 'model' | 'mode'>
  readonly #clock: Clock
  #count: number
  #prompt = ''
  #said = ''
  #began = 0
  #promptedAt = 0
  #heardAt: number | null = null
  #works: boolean
  #owed: boolean
  /** What its CLI said of itself. */
  #told: Pick<Extract<AgentEvent, { type: 'started' }>, 'model' | 'version'> = {}

  constructor(agent: Pick<Agent, 'turns' | 'model' | 'mode'>, clock: Clock) {
    this.#agent = agent
    this.#clock = clock
    this.#count = agent.turns
    // What worked before it was cut off is given another try.
    this.#works = agent.turns > 0
    this.#owed = agent.turns > 0
  }

  /** Turns that have begun, of all the sessions that the agent has had. */
  get count(): number {
    return this.#count
  }

  /** When the last one began, ms since the epoch. */
  get began(): number {
    return this.#began
  }

  /** What it said last in this turn, or in the last one, until it was passed on. */
  get said(): string {
    return this.#said
  }

  /** Its CLI has done something by now: what dies before that would die again. */
  get works(): boolean {
    return this.#works
  }

  /** A turn has ended, and nothing has followed from that yet: no other turn, nothing that it waits for. */
  get owed(): boolean {
    return this.#owed
  }

  /** So long nothing was heard of its CLI, in ms. */
  get quietFor(): number {
    return this.#clock.monotonic() - (this.#heardAt ?? 0)
  }

  /** So long ago it was prompted, in ms, without having given any sign of life since its runner began; 0 for one that has. */
  get lifelessFor(): number {
    return this.#heardAt === null ? this.#clock.monotonic() - this.#promptedAt : 0
  }

  begin(prompt: string): void {
    this.#count += 1
    this.#owed = false
    this.#prompt = prompt
    this.#said = ''
    this.#began = this.#clock.now()
    this.#promptedAt = this.#clock.monotonic()
  }

  hear(event: AgentEvent): void {
    this.#heardAt = this.#clock.monotonic()
    if (WORKS.has(event.type)) this.#works = true
    switch (event.type) {
      case 'started':
        this.#told = event
        return
      case 'text':
        this.#said = event.text
        return
      case 'turn_end':
        this.#owed = true
        this.#said = event.text ?? this.#said
    }
  }

  /** It is known what follows from its last turn. */
  followed(): void {
    this.#owed = false
  }

  /** Its words are with whoever wanted them. */
  passedOn(): void {
    this.#said = ''
  }

  /** What there is to record of one that failed. */
  attempt(session: Session | null): Attempt {
    return {
      turn: this.#count,
      prompt: this.#prompt,
      model: this.#told.model ?? this.#agent.model,
      version: this.#told.version ?? null,
      exit: session?.lastExit ?? null,
      // On its own screen it says all of it there.
      stderr: this.#agent.mode === 'interactive' ? '' : (session?.lastWords ?? ''),
    }
  }
}
