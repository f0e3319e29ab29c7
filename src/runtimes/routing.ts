import type { Role, Roles } from '../capabilities/manifest.ts'
import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { CAPABILITIES, type Capability, type Mode, type Protection } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { accountHere } from '../limits/account.ts'
import { heldUp } from '../limits/pass.ts'
import { oneLine } from '../mail/frame.ts'
import type { Project } from '../project.ts'
import { agentEnvironmentOf, gatewayTrouble } from './environment.ts'
import { type Candidate, firstAble, type Obstacle, type PassedOver } from './fallback.ts'
import { isLoggedOut } from './login.ts'
import { ownerOfModel } from './models.ts'
import { isInstalled, notInstalled } from './programs.ts'
import { loadedRuntimes, loadRuntime, runtimeIds } from './registry.ts'

export interface RuntimeChoice {
  readonly runtime: AgentRuntime
  /** In the runtime's own vocabulary; null is its default. */
  readonly model: string | null
  readonly mode: Mode
  readonly protection: Protection
  /** By which it works that is started with this process's environment (`accountName`); null for a command. */
  readonly account: string | null
  /** Runtimes that would have been taken before, had nothing stood in their way; empty as a rule. */
  readonly passedOver: readonly PassedOver[]
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
 * - model: flag › `models`, for this very runtime or for whichever › the role's
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
  const namesRuntime = typeof entry === 'string' && runtimes.includes(entry)
  const configured = config.runtime.capabilities[request.capability] ?? (namesRuntime ? entry : undefined)
  const usual = configured ?? role.runtime ?? config.runtime.default
  const runtime = request.runtime ?? (request.command === undefined ? usual : 'shell')
  const any = namesRuntime || runtime !== usual || typeof entry === 'object' ? undefined : entry
  const ofConfig = typeof entry === 'object' ? entry[runtime] : any
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

/** What a choice depends on. */
type Chooser = Pick<Project, 'config' | 'roles' | 'tmux' | 'db' | 'clock'>

/**
 * The runtime, model and mode of a new agent, loaded and checked. One that was not asked for by name may be replaced by
 * the next of `runtime.fallback`.
 *
 * @throws {OvError} `runtime.unknown`, `runtime.not-installed`, `runtime.gateway`, `model.foreign`, `sling.no-command`,
 *   `sling.command-not-shell`, `sling.no-commands`, `sling.not-interactive`, `sling.no-tmux`, `runtime.login-refused`
 */
export async function chooseRuntime(project: Chooser, request: RuntimeRequest): Promise<RuntimeChoice> {
  const { config } = project
  const role = project.roles[request.capability]
  const wanted = routeFor(config, role, runtimeIds(), request)
  const { taken, passedOver } = await firstOf(project, wanted.runtime, request)
  const instead = passedOver.length > 0
  // What was said of a model was said of the runtime that was passed over.
  const { capability } = request
  const route = instead ? routeFor(config, role, runtimeIds(), { capability, runtime: taken }) : wanted
  const runtime = await loadRuntime(taken)
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
  if (leadsOthers(project, request) && runtime.can.prompts && runtime.can.reports !== 'mail') {
    throw new OvError(
      'user',
      'sling.no-commands',
      `${runtime.title} runs no commands by itself, so it can't speak to ov, as a ${capability} has to.`,
      { hint: 'Choose another one: --runtime claude' },
    )
  }
  if (!isInstalled(config, runtime))
    throw notInstalled(config, runtime, `: ${await otherRuntime(config, runtime.id, request)}`)
  const trouble = gatewayTrouble(config, runtime)
  if (trouble !== null) {
    throw new OvError('user', 'runtime.gateway', trouble, {
      hint: `Set it, or leave it out: ov config explain runtime.${runtime.id}`,
    })
  }
  const model = route.model === null ? null : await modelOf(config, runtime, route.model, capability)
  const held = await heldUp(project, runtime, model)
  if (held !== null && held.until === null) {
    throw new OvError(
      'user',
      'runtime.login-refused',
      `The login of ${runtime.title} was refused: ${oneLine(held.said, 200)}`,
      {
        hint: `Log in (${runtime.login.hint}) or set another key. To try this one again: ov limits clear ${runtime.id}`,
      },
    )
  }
  return {
    runtime,
    model,
    mode: modeFor(project, runtime, request.interactive),
    protection: protectionBy(runtime),
    account: accountHere(config, runtime, model),
    passedOver,
  }
}

/** Its work is to sling, ask and answer, by the commands of `ov`. */
function leadsOthers({ roles }: Pick<Project, 'roles'>, { capability, persistent }: RuntimeRequest): boolean {
  return persistent === true || roles[capability].maySpawn
}

/** What keeps an agent of a runtime inside its worktree. */
function protectionBy({ can }: AgentRuntime): Protection {
  if (can.confines) return 'confined'
  return can.block ? 'guarded' : 'unguarded'
}

/** The runtime that is taken: the one that is wanted, or else the first of the chain that nothing stands in the way of. */
async function firstOf(
  project: Chooser,
  wanted: string,
  request: RuntimeRequest,
): Promise<{ readonly taken: string; readonly passedOver: readonly PassedOver[] }> {
  const { fallback } = project.config.runtime
  if (request.runtime !== undefined || request.command !== undefined || fallback.length === 0)
    return { taken: wanted, passedOver: [] }
  const further = fallback.filter((id) => id !== wanted)
  const [first, ...rest] = await Promise.all([wanted, ...further].map((id) => candidate(project, id, request)))
  return first === undefined ? { taken: wanted, passedOver: [] } : firstAble([first, ...rest])
}

/** A runtime, and what stands in the way of its taking this now. */
export async function candidate(project: Chooser, id: string, request: RuntimeRequest): Promise<Candidate> {
  const { config } = project
  const runtime = await loadRuntime(id)
  const interactive = request.interactive === true && !runtime.can.interactive
  const held = await heldUp(project, runtime, null)
  const obstacle = (): Obstacle | null => {
    if (!runtime.can.prompts) return { is: 'no-prompts' }
    if (leadsOthers(project, request) && runtime.can.reports !== 'mail') return { is: 'no-commands' }
    if (interactive) return { is: 'no-screen' }
    if (!isInstalled(config, runtime)) return { is: 'not-installed' }
    if (isLoggedOut(config, runtime)) return { is: 'no-login' }
    if (held === null) return null
    return held.until === null ? { is: 'refused-login' } : { is: 'parked', until: held.until }
  }
  return { runtime: id, obstacle: obstacle() }
}

/**
 * A model in the runtime's own vocabulary. Who goes by another address than the vendor's may have any model there.
 * @throws {OvError} `model.foreign`
 */
export async function modelOf(
  config: Config,
  runtime: AgentRuntime,
  name: string,
  capability: Capability = 'builder',
): Promise<string> {
  const own = runtime.models[name]
  if (own !== undefined) return own
  const { gateway } = runtime
  if (!runtime.can.prompts || (gateway !== undefined && gateway.baseUrl in agentEnvironmentOf(config, runtime)))
    return name
  if (runtime.ownModels?.test(name)) return name
  const others = await loadedRuntimes()
  const owner = ownerOfModel(name, runtime, others)
  if (owner === null) return name
  const known = Object.keys(runtime.models)
  throw new OvError(
    'user',
    'model.foreign',
    `"${oneLine(name, 60)}" is a model of ${owner.title}, not of ${runtime.title}.`,
    {
      hint: `Choose one of ${runtime.title}${known.length === 0 ? '' : ` (${known.join(', ')}, or a full name)`}, give each runtime its own (models: { ${capability}: { ${owner.id}: ${oneLine(name, 60)}, ${runtime.id}: … } }), or: --runtime ${owner.id}`,
    },
  )
}

/** How one of the other runtimes that are installed, and could do what is wanted, is asked for. */
async function otherRuntime(
  config: Config,
  id: string,
  { interactive = false, persistent = false }: Pick<RuntimeRequest, 'interactive' | 'persistent'>,
): Promise<string> {
  const able = (await loadedRuntimes()).filter(
    (other) =>
      other.id !== id &&
      other.can.prompts &&
      (!interactive || other.can.interactive) &&
      (!persistent || other.can.reports === 'mail') &&
      isInstalled(config, other),
  )
  if (able.length > 0) return able.map((other) => `--runtime ${other.id}`).join(' or ')
  // A command has no screen, and can be no agent without an end.
  return interactive || persistent ? 'ov runtime list' : "--runtime shell --command '…'"
}

/**
 * How an agent of this runtime is driven: as asked, else as configured.
 * @throws {OvError} `sling.not-interactive`, `sling.no-tmux`, `sling.no-acp`
 */
function modeFor(
  { config, tmux }: Pick<Project, 'config' | 'tmux'>,
  runtime: AgentRuntime,
  asked: boolean | undefined,
): Mode {
  const { mode } = runtimeSection(config, runtime.id)
  const interactive = asked ?? mode === 'interactive'
  if (!interactive && mode === 'acp' && runtime.acp === undefined) {
    throw new OvError('user', 'sling.no-acp', `${runtime.title} is not driven over ACP.`, {
      hint: `Unset runtime.${runtime.id}.mode in overstory.yaml.`,
    })
  }
  if (!interactive) return mode === 'acp' ? 'acp' : 'structured'
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
