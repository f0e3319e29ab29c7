import { runtimeSection } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import type { Capability } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { findProgram } from '../os/files.ts'
import type { Project } from '../project.ts'
import { loadRuntime, runtimeIds } from './registry.ts'

export interface RuntimeChoice {
  readonly runtime: AgentRuntime
  readonly model: string | null
}

/**
 * Which runtime and model an agent gets: flag, then the manifest's role, then `runtime.capabilities`, then a
 * `models` entry that names a runtime, then `runtime.default`. A `models` entry that names a runtime means that
 * runtime with its own default model.
 *
 * @throws {OvError} `runtime.unknown`, `runtime.not-installed`, `sling.no-command`
 */
export async function chooseRuntime(
  project: Pick<Project, 'config' | 'roles'>,
  request: { capability: Capability; runtime?: string; model?: string; command?: string },
): Promise<RuntimeChoice> {
  const { config } = project
  const role = project.roles[request.capability]
  const configured = config.models[request.capability]
  const namesRuntime = configured !== undefined && runtimeIds().includes(configured)
  const id =
    request.runtime ??
    (request.command === undefined ? undefined : 'shell') ??
    role.runtime ??
    config.runtime.capabilities[request.capability] ??
    (namesRuntime ? configured : undefined) ??
    config.runtime.default
  const runtime = await loadRuntime(id)
  if (id === 'shell' && request.command === undefined) {
    throw new OvError('user', 'sling.no-command', 'The shell runtime needs a command.', {
      hint: 'ov sling --runtime shell --task "Format" --command \'npm run format\'',
    })
  }
  if (id !== 'shell' && request.command !== undefined) {
    throw new OvError('user', 'sling.command-not-shell', `--command goes with --runtime shell, not with ${id}.`, {
      hint: 'Leave one of the two out.',
    })
  }
  programOf(config, runtime)
  const model = request.model ?? (namesRuntime ? undefined : configured) ?? role.model ?? null
  return { runtime, model: model === null ? null : (runtime.models[model] ?? model) }
}

/**
 * Absolute path of a runtime's program, or null for one that needs none.
 * @throws {OvError} `runtime.not-installed`
 */
export function programOf(config: Project['config'], runtime: AgentRuntime): string | null {
  if (runtime.binaries.length === 0) return null
  const section = runtimeSection(config, runtime.id)
  for (const name of section.binary === undefined ? runtime.binaries : [section.binary]) {
    const path = findProgram(name)
    if (path !== null) return path
  }
  throw new OvError(
    'user',
    'runtime.not-installed',
    `${runtime.title} is not installed: no ${section.binary ?? runtime.binaries.join(' or ')} on PATH.`,
    {
      hint: `${runtime.install}, or choose another: --runtime shell --command '…'`,
    },
  )
}
