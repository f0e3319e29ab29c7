import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { agentEnvironment } from '../agents/environment.ts'
import { loadRuntime, runtimeIds } from '../agents/registry.ts'
import { findRuntimeProgram } from '../agents/routing.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { run } from '../os/process.ts'

/** What this machine has of one agent CLI. */
export interface RuntimeFacts {
  readonly id: string
  readonly title: string
  readonly installed: boolean
  /** Absolute path; null when it is not installed or needs no program. */
  readonly program: string | null
  /** As it says itself; null when it did not say. */
  readonly version: string | null
  /** Whether `ov` did real work with this very version; null when that can't be told. */
  readonly certified: boolean | null
  readonly certifiedVersions: readonly string[]
  /** Told offline: a key in the environment or a stored login. `absent` may still be a login kept in a keychain. */
  readonly login: 'seen' | 'absent' | 'not-needed'
  readonly loginHint: string
  readonly install: string
  /** Why the version is not known although it is installed. */
  readonly silent: 'timeout' | 'failed' | null
}

/** A CLI that takes longer than this to say its version is left alone: the whole of doctor has 2 s. */
const VERSION_TIMEOUT_MS = 1_400

/** Looks at every runtime there is an adapter for, side by side. */
export function surveyRuntimes(config: Config): Promise<RuntimeFacts[]> {
  return Promise.all(runtimeIds().map(async (id) => surveyRuntime(config, await loadRuntime(id))))
}

async function surveyRuntime(config: Config, runtime: AgentRuntime): Promise<RuntimeFacts> {
  const program = findRuntimeProgram(config, runtime)
  const asked = program === null ? null : await askVersion(program, runtime)
  const version = asked?.version ?? null
  return {
    id: runtime.id,
    title: runtime.title,
    installed: program !== null || runtime.binaries.length === 0,
    program,
    version,
    certified: version === null || runtime.certified.length === 0 ? null : runtime.certified.includes(version),
    certifiedVersions: runtime.certified,
    login: loginOf(runtime),
    loginHint: runtime.login.hint,
    install: runtime.install,
    silent: asked?.silent ?? null,
  }
}

async function askVersion(
  program: string,
  runtime: AgentRuntime,
): Promise<{ version: string | null; silent: RuntimeFacts['silent'] }> {
  const outcome = await run([program, ...runtime.versionArgs], {
    // Not in the repository: some CLIs read their configuration from the working directory at every start.
    cwd: '/',
    env: { ...agentEnvironment(process.env, { environment: [] }, []), NO_COLOR: '1', CI: '1' },
    timeoutMs: VERSION_TIMEOUT_MS,
    maxOutput: 4_096,
  })
  if (outcome.timedOut) return { version: null, silent: 'timeout' }
  const version = /\d+\.\d+(?:\.\d+)*(?:-[0-9A-Za-z.]+)?/.exec(outcome.output)?.[0] ?? null
  return outcome.ok && version !== null ? { version, silent: null } : { version: null, silent: 'failed' }
}

/** Told offline: a key in the environment or a stored login. */
export function loginOf({ login }: AgentRuntime): RuntimeFacts['login'] {
  if (login.env.length + login.files.length === 0) return 'not-needed'
  const key = login.env.some((name) => Boolean(process.env[name]))
  return key || login.files.some((file) => existsSync(join(homedir(), file))) ? 'seen' : 'absent'
}
