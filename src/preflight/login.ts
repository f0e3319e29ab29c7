import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { loginOf } from './runtimes.ts'

/**
 * Refuses a runtime that nobody is logged in to, before anything is started. Told offline, so only what is certain
 * counts: a keychain (macOS) can't be looked into, and a variable that `runtime.<name>.env` names may be a login too.
 *
 * @param next what to type once logged in
 * @throws {OvError} `runtime.no-login`
 */
export function requireLogin(config: Config, runtime: AgentRuntime, next: string): void {
  if (process.platform === 'darwin' || loginOf(runtime) !== 'absent') return
  if (runtimeSection(config, runtime.id).env.some((name) => Boolean(process.env[name]))) return
  const { env, files, hint } = runtime.login
  const places = [...env.map((name) => `$${name}`), ...files.map((file) => `~/${file}`)]
  throw new OvError(
    'user',
    'runtime.no-login',
    `${runtime.title} is not logged in: there is neither ${places.join(' nor ')}.`,
    { hint: `${hint}, then: ${next}` },
  )
}
