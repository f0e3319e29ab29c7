import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { type Roles, readManifest } from '../capabilities/manifest.ts'
import { configSchema } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { type DatabaseHealth, inspectDatabase } from '../db/repair.ts'
import { codeOf } from '../errors.ts'
import { type Git, gitAt } from '../os/git.ts'
import { findRoot, locateProject } from '../project.ts'
import { stateDirOf } from '../state-dir.ts'

/** Where the project is and in what state its database is. */
export interface Place {
  readonly root: string
  readonly bare: boolean
  readonly git: Git
  readonly stateDir: string
  readonly initialised: boolean
  readonly databasePath: string
  readonly database: DatabaseHealth
}

/** What doctor looks at, as far as it could be found: each part may be missing or broken without the others. */
export interface Subject {
  readonly cwd: string
  /** Null outside a repository; `placeError` says why. */
  readonly place: Place | null
  readonly placeError: unknown
  /** The defaults where it is not valid. */
  readonly config: Config
  readonly roles: Roles
  readonly configValid: boolean
}

/** Finds project, configuration and state around a folder. Never throws for what is wrong with them; changes nothing. */
export async function examine(cwd: string): Promise<Subject> {
  const defaults = configSchema().parse({})
  const asked = await settle(locateProject(cwd))
  const found = asked.value ?? (await settle(findRoot(cwd))).value
  const config = asked.value?.loaded.config ?? defaults
  // A path of nothing: without a configuration the built-in roles hold.
  const { roles } = await readManifest(asked.value?.configRoot ?? '/dev/null', config.agents.manifest)
  return {
    cwd,
    place: found === null ? null : placeAt(found.root, found.bare),
    placeError: found === null ? asked.error : null,
    config,
    roles,
    configValid: asked.value !== null,
  }
}

function placeAt(root: string, bare: boolean): Place {
  const stateDir = stateDirOf(root)
  const databasePath = join(stateDir, 'state.db')
  const initialised = exists(stateDir)
  const database: DatabaseHealth = initialised ? inspectDatabase(databasePath) : { is: 'missing' }
  return { root, bare, git: gitAt(root), stateDir, initialised, databasePath, database }
}

async function settle<T>(work: Promise<T>): Promise<{ value: T | null; error: unknown }> {
  try {
    return { value: await work, error: null }
  } catch (error) {
    return { value: null, error }
  }
}

function exists(path: string): boolean {
  try {
    lstatSync(path)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'EACCES') return false
    throw error
  }
}
