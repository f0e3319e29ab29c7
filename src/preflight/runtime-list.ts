import { readManifest } from '../agents/manifest.ts'
import { loadRuntime, runtimeIds } from '../agents/registry.ts'
import { usersOf } from '../agents/routing.ts'
import { loadConfig } from '../config/load.ts'
import type { Capability } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { locateProject } from '../project.ts'
import { type RuntimeFacts, surveyRuntimes } from './runtimes.ts'

/** A runtime as `ov runtime list --json` shows it. */
export interface RuntimeReport extends RuntimeFacts {
  /** The capabilities that use it when nothing else is said. */
  readonly usedBy: readonly Capability[]
}

/** Who is asked for a list can wait for a CLI that starts slowly. */
const PATIENCE_MS = 5_000

/**
 * Every runtime there is an adapter for: what this machine has of it, and who uses it by the configuration around `cwd`.
 * Outside a repository the person's own settings hold.
 *
 * @param only the id of the one that is wanted; absent, all
 * @throws {OvError} `config.invalid`, `runtime.unknown`
 */
export async function listRuntimes(cwd: string, only?: string): Promise<RuntimeReport[]> {
  if (only !== undefined) await loadRuntime(only)
  const { config, root } = await settingsAround(cwd)
  const { roles } = await readManifest(root, config.agents.manifest)
  const users = usersOf(config, roles)
  const facts = await surveyRuntimes(config, PATIENCE_MS, only === undefined ? runtimeIds() : [only])
  return facts.map((runtime) => ({ ...runtime, usedBy: users.get(runtime.id) ?? [] }))
}

async function settingsAround(cwd: string) {
  try {
    const { loaded, configRoot } = await locateProject(cwd)
    return { config: loaded.config, root: configRoot }
  } catch (error) {
    if (!(error instanceof OvError) || error.code !== 'project.no-git') throw error
    return { config: (await loadConfig(cwd)).config, root: cwd }
  }
}
