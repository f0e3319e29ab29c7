import { type Roles, readManifest } from '../agents/manifest.ts'
import { runtimeIds } from '../agents/registry.ts'
import { parkedUntil } from '../agents/store.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { OvError } from '../errors.ts'
import { findRoot, openProject } from '../project.ts'

/** What holds around a folder. */
export interface SettingsAround {
  readonly config: Config
  readonly roles: Roles
  /** Runtimes that their provider holds up, with the time until when, ms since the epoch. */
  readonly parked: ReadonlyMap<string, number>
}

/**
 * What holds around a folder: by its project; where that was not set up, by its files; outside a repository, by the
 * person's own settings.
 *
 * @throws {OvError} `config.invalid`, and what opening a project throws
 */
export async function settingsAround(cwd: string): Promise<SettingsAround> {
  try {
    const project = await openProject(cwd, { toRead: true })
    try {
      const now = project.clock.now()
      const held = await Promise.all(
        runtimeIds().map(async (id) => [id, await parkedUntil(project.db, id, now)] as const),
      )
      const parked = new Map(held.filter((entry): entry is [string, number] => entry[1] !== null))
      return { config: project.config, roles: project.roles, parked }
    } finally {
      await project.close()
    }
  } catch (error) {
    if (!(error instanceof OvError) || !['project.no-git', 'project.not-initialised'].includes(error.code)) throw error
    const folder = error.code === 'project.no-git' ? cwd : (await findRoot(cwd)).root
    const { config } = await loadConfig(folder)
    return { config, roles: (await readManifest(folder, config.agents.manifest)).roles, parked: new Map() }
  }
}
