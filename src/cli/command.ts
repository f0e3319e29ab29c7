import { Command } from '@oclif/core'
import chalk from 'chalk'
import { type BrokerLine, openBrokerLine } from '../broker/client.ts'
import { BROKER_VARIABLE } from '../broker/protocol.ts'
import { OvError } from '../errors.ts'
import { type OperationInput, type OperationName, type OperationResult, perform } from '../operations.ts'
import { openProject, type Project } from '../project.ts'
import { printed } from './output.ts'

/** What all commands share: the project, the way to `ov`'s operations, and how an error is said. */
export abstract class OvCommand extends Command {
  static override enableJsonFlag = true

  #project: Project | undefined
  #broker: BrokerLine | undefined
  readonly #afterwards: (() => Promise<unknown>)[] = []

  /** The project around the current folder, opened once. */
  protected async project(): Promise<Project> {
    if (this.#project === undefined) {
      this.#project = await openProject(process.cwd())
      for (const note of this.#project.notes) this.say(`Note: ${note}`)
    }
    return this.#project
  }

  /** True inside an agent: then everything goes through its broker. */
  protected get insideAgent(): boolean {
    return Boolean(process.env[BROKER_VARIABLE])
  }

  /** Asks `ov` to do something: through the broker inside an agent, directly as the human outside. */
  protected async call<N extends OperationName>(name: N, input: OperationInput<N>): Promise<OperationResult<N>> {
    const broker = process.env[BROKER_VARIABLE]
    if (broker) this.#broker ??= openBrokerLine(broker)
    const result = this.#broker
      ? await this.#broker.call(name, input)
      : await perform(await this.project(), { kind: 'human' }, name, input, new AbortController().signal)
    return result as OperationResult<N>
  }

  /** Does something once all that the command prints has left the process, its `--json` document too. */
  protected oncePrinted(work: () => Promise<unknown>): void {
    this.#afterwards.push(work)
  }

  /** Talk, for people: on stderr, so that stdout stays data. */
  protected say(text: string): void {
    if (!this.jsonEnabled()) process.stderr.write(`${text}\n`)
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
    if (error instanceof OvError)
      return { error: { kind: error.kind, code: error.code, message: error.message, hint: error.hint ?? null } }
    return {
      error: {
        kind: 'failed',
        code: 'bug',
        message: error instanceof Error ? error.message : String(error),
        hint: null,
      },
    }
  }

  protected override async catch(error: Error & { exitCode?: number }): Promise<unknown> {
    if (!(error instanceof OvError)) return super.catch(error)
    process.exitCode = error.exitCode
    if (this.jsonEnabled()) this.logJson(this.toErrorJson(error))
    else {
      process.stderr.write(`${chalk.red('✖')} ${error.message}\n`)
      if (error.hint !== undefined) process.stderr.write(`${chalk.dim('Hint:')} ${error.hint}\n`)
    }
    return undefined
  }
}
