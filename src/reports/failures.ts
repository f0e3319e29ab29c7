import type { FailureCause } from '../contract/runtime.ts'
import type { Db } from '../db/open.ts'
import { eventsOfKinds } from '../events/store.ts'

/** What is known of a turn that failed. */
export interface Failure {
  readonly at: number
  readonly cause: FailureCause
  readonly message: string
  /** Which of the agent's turns it was, from 1. */
  readonly turn: number | null
  readonly runtime: string | null
  readonly model: string | null
  /** Of the runtime, as it told it itself. */
  readonly version: string | null
  /** How its process ended; both null while it runs. */
  readonly exitCode: number | null
  readonly signal: string | null
  /** The last that it said on stderr, without secrets; empty for nothing. */
  readonly stderr: string
  /** The first digits of a SHA-256 of the prompt that the turn began with. */
  readonly prompt: string | null
}

/** The newest failures of an agent's turns, oldest first. */
export async function failuresOf(db: Db, agentId: string, limit: number): Promise<Failure[]> {
  const events = await eventsOfKinds(db, agentId, ['runtime.failed'], limit)
  return events.map(({ at, data_json }) => {
    const data: Partial<Failure> = JSON.parse(data_json)
    return {
      at,
      cause: data.cause ?? 'unknown',
      message: data.message ?? '',
      turn: data.turn ?? null,
      runtime: data.runtime ?? null,
      model: data.model ?? null,
      version: data.version ?? null,
      exitCode: data.exitCode ?? null,
      signal: data.signal ?? null,
      stderr: data.stderr ?? '',
      prompt: data.prompt ?? null,
    }
  })
}

/** How a turn failed, in a few words: `crash, exit code 1`. */
export function howFailed({ cause, exitCode, signal }: Partial<Failure>): string {
  const ended = signal != null ? `, ${signal}` : exitCode != null ? `, exit code ${exitCode}` : ''
  return `${cause}${ended}`
}
