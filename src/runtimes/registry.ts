import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { AgentRuntime } from '../contract/runtime.ts'
import type { Mode } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import { EXTENSION, RUNTIMES_FOLDER } from '../place.ts'
import { loadOwn, ownIds, wantedIds } from './own-runtimes.ts'

/** Names of all runtimes there is an adapter for: the folder is the registry, and what the project has of its own. */
export function runtimeIds(): string[] {
  return together(wantedIds())
}

/** The same with adapters of the project's own that nobody wants: each name that may have a section of its own. */
export function allRuntimeIds(): string[] {
  return together(ownIds())
}

/** Nothing of a project's own takes the place of what comes with `ov`. */
function together(own: readonly string[]): string[] {
  return [...new Set([...builtIn(), ...own])].sort()
}

function builtIn(): string[] {
  return readdirSync(RUNTIMES_FOLDER)
    .filter((file) => file.endsWith(EXTENSION) && !file.endsWith('.d.ts'))
    .map((file) => file.slice(0, -EXTENSION.length))
}

/**
 * Loads the adapter of a runtime.
 * @throws {OvError} `runtime.unknown`, and for one of the project's own what `loadOwn` throws
 */
export async function loadRuntime(id: string): Promise<AgentRuntime> {
  const file = join(RUNTIMES_FOLDER, `${id}${EXTENSION}`)
  if (!/^[a-z][a-z0-9-]*$/.test(id) || !existsSync(file)) {
    if (ownIds().includes(id)) return loadOwn(id)
    const near = nearest(id, runtimeIds())
    throw new OvError('user', 'runtime.unknown', `There is no runtime "${id}".`, {
      hint:
        near === null
          ? `Known runtimes: ${runtimeIds().join(', ')}`
          : `Did you mean ${near}? All of them: ov runtime list`,
    })
  }
  // Node's first `import()` takes milliseconds, which `require` does not. Sources can only be imported.
  const module: AgentRuntime | { default: AgentRuntime } =
    EXTENSION === '.js' ? createRequire(import.meta.filename)(file) : await import(pathToFileURL(file).href)
  return 'default' in module ? module.default : module
}

/** The same for what must go on without it; null where it can't be loaded: one of a project's own that went or changed. */
export async function loadedRuntime(id: string): Promise<AgentRuntime | null> {
  try {
    return await loadRuntime(id)
  } catch (error) {
    if (error instanceof OvError) return null
    throw error
  }
}

/** All that can be loaded. */
export async function loadedRuntimes(): Promise<AgentRuntime[]> {
  return (await Promise.all(runtimeIds().map(loadedRuntime))).filter((runtime) => runtime !== null)
}

/**
 * Loads the adapter of an agent's runtime, as it drives its CLI in that agent's mode.
 * @throws {OvError} `runtime.unknown`
 */
export async function loadRuntimeOf(agent: { readonly runtime: string; readonly mode: Mode }): Promise<AgentRuntime> {
  const runtime = await loadRuntime(agent.runtime)
  return agent.mode === 'acp' ? { ...runtime, ...runtime.acp } : runtime
}
