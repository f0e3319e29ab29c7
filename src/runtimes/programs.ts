import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { findProgram, programBehind } from '../os/files.ts'

/** Whether a runtime's program is there, or it needs none. */
export function isInstalled(config: Config, runtime: AgentRuntime): boolean {
  return runtime.binaries.length === 0 || findRuntimeProgram(config, runtime) !== null
}

/**
 * Absolute path of a runtime's program, or null for one that needs none.
 * @throws {OvError} `runtime.not-installed`
 */
export function programOf(config: Config, runtime: AgentRuntime): string | null {
  const path = findRuntimeProgram(config, runtime)
  if (path !== null) return programBehind(path, runtime.behind?.[`${process.platform}-${process.arch}`] ?? [])
  if (runtime.binaries.length === 0) return null
  throw notInstalled(config, runtime, ' under "runtime" in overstory.yaml')
}

/** @param instead how another runtime is chosen */
export function notInstalled(config: Config, runtime: AgentRuntime, instead: string): OvError {
  const names = programNames(config, runtime).join(' or ')
  return new OvError('user', 'runtime.not-installed', `${runtime.title} is not installed: no ${names} on PATH.`, {
    hint: `${runtime.install}, or choose another${instead}`,
  })
}

/** Absolute path of a runtime's program, or null when there is none. */
export function findRuntimeProgram(config: Config, runtime: AgentRuntime): string | null {
  for (const name of programNames(config, runtime)) {
    const path = findProgram(name)
    if (path !== null) return path
  }
  return null
}

/** What is looked for on PATH: the configured program instead of the usual ones. */
export function programNames(config: Config, runtime: AgentRuntime): readonly string[] {
  const { binary } = runtimeSection(config, runtime.id)
  return binary === undefined || runtime.binaries.length === 0 ? runtime.binaries : [binary]
}
