import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'

/** Told offline: a key in the environment or a stored login. `absent` may still be a login kept in a keychain. */
export type Login = 'seen' | 'absent' | 'not-needed'

/** Whether somebody is logged in to a runtime, as far as can be told offline. */
export function loginOf(config: Config, runtime: Pick<AgentRuntime, 'id' | 'login'>): Login {
  const { env, files } = runtime.login
  if (env.length + files.length === 0) return 'not-needed'
  return loginSeen(config, runtime) === null ? 'absent' : 'seen'
}

/** What was seen of a login: `$ANTHROPIC_API_KEY`, `~/.codex/auth.json`; null for nothing. */
export function loginSeen(config: Config, { id, login }: Pick<AgentRuntime, 'id' | 'login'>): string | null {
  const { gateway } = runtimeSection(config, id)
  const keys = gateway?.key === undefined ? login.env : [gateway.key, ...login.env]
  const key = keys.find((name) => Boolean(process.env[name]))
  if (key !== undefined) return `$${key}`
  const file = login.files.find((name) => existsSync(join(homedir(), name)))
  return file === undefined ? null : `~/${file}`
}

/**
 * Whether it is certain that nobody is logged in. A keychain (macOS) can't be looked into, and a variable that
 * `runtime.<name>.env` names may be a login too.
 */
export function isLoggedOut(config: Config, runtime: Pick<AgentRuntime, 'id' | 'login'>): boolean {
  if (process.platform === 'darwin' || loginOf(config, runtime) !== 'absent') return false
  return !runtimeSection(config, runtime.id).env.some((name) => Boolean(process.env[name]))
}
