import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { OvError } from '../errors.ts'
import { isLoggedOut } from '../runtimes/login.ts'

/**
 * Refuses a runtime that nobody is logged in to, before anything is started. Told offline, so only what is certain counts.
 *
 * @param next what to type once logged in
 * @throws {OvError} `runtime.no-login`
 */
export function requireLogin(config: Config, runtime: AgentRuntime, next: string): void {
  if (!isLoggedOut(config, runtime)) return
  const { env, files, hint } = runtime.login
  const places = [...env.map((name) => `$${name}`), ...files.map((file) => `~/${file}`)]
  throw new OvError(
    'user',
    'runtime.no-login',
    `${runtime.title} is not logged in: there is neither ${places.join(' nor ')}.`,
    { hint: `${hint}, then: ${next}` },
  )
}
