import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { nearest } from '../nearest.ts'

/** The folder is the registry: one file, one runtime. */
const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'runtimes')
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js'

/** Names of all runtimes there is an adapter for. */
export function runtimeIds(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith(EXTENSION) && !file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -EXTENSION.length))
    .sort()
}

/**
 * Loads the adapter of a runtime.
 * @throws {OvError} `runtime.unknown`
 */
export async function loadRuntime(id: string): Promise<AgentRuntime> {
  const file = join(FOLDER, `${id}${EXTENSION}`)
  if (!/^[a-z][a-z0-9-]*$/.test(id) || !existsSync(file)) {
    const near = nearest(id, runtimeIds())
    throw new OvError('user', 'runtime.unknown', `There is no runtime "${id}".`, {
      hint:
        near === null
          ? `Known runtimes: ${runtimeIds().join(', ')}`
          : `Did you mean ${near}? All: ${runtimeIds().join(', ')}`,
    })
  }
  const module: { default: AgentRuntime } = await import(pathToFileURL(file).href)
  return module.default
}
