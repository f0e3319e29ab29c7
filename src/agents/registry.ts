import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { EXTENSION, RUNTIMES_FOLDER } from '../place.ts'

/** Names of all runtimes there is an adapter for: the folder is the registry. */
export function runtimeIds(): string[] {
  return readdirSync(RUNTIMES_FOLDER)
    .filter((file) => file.endsWith(EXTENSION) && !file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -EXTENSION.length))
    .sort()
}

/**
 * Loads the adapter of a runtime.
 * @throws {OvError} `runtime.unknown`
 */
export async function loadRuntime(id: string): Promise<AgentRuntime> {
  const file = join(RUNTIMES_FOLDER, `${id}${EXTENSION}`)
  if (!/^[a-z][a-z0-9-]*$/.test(id) || !existsSync(file)) {
    const near = nearest(id, runtimeIds())
    throw new OvError('user', 'runtime.unknown', `There is no runtime "${id}".`, {
      hint:
        near === null
          ? `Known runtimes: ${runtimeIds().join(', ')}`
          : `Did you mean ${near}? All: ${runtimeIds().join(', ')}`,
    })
  }
  // Node's first `import()` takes milliseconds, which `require` does not. Sources can only be imported.
  const module: AgentRuntime | { default: AgentRuntime } =
    EXTENSION === '.js' ? createRequire(import.meta.filename)(file) : await import(pathToFileURL(file).href)
  return 'default' in module ? module.default : module
}
