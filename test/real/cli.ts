import { randomBytes } from 'node:crypto'
import claude from '../../runtimes/claude.ts'
import codex from '../../runtimes/codex.ts'
import opencode from '../../runtimes/opencode.ts'
import type { AgentRuntime } from '../../src/contract/runtime.ts'
import type { Trial } from '../../src/contract/trial.ts'
import { loadRuntime, runtimeIds } from '../../src/runtimes/registry.ts'

/** A real agent CLI that npm gives, and the secret by which it is let in. */
export interface Cli {
  readonly runtime: AgentRuntime
  readonly title: string
  readonly trial: Trial
  readonly npm: NonNullable<Trial['npm']>
  /** Found nowhere else, so that it can be searched for. */
  readonly key: string
}

/** What the adapter says of its CLI. */
export function cliOf(runtime: AgentRuntime & { readonly trial: Trial }): Cli {
  const { trial, title } = runtime
  if (trial.npm === null) throw new Error(`npm has no ${title}`)
  return { runtime, title, trial, npm: trial.npm, key: trial.key(randomBytes(24).toString('base64url')) }
}

/** All that npm gives. */
export async function allClis(): Promise<Cli[]> {
  const runtimes = await Promise.all(runtimeIds().map(loadRuntime))
  return runtimes.flatMap((runtime) => {
    const { trial } = runtime
    return trial === undefined || trial.npm === null ? [] : [cliOf({ ...runtime, trial })]
  })
}

export const CLAUDE = cliOf(claude)
export const CODEX = cliOf(codex)
export const OPENCODE = cliOf(opencode)
