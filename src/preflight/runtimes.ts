import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime, Can } from '../contract/runtime.ts'
import { standingOf } from '../contract/versions.ts'
import { findPrograms, unfitProgram } from '../os/files.ts'
import { gatewayTrouble } from '../runtimes/environment.ts'
import { type Login, loginOf, loginSeen } from '../runtimes/login.ts'
import { programNames } from '../runtimes/programs.ts'
import { loadedRuntimes } from '../runtimes/registry.ts'
import { type Answer, askVersion } from './version.ts'

/** One program of an agent CLI. */
export interface Program extends Answer {
  /** Absolute. */
  readonly path: string
}

/** What this machine has of one agent CLI. */
export interface RuntimeFacts {
  readonly id: string
  readonly title: string
  readonly installed: boolean
  /** Absolute path; null when it is not installed or needs no program. */
  readonly program: string | null
  /** As it says itself; null when it did not say. */
  readonly version: string | null
  /** Whether `ov` did real work with this version; null when that can't be told. */
  readonly certified: boolean | null
  /** On which side of the certified versions it lies; null when on none, or when that can't be told. */
  readonly drifted: 'newer' | 'older' | null
  readonly certifiedVersions: readonly string[]
  readonly login: Login
  /** What was seen of a login: `$ANTHROPIC_API_KEY`, `~/.codex/auth.json`. */
  readonly loginSeen: string | null
  readonly loginHint: string
  readonly install: string
  /** Why the version is not known although it is installed. `strange`: it is another program of the same name. */
  readonly silent: Answer['silent']
  /** What it printed instead of a version. */
  readonly said: string | null
  /** A shell script stands in the program's place. */
  readonly wrapper: boolean
  /** Further programs of its names on PATH, behind the one that is taken. */
  readonly others: readonly Program[]
  /** Why the program that `runtime.<name>.binary` names can't be run; null when it can, or none is named. */
  readonly unfit: { readonly binary: string; readonly why: NonNullable<ReturnType<typeof unfitProgram>> } | null
  /** What is wrong with the gateway that is configured for it; null when nothing is. */
  readonly gateway: string | null
  /** What it truly supports. */
  readonly can: Can
}

/** A CLI that takes longer than this to say its version keeps nobody waiting: the whole of doctor has 2 s. */
const QUICK_MS = 1_400

/**
 * Looks at every runtime there is an adapter for, side by side.
 *
 * @param timeoutMs how long a CLI may take to say its version
 * @param runtimes those that are looked at; absent, all
 */
export async function surveyRuntimes(
  config: Config,
  timeoutMs = QUICK_MS,
  runtimes?: readonly AgentRuntime[],
): Promise<RuntimeFacts[]> {
  const asked = runtimes ?? (await loadedRuntimes())
  return Promise.all(asked.map((runtime) => surveyRuntime(config, runtime, timeoutMs)))
}

async function surveyRuntime(config: Config, runtime: AgentRuntime, timeoutMs: number): Promise<RuntimeFacts> {
  const paths = findPrograms(programNames(config, runtime))
  const [first, ...others] = await Promise.all(
    paths.map(async (path): Promise<Program> => ({ path, ...(await askVersion(path, runtime, timeoutMs)) })),
  )
  const standing = first?.version ? standingOf(first.version, runtime.certified) : null
  return {
    id: runtime.id,
    title: runtime.title,
    installed: first !== undefined || runtime.binaries.length === 0,
    program: first?.path ?? null,
    version: first?.version ?? null,
    certified: standing === null ? null : standing === 'certified',
    drifted: standing === 'certified' ? null : standing,
    certifiedVersions: runtime.certified,
    login: loginOf(config, runtime),
    loginSeen: loginSeen(config, runtime),
    loginHint: runtime.login.hint,
    install: runtime.install,
    silent: first?.silent ?? null,
    said: first?.said ?? null,
    wrapper: first?.wrapper ?? false,
    others,
    unfit: unfitBinary(config, runtime),
    gateway: gatewayTrouble(config, runtime),
    can: runtime.can,
  }
}

function unfitBinary(config: Config, { id, binaries }: AgentRuntime): RuntimeFacts['unfit'] {
  const { binary } = runtimeSection(config, id)
  if (binary === undefined || binaries.length === 0) return null
  const why = binary.includes('/') ? unfitProgram(binary) : findPrograms([binary]).length === 0 ? 'missing' : null
  return why === null ? null : { binary, why }
}
