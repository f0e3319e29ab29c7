import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Kysely } from 'kysely'
import { openDatabase } from '../../../src/db/open.ts'
import type { Schema } from '../../../src/db/schema.ts'
import type { Outcome } from '../../../src/os/process.ts'
import { git, type Home } from '../../rig/sandbox-home.ts'
import { takenDown } from '../oracle.ts'
import { environmentFor, type Kill } from './steps.ts'

/** Longest that all tasks of a job may take to come to their end, in ms. */
const SETTLING_MS = 90_000

/** A small piece of work for a fleet, typed by somebody who, after a crash, types again what was not acknowledged. */
export interface Job {
  readonly name: string
  /** A kill before the one that is tried: what is tried is then the recovery from it. */
  readonly before?: Kill
  /** Makes the repository. */
  prepare(home: Home): Promise<Ground>
  /** All of the job, or what is left of it. Throws `Died` as soon as something was killed. */
  act(hand: Hand, ground: Ground): Promise<void>
}

export interface Ground {
  readonly repo: string
  /** What `ov` finds on PATH, and logins. */
  readonly env: Readonly<Record<string, string>>
  /** Prompts that agents were given, as they wrote them down. */
  readonly heard?: () => readonly string[]
  /** Where the agents take down what they were acknowledged, if not in the ledger of the hand. */
  readonly ledger?: string
  /** How agents are to end whose work is not to be merged, by name. */
  readonly ends?: Readonly<Record<string, 'done' | 'failed' | 'stopped'>>
  /** What a person was told outside. */
  readonly told?: () => readonly Told[]
  /** A file that an agent makes when it has begun. */
  readonly begun?: string
  /** What a person has changed in the checkout and not committed, as `git status --porcelain` says it. */
  readonly dirty?: string
}

/** A message to a person, as it went out. */
export interface Told {
  readonly id: string
  readonly text: string
}

/** Something was killed on purpose: from here on the fleet is somebody's to bring back. */
export class Died extends Error {}

/** What types the commands of a job: with the build that dies, then with the one that doesn't. */
export interface Hand {
  readonly repo: string
  /** Where scripted agents take down what they were acknowledged. */
  readonly ledger: string
  /** Git as the person uses it. */
  git(...args: string[]): string
  /** Types a command, until it was acknowledged once. */
  types(...args: string[]): Promise<Outcome | null>
  /** Types a command each time. */
  asks(...args: string[]): Promise<Outcome>
  /** Kills whatever runs `ov runner` here, once. */
  killsRunner(): void
  /** Waits for something of the database or of a file. */
  until(what: string, done: () => Promise<boolean> | boolean): Promise<void>
  /** Waits until every task of these agents has come to an end. */
  untilSettled(...names: string[]): Promise<void>
  /** The rows of the agents. */
  agents(): Promise<readonly Schema['agents'][]>
  taskStates(): Promise<ReadonlyMap<string, string>>
  hasEvent(type: string): Promise<boolean>
  /** Ids of the mails that ask a person what is to become of an agent. */
  questions(): Promise<readonly string[]>
}

/** One try of a job: what was reached, what was killed, what was acknowledged. */
export class Stage {
  readonly home: Home
  readonly ground: Ground
  readonly folder: string
  readonly ledger: string
  readonly #acknowledged: string
  #binary: string | undefined
  #kill: Kill | null = null
  #steps: string
  #db: Kysely<Schema> | null = null

  constructor(home: Home, ground: Ground) {
    this.home = home
    this.ground = ground
    this.folder = mkdtempSync(join(home.path, 'stage-'))
    this.ledger = join(this.folder, 'ledger')
    this.#acknowledged = join(this.folder, 'acknowledged')
    this.#steps = this.folder
  }

  /** From now on that build is used, and dies there. */
  use(binary: string | undefined, kill: Kill | null): void {
    this.#binary = binary
    this.#kill = kill
    this.#steps = mkdtempSync(join(this.folder, 'steps-'))
  }

  /** Names of the steps that were reached since, in their order. */
  reached(): string[] {
    const file = join(this.#steps, 'reached')
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  }

  get died(): boolean {
    return existsSync(join(this.#steps, 'killed'))
  }

  ov(...args: string[]): Promise<Outcome> {
    const env = { ...this.ground.env, ...environmentFor(this.#steps, this.#kill) }
    const binary = this.#binary === undefined ? {} : { binary: this.#binary }
    return this.home.ov(this.ground.repo, args, { env, timeoutMs: SETTLING_MS, ...binary })
  }

  /** Commands that were acknowledged to whoever typed them. */
  acknowledged(): string[] {
    return takenDown<{ command: string }>(this.#acknowledged).map(({ command }) => command)
  }

  get db(): Kysely<Schema> {
    this.#db ??= openDatabase(join(this.ground.repo, '.overstory', 'state.db'))
    return this.#db
  }

  async close(): Promise<void> {
    await this.#db?.destroy()
    this.#db = null
  }

  hand(gone: AbortSignal): Hand {
    const alive = () => {
      if (this.died) throw new Died()
      gone.throwIfAborted()
    }
    const agents = () => this.db.selectFrom('agents').selectAll().execute()
    const taskStates = async () => {
      const rows = await this.db
        .selectFrom('agents')
        .innerJoin('tasks', 'tasks.id', 'agents.task_id')
        .select(['agents.name', 'tasks.state'])
        .execute()
      return new Map(rows.map(({ name, state }) => [name, state]))
    }
    const until: Hand['until'] = async (what, done) => {
      const deadline = performance.now() + SETTLING_MS
      while (!(await done())) {
        alive()
        if (performance.now() > deadline) throw new Error(`not within ${SETTLING_MS / 1_000} s: ${what}`)
        await delay(30)
      }
      alive()
    }
    return {
      repo: this.ground.repo,
      ledger: this.ledger,
      killsRunner: () => {
        const marker = join(this.folder, 'runner-killed')
        if (existsSync(marker)) return
        writeFileSync(marker, '')
        const runners = this.home.processes().filter(({ argv }) => argv[2] === 'runner')
        for (const { pid } of runners) process.kill(pid, 'SIGKILL')
      },
      git: (...args) => git(this.home, this.ground.repo, ...args),
      agents,
      taskStates,
      until,
      hasEvent: async (type) =>
        (await this.db.selectFrom('events').select('id').where('type', '=', type).executeTakeFirst()) !== undefined,
      questions: async () => {
        const open = this.db.selectFrom('escalations').select('question').where('state', '=', 'open')
        return (await open.where('reader', '=', 'human').execute()).map(({ question }) => question)
      },
      types: async (...args) => {
        alive()
        const command = args.join(' ')
        if (this.acknowledged().includes(command)) return null
        const outcome = await this.ov(...args)
        // Before it is asked whether it died: what was said by then was said.
        const isThere = outcome.code === 4 || /There is or was an agent|There is already/.test(outcome.output)
        if (outcome.ok || isThere) takeAcknowledgement(this.#acknowledged, command)
        alive()
        if (!outcome.ok && !isThere) throw new Error(`ov ${command} ended with ${outcome.code}: ${outcome.output}`)
        return outcome
      },
      asks: async (...args) => {
        alive()
        const outcome = await this.ov(...args)
        alive()
        return outcome
      },
      untilSettled: (...names) =>
        until(`the tasks of ${names.join(', ')} have ended`, async () => {
          const states = await taskStates()
          return names.every((name) => ENDS.has(states.get(name) ?? ''))
        }),
    }
  }
}

/** States in which a task has come to an end. */
export const ENDS: ReadonlySet<string> = new Set(['merged', 'done', 'failed', 'stopped'])

function takeAcknowledgement(file: string, command: string): void {
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, `${JSON.stringify({ command })}\n`, { flag: 'a' })
}
