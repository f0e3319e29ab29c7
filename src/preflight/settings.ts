import { type Roles, readManifest } from '../capabilities/manifest.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { OvError } from '../errors.ts'
import { type HeldUp, heldUp } from '../limits/pass.ts'
import { findRoot, openProject } from '../project.ts'
import { loadedRuntimes } from '../runtimes/registry.ts'

/** What holds around a folder. */
export interface SettingsAround {
  readonly config: Config
  readonly roles: Roles
  /** Runtimes whose account is held up by its provider. */
  readonly parked: ReadonlyMap<string, HeldUp>
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
      const held = await Promise.all(
        (await loadedRuntimes()).map(async (runtime) => [runtime.id, await heldUp(project, runtime, null)] as const),
      )
      const parked = new Map(held.flatMap(([id, limit]) => (limit === null ? [] : [[id, limit]])))
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
