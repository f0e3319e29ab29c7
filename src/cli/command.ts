import { Command, Errors, Flags } from '@oclif/core'
import { refuseAgents } from '../agents/whose.ts'
import { type BrokerLine, openBrokerLine } from '../broker/client.ts'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import type { Audience } from '../capabilities/vocabulary.ts'
import { OvError } from '../errors.ts'
import type { OperationInput, OperationName, OperationResult } from '../operations.ts'
import { AGENT_MARKER } from '../os/tree.ts'
import { openProject, type Project } from '../project.ts'
import { canAsk } from './ask.ts'
import { type Explained, failureDocument } from './explained.ts'
import { explain, sayFailure } from './failure.ts'
import { interruption } from './interruption.ts'
import { printed } from './output.ts'

/** What all commands share: the project, the way to `ov`'s operations, and how an error is said. */
export abstract class OvCommand extends Command {
  static override enableJsonFlag = true
  static override baseFlags = {
    // The framework has a flag of this name, described otherwise.
    json: Flags.boolean({ description: 'print JSON on stdout, and nothing else', helpGroup: 'GLOBAL' }),
    quiet: Flags.boolean({ char: 'q', description: 'say nothing beside the result', helpGroup: 'GLOBAL' }),
    'no-input': Flags.boolean({ description: 'never ask; what needs an answer is refused', helpGroup: 'GLOBAL' }),
  }

  /** Commands that a person needs most when something is wrong work with an invalid configuration too. */
  protected static evenMisconfigured = false
  /** Commands that only look open the database so that nothing can be written by it. */
  protected static toRead = false

  /** Which agents are told of this command; null: it is the human's, or none of their business. */
  protected static forAgents: Audience | null = null

  #project: Project | undefined
  #broker: BrokerLine | undefined
  readonly #afterwards: (() => Promise<unknown>)[] = []

  /**
   * The project around the current folder, opened once. It is the human's: inside an agent everything goes by `call`.
   *
   * @throws {OvError} `broker.humans-only` inside an agent
   */
  protected async project(): Promise<Project> {
    this.humansOnly()
    if (this.#project === undefined) {
      const { evenMisconfigured, toRead } = this.constructor as typeof OvCommand
      this.#project = await openProject(process.cwd(), { evenMisconfigured, toRead })
      await refuseAgents(this.#project)
      const { misconfigured, notes } = this.#project
      if (misconfigured !== null) {
        this.say(`Note: ${misconfigured.message}`)
        this.say('Until that is mended, the defaults hold in its place, and no agent is started.')
      }
      for (const note of notes) this.say(`Note: ${note}`)
    }
    return this.#project
  }

  /** @throws {OvError} `broker.humans-only` inside an agent */
  protected humansOnly(): void {
    if (!this.insideAgent) return
    throw new OvError('user', 'broker.humans-only', `${this.#typed} is for the human, not for agents.`, {
      hint: 'Ask for what you need: ov ask "…"',
    })
  }

  /** From the first moment on Ctrl-C ends a command in order. */
  protected override async init(): Promise<void> {
    await super.init()
    interruption()
  }

  /** True inside an agent: then everything goes through its broker. */
  protected get insideAgent(): boolean {
    return Boolean(process.env[BROKER_VARIABLE] ?? process.env[AGENT_MARKER])
  }

  /** Aborts when the person at the terminal has had enough (Ctrl-C), or nobody reads any more. Then the command soon ends. */
  protected get gone(): AbortSignal {
    return interruption()
  }

  /** Asks `ov` to do something: through the broker inside an agent, directly as the human outside. */
  protected async call<N extends OperationName>(name: N, input: OperationInput<N>): Promise<OperationResult<N>> {
    const broker = process.env[BROKER_VARIABLE]
    if (broker) this.#broker ??= openBrokerLine(broker)
    else if (this.insideAgent) {
      throw new OvError(
        'failed',
        'broker.missing',
        `This process belongs to an agent, but ${BROKER_VARIABLE} is not set.`,
        {
          hint: 'Leave the environment of the agent as it is: who speaks is known by it.',
        },
      )
    }
    if (this.#broker) return (await this.#broker.call(name, input)) as OperationResult<N>
    const project = await this.project()
    // Only here: inside an agent, and in what needs no operation, all that they stand on stays unloaded.
    const { perform } = await import('../operations.ts')
    return (await perform(project, { kind: 'human' }, name, input, this.gone)) as OperationResult<N>
  }

  /** Does something once all that the command prints has left the process, its `--json` document too. */
  protected oncePrinted(work: () => Promise<unknown>): void {
    this.#afterwards.push(work)
  }

  /** Talk, for people: on stderr, so that stdout stays data. */
  protected say(text: string): void {
    if (!this.silent) process.stderr.write(`${text}\n`)
  }

  /** Only the result is wanted. */
  protected get silent(): boolean {
    return this.jsonEnabled() || this.#typedBefore('--quiet', '-q')
  }

  /** Whether a question would reach a person. */
  protected get mayAsk(): boolean {
    return canAsk() && !this.jsonEnabled() && !this.#typedBefore('--no-input')
  }

  /** Told by the words themselves, since much is said before they are parsed, or where they cannot be. */
  #typedBefore(...flags: readonly string[]): boolean {
    const words = this.argv.includes('--') ? this.argv.slice(0, this.argv.indexOf('--')) : this.argv
    return words.some((word) => flags.includes(word))
  }

  /** One document, whole and uncoloured. */
  override logJson(document: unknown): void {
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
  }

  protected override async _run<T>(): Promise<T> {
    try {
      const result = await super._run<T>()
      if (this.#afterwards.length > 0) await this.#finishUp()
      return result
    } finally {
      this.#broker?.close()
      await this.#project?.close()
    }
  }

  async #finishUp(): Promise<void> {
    try {
      await printed()
      for (const work of this.#afterwards) await work()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      await this.catch(error)
    }
  }

  protected override toErrorJson(error: unknown): unknown {
    return failureDocument(this.#explain(error))
  }

  protected override async catch(error: Error): Promise<unknown> {
    // `--help` and the like end a command by an error that is none.
    if (error instanceof Errors.ExitError) throw error
    const failure = this.#explain(error)
    process.exitCode = failure.exitCode
    if (this.jsonEnabled()) this.logJson(failureDocument(failure))
    else sayFailure(failure)
    return undefined
  }

  #explain(error: unknown): Explained {
    const { flags, baseFlags } = this.constructor as typeof OvCommand
    return explain(error, this.#typed, { flags: Object.keys({ ...flags, ...baseFlags, json: null, help: null }) })
  }

  /** The command as a person types it. */
  get #typed(): string {
    return `ov ${this.id?.replaceAll(':', ' ') ?? ''}`.trim()
  }
}
