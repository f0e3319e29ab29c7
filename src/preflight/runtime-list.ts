import { type Roles, readManifest } from '../agents/manifest.ts'
import { loadRuntime, runtimeIds } from '../agents/registry.ts'
import { usersOf } from '../agents/routing.ts'
import { parkedUntil } from '../agents/store.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import type { Capability } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { findRoot, openProject } from '../project.ts'
import { type Refused, refusedRuntimes } from './own.ts'
import { type RuntimeFacts, surveyRuntimes } from './runtimes.ts'

/** A runtime as `ov runtime list --json` shows it. */
export interface RuntimeReport extends RuntimeFacts {
  /** The capabilities that use it when nothing else is said. */
  readonly usedBy: readonly Capability[]
  /** Its place in `runtime.fallback`, from 1; null when it is not in it. */
  readonly fallback: number | null
  /** Until when its provider holds up one of its agents, ms since the epoch; null as a rule. */
  readonly parkedUntil: number | null
}

/** The document of `ov runtime list --json`. */
export interface RuntimeList {
  readonly runtimes: readonly RuntimeReport[]
  /** Adapters of the project's own that are not run. */
  readonly refused: readonly Refused[]
}

/** Who is asked for a list can wait for a CLI that starts slowly. */
const PATIENCE_MS = 5_000

/**
 * Every runtime there is an adapter for: what this machine has of it, and who uses it by the configuration around `cwd`.
 * Outside a repository the person's own settings hold.
 *
 * @param only the id of the one that is wanted; absent, all
 * @throws {OvError} `config.invalid`, and what `loadRuntime` throws
 */
export async function listRuntimes(cwd: string, only?: string): Promise<RuntimeList> {
  const { config, roles, parked } = await settingsAround(cwd)
  const chosen = only === undefined ? undefined : [await loadRuntime(only)]
  const users = usersOf(config, roles)
  const facts = await surveyRuntimes(config, PATIENCE_MS, chosen)
  const runtimes = facts.map((runtime) => ({
    ...runtime,
    usedBy: users.get(runtime.id) ?? [],
    fallback: config.runtime.fallback.indexOf(runtime.id) + 1 || null,
    parkedUntil: parked.get(runtime.id) ?? null,
  }))
  return { runtimes, refused: only === undefined ? await refusedRuntimes() : [] }
}

/** What holds around a folder; a project that was not set up yet has nobody at work. */
export async function settingsAround(
  cwd: string,
): Promise<{ config: Config; roles: Roles; parked: ReadonlyMap<string, number> }> {
  try {
    const project = await openProject(cwd, { toRead: true })
    try {
      const now = project.clock.now()
      const parked = await Promise.all(
        runtimeIds().map(async (id) => [id, await parkedUntil(project.db, id, now)] as const),
      )
      const until = parked.filter((entry): entry is [string, number] => entry[1] !== null)
      return { config: project.config, roles: project.roles, parked: new Map(until) }
    } finally {
      await project.close()
    }
  } catch (error) {
    if (!(error instanceof OvError) || !['project.no-git', 'project.not-initialised'].includes(error.code)) throw error
    const { config } = await loadConfig(error.code === 'project.no-git' ? cwd : (await findRoot(cwd)).root)
    return { config, roles: (await readManifest(cwd, config.agents.manifest)).roles, parked: new Map() }
  }
}
