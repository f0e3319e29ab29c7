import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Capability } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { CAPABILITIES_FOLDER } from '../place.ts'
import type { Project } from '../project.ts'

/**
 * The instructions of a capability: the file the manifest names, else the built-in one.
 * @throws {OvError} `manifest.no-instructions` when the file is not there
 */
export function instructionsFile(project: Pick<Project, 'roles'>, capability: Capability): string {
  const file = project.roles[capability].instructions ?? join(CAPABILITIES_FOLDER, `${capability}.md`)
  if (existsSync(file)) return file
  throw new OvError('user', 'manifest.no-instructions', `The instructions of ${capability} are not at ${file}.`, {
    hint: `Write them there, or take "instructions" of ${capability} out of the agent manifest.`,
  })
}
