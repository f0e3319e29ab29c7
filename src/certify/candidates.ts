import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { OV_MAIN } from '../place.ts'
import { askVersion } from '../preflight/version.ts'
import { ownFile, ownIds } from '../runtimes/own-runtimes.ts'
import { findRuntimeProgram } from '../runtimes/programs.ts'
import { loadRuntime, runtimeIds } from '../runtimes/registry.ts'
import type { Candidate } from './stage.ts'

/** A CLI that starts slowly is waited for so long until it says its version, in ms. */
const PATIENCE_MS = 20_000

/** Agent CLIs that can be put to the proof here, and why others can't, a line each. */
export interface Found {
  readonly candidates: readonly Candidate[]
  readonly passedOver: readonly { readonly runtime: string; readonly why: string }[]
}

/**
 * Finds the agent CLIs that are to be certified.
 *
 * @param names of runtimes; none: all that are installed
 * @throws {OvError} `runtime.unknown`, `runtime.not-installed`, `certify.no-trial` for one that is named
 */
export async function findCandidates(config: Config, names: readonly string[]): Promise<Found> {
  const candidates: Candidate[] = []
  const passedOver: { runtime: string; why: string }[] = []
  for (const name of names.length > 0 ? new Set(names) : runtimeIds()) {
    try {
      const runtime = await loadRuntime(name)
      // A command is no CLI of anybody's.
      if (names.length === 0 && runtime.binaries.length === 0) continue
      candidates.push(await candidateOf(config, runtime))
    } catch (error) {
      if (names.length > 0 || !(error instanceof OvError)) throw error
      passedOver.push({ runtime: name, why: error.message })
    }
  }
  return { candidates, passedOver }
}

async function candidateOf(config: Config, runtime: AgentRuntime): Promise<Candidate> {
  const { trial, title } = runtime
  if (trial === undefined) {
    throw new OvError('user', 'certify.no-trial', `${title} has no trial, so nothing can be proved of it.`, {
      hint: 'An adapter says in `trial` how its CLI is put before a scripted model: docs/runtimes.md',
    })
  }
  const program = findRuntimeProgram(config, runtime)
  if (program === null) {
    throw new OvError('user', 'runtime.not-installed', `${title} is not installed.`, { hint: runtime.install })
  }
  const { version, said } = await askVersion(program, runtime, PATIENCE_MS)
  if (version === null) {
    throw new OvError('failed', 'certify.no-version', `${program} says no version of ${title}: ${said ?? 'nothing'}.`, {
      hint: `If that is another program of the same name, name the right one in runtime.${runtime.id}.binary.`,
    })
  }
  const own = ownIds().includes(runtime.id) ? ownFile(runtime.id).text : null
  return { runtime: { ...runtime, trial }, program, version, own, ov: OV_MAIN }
}
