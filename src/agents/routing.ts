import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { CAPABILITIES, type Capability, type Mode } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { findProgram, programBehind } from '../os/files.ts'
import type { Project } from '../project.ts'
import type { Role, Roles } from './manifest.ts'
import { loadRuntime, runtimeIds } from './registry.ts'

export interface RuntimeChoice {
  readonly runtime: AgentRuntime
  /** In the runtime's own vocabulary; null is its default. */
  readonly model: string | null
  readonly mode: Mode
}

/** What is configured for an agent: the id of its runtime, and the model as it was written, if one was. */
export interface Route {
  readonly runtime: string
  readonly model: string | null
}

/**
 * Which runtime and model an agent gets.
 * - runtime: flag (`--command` implies `shell`) › `runtime.capabilities` › a `models` entry that names a runtime ›
 *   the role's in the agent manifest › `runtime.default`
 * - model: flag › `models` › the role's
 *
 * A model belongs to the runtime it was configured for: where another one is chosen by a flag, or by a stronger
 * source, it is left out and that runtime's default model holds.
 *
 * @param runtimes ids of all runtimes, to tell a runtime in `models` from a model
 */
export function routeFor(
  config: Pick<Config, 'models' | 'runtime'>,
  role: Pick<Role, 'runtime' | 'model'>,
  runtimes: readonly string[],
  request: { capability: Capability; runtime?: string; model?: string; command?: string },
): Route {
  const entry = config.models[request.capability]
  const namesRuntime = entry !== undefined && runtimes.includes(entry)
  const configured = config.runtime.capabilities[request.capability] ?? (namesRuntime ? entry : undefined)
  const usual = configured ?? role.runtime ?? config.runtime.default
  const runtime = request.runtime ?? (request.command === undefined ? usual : 'shell')
  const ofConfig = namesRuntime || runtime !== usual ? undefined : entry
  const ofRole = runtime === (role.runtime ?? config.runtime.default) && !namesRuntime ? role.model : undefined
  return { runtime, model: request.model ?? ofConfig ?? ofRole ?? null }
}

/** The capabilities that use each runtime, by its id, when nothing else is said. */
export function usersOf(config: Pick<Config, 'models' | 'runtime'>, roles: Roles): Map<string, Capability[]> {
  const known = runtimeIds()
  return Map.groupBy(CAPABILITIES, (capability) => routeFor(config, roles[capability], known, { capability }).runtime)
}

/** Whom a runtime is chosen for, and what was asked for. */
export interface RuntimeRequest {
  readonly capability: Capability
  readonly runtime?: string
  readonly model?: string
  readonly command?: string
  readonly interactive?: boolean
  /** An agent without an end. */
  readonly persistent?: boolean
}

/**
 * The runtime, model and mode of a new agent, loaded and checked.
 *
 * @throws {OvError} `runtime.unknown`, `runtime.not-installed`, `sling.no-command`, `sling.command-not-shell`,
 *   `sling.not-interactive`, `sling.no-tmux`
 */
export async function chooseRuntime(
  project: Pick<Project, 'config' | 'roles' | 'tmux'>,
  request: RuntimeRequest,
): Promise<RuntimeChoice> {
  const { config } = project
  const route = routeFor(config, project.roles[request.capability], runtimeIds(), request)
  const runtime = await loadRuntime(route.runtime)
  if (runtime.id === 'shell' && request.command === undefined) {
    throw new OvError('user', 'sling.no-command', 'The shell runtime needs a command.', {
      hint: 'ov sling --runtime shell --task "Format" --command \'npm run format\'',
    })
  }
  if (runtime.id !== 'shell' && request.command !== undefined) {
    throw new OvError(
      'user',
      'sling.command-not-shell',
      `--command goes with --runtime shell, not with ${runtime.id}.`,
      {
        hint: 'Leave one of the two out.',
      },
    )
  }
  programOf(config, runtime, `: ${otherRuntime(runtime.id, request)}`)
  const { model } = route
  return {
    runtime,
    model: model === null ? null : (runtime.models[model] ?? model),
    mode: modeFor(project, runtime, request.interactive),
  }
}

/** How a runtime other than this one is asked for. A command has no screen, and can be no agent without an end. */
function otherRuntime(
  id: string,
  { interactive, persistent }: Pick<RuntimeRequest, 'interactive' | 'persistent'>,
): string {
  if (interactive !== true && persistent !== true) return "--runtime shell --command '…'"
  return runtimeIds()
    .filter((other) => other !== id && other !== 'shell')
    .map((other) => `--runtime ${other}`)
    .join(' or ')
}

/**
 * How an agent of this runtime is driven: as asked, else as configured.
 * @throws {OvError} `sling.not-interactive`, `sling.no-tmux`
 */
function modeFor(
  { config, tmux }: Pick<Project, 'config' | 'tmux'>,
  runtime: AgentRuntime,
  asked: boolean | undefined,
): Mode {
  const interactive = asked ?? runtimeSection(config, runtime.id).mode === 'interactive'
  if (!interactive) return 'structured'
  const without =
    asked === true ? 'leave --interactive out.' : `add --no-interactive, or unset runtime.${runtime.id}.mode.`
  if (!runtime.can.interactive) {
    throw new OvError('user', 'sling.not-interactive', `${runtime.title} has no screen that ov can drive.`, {
      hint: `Choose another runtime, or ${without}`,
    })
  }
  if (tmux === null) {
    throw new OvError('user', 'sling.no-tmux', 'An interactive agent has its screen in tmux, which is not installed.', {
      hint: `Install tmux, or ${without}`,
    })
  }
  return 'interactive'
}

/**
 * Absolute path of a runtime's program, or null for one that needs none.
 * @param instead where else another runtime is chosen, as a hint says it
 * @throws {OvError} `runtime.not-installed`
 */
export function programOf(
  config: Config,
  runtime: AgentRuntime,
  instead = ' under "runtime" in overstory.yaml',
): string | null {
  const path = findRuntimeProgram(config, runtime)
  if (path !== null) return programBehind(path, runtime.behind?.[`${process.platform}-${process.arch}`] ?? [])
  if (runtime.binaries.length === 0) return null
  throw new OvError(
    'user',
    'runtime.not-installed',
    `${runtime.title} is not installed: no ${programNames(config, runtime).join(' or ')} on PATH.`,
    {
      hint: `${runtime.install}, or choose another${instead}`,
    },
  )
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
