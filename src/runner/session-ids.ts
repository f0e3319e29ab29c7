import { randomUUID } from 'node:crypto'
import type { Agent } from '../agents/store.ts'
import type { Conversation } from '../agents/transcript.ts'
import type { AgentRuntime } from '../contract/runtime.ts'

/** In which of its runtime's own sessions an agent is, and with which one its next launch goes on. */
export class SessionIds {
  readonly #resumes: boolean
  /** As the runtime told it. */
  #told: string | undefined
  /** The id of the next new session, for runtimes that let one choose. */
  #chosen: string
  #unproven: boolean
  #resume: string | undefined
  #turns = 0

  /** @param chosen the id of the first session, where no earlier one is gone on with */
  constructor(runtime: AgentRuntime, agent: Pick<Agent, 'session'>, chosen: string) {
    this.#resumes = runtime.can.resume
    // One that had a runner before goes on where it was.
    this.#told = this.#resumes ? (agent.session ?? undefined) : undefined
    this.#unproven = this.#told !== undefined
    this.#chosen = chosen
  }

  /** The runtime's own id of the session; undefined until it told one. */
  get told(): string | undefined {
    return this.#told
  }

  get chosen(): string {
    return this.#chosen
  }

  /** A runtime that reports no id of its own goes by the one it was given. */
  get known(): string {
    return this.#told ?? this.#chosen
  }

  /** The session that the next launch goes on with. */
  get resume(): string | undefined {
    return this.#resume
  }

  /** Whether the session of an earlier process was really taken up is not seen yet. */
  get unproven(): boolean {
    return this.#unproven
  }

  /** Turns of this session; those of earlier processes don't count. */
  get turns(): number {
    return this.#turns
  }

  /** The runtime told its session's id. True: it is another one than was known. */
  tell(session: string | undefined): boolean {
    if (session === undefined || session === this.#told) return false
    this.#told = session
    return true
  }

  proven(): void {
    this.#unproven = false
  }

  turnBegins(): void {
    this.#turns += 1
  }

  /** What was is of no use any more: the next launch begins a session of its own. */
  beginAnew(): void {
    this.#forget()
    this.#unproven = false
    this.#turns = 0
  }

  /** Finds the session to go on with. */
  async find(transcript: Conversation | undefined): Promise<void> {
    const begun = this.#told ?? (this.#turns > 1 ? this.#chosen : undefined)
    const earlier = this.#resumes ? begun : undefined
    this.#resume = earlier !== undefined && (await transcript?.canResume(earlier)) !== false ? earlier : undefined
    if (earlier !== this.#resume) this.#forget()
  }

  /** Its id is taken all the same. */
  #forget(): void {
    this.#told = undefined
    this.#chosen = randomUUID()
  }
}
