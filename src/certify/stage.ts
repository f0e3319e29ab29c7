import type { AgentRuntime, FailureCause } from '../contract/runtime.ts'
import type { TaskState } from '../contract/states.ts'
import type { HomeFile, Setting, Trial } from '../contract/trial.ts'
import type { Ground } from './ground.ts'
import type { Ask, Held, Step } from './llm/script.ts'
import type { Llm } from './llm/server.ts'

/** A runtime that says how its CLI is put before a scripted model. */
export type TriedRuntime = AgentRuntime & { readonly trial: Trial }

/** An agent CLI that is put to the proof. */
export interface Candidate {
  readonly runtime: TriedRuntime
  /** Absolute path of its program. */
  readonly program: string
  /** As it says itself. */
  readonly version: string
  /** The text of its adapter, where that is one of the person's own. */
  readonly own: string | null
  /** The `main.js` of the `ov` that drives it. */
  readonly ov: string
}

/** Its adapter, where that is one of the person's own. */
export function ownOf({ runtime, own }: Candidate): { readonly id: string; readonly text: string } | null {
  return own === null ? null : { id: runtime.id, text: own }
}

export interface StageOptions {
  /** How the CLI is let in. Default: by a key. */
  readonly as?: 'key' | 'subscription'
  /** Sections of `overstory.yaml`. */
  readonly config?: Readonly<Record<string, unknown>>
}

/** A ground with an agent CLI and a scripted model behind it, all of one proof's own. */
export interface Stage extends Ground {
  readonly candidate: Candidate
  readonly llm: Llm
  /** What the CLI was let in by: a secret that is found nowhere else. */
  readonly key: string
  readonly setting: Setting
  /** Puts files into the home folder. */
  atHome(files: readonly HomeFile[]): void
  /** Slings an agent whose model plays these steps. */
  sling(steps: readonly Step[], request?: Request): Job
  /** Pids of the CLI itself, not of what it starts, though that may be the same program. */
  running(): number[]
  /** Looks again and again until there is something. @throws {Unproved} when there is nothing in time */
  until<T>(what: string, look: () => T | null | Promise<T | null>, ms?: number): Promise<T>
  close(): Promise<void>
}

/** What an agent is slung for. */
export interface Request {
  readonly task?: string
  readonly capability?: string
  readonly interactive?: boolean
  /** Added to the environment of the person who slings. */
  readonly env?: Readonly<Record<string, string>>
}

/** An agent on its way. */
export interface Job {
  readonly agent: string
  /** The requests to its model, in order. */
  asked(): Ask[]
  /** All that its model saw last: instructions, prompts, outputs of tools. */
  seen(): string
  /** Resolves when the model has been asked for this step. @throws {Unproved} when the agent ends before */
  reaches(step: Held): Promise<void>
  /** Looks again and again, as `Stage.until`, while the agent lives. @throws {Unproved} also when it has ended before */
  during<T>(what: string, look: () => T | null | Promise<T | null>): Promise<T>
  /** What became of its task. */
  readonly ended: Promise<Ending>
  /** The first failure of its CLI that `ov` recorded. */
  failure(): Promise<Failure>
  /** Its row in `ov inspect`. */
  facts(): Promise<Facts>
  /** What `ov` recorded of it. */
  events(): Promise<readonly Event[]>
  /** The folder of its hooks and its own `ov`. */
  privateFolder(): Promise<string>
}

export interface Failure {
  readonly cause: FailureCause
  readonly message: string
  /** Since the agent was slung, in ms. */
  readonly afterMs: number
}

/** What became of a task. */
export interface Ending {
  readonly state: TaskState
  readonly attempts: number
  readonly mergedAs: string | null
  readonly reason: string | null
}

/** An agent as `ov inspect` shows it. */
export interface Facts {
  readonly id: string
  readonly state: string
  readonly waitingOn: string | null
  /** In ms since the epoch. */
  readonly waitingUntil: number | null
  /** Null counts: its runtime does not say. */
  readonly usage: { readonly input: number | null; readonly output: number | null; readonly costUsd: number | null }
}

/** What `ov` recorded. */
export interface Event {
  readonly at: number
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}
