import { type RuntimeSection, runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'

/** What any agent may see of the host's environment: the means to run programs, no secrets. A `*` at the end matches any rest. */
const ALLOWED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'LC_*',
  'TZ',
  'TERM',
  'COLORTERM',
  'TMPDIR',
  'XDG_*',
  'CI',
  'NO_COLOR',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'JAVA_HOME',
  'GOPATH',
  'GOROOT',
  'GOFLAGS',
  'GOMODCACHE',
  'GOCACHE',
  'CARGO_HOME',
  'RUSTUP_HOME',
  'PYENV_ROOT',
  'VIRTUAL_ENV',
  'NVM_DIR',
  'GEM_HOME',
  'BUNDLE_PATH',
  'RBENV_ROOT',
  'DOTNET_ROOT',
  'SDKMAN_DIR',
]

/** The part of `host` an agent gets: the allow-list, what its runtime needs, what the configuration adds by name. */
export function agentEnvironment(
  host: Readonly<Record<string, string | undefined>>,
  runtime: Pick<AgentRuntime, 'environment'>,
  extra: readonly string[],
): Record<string, string> {
  const patterns = [...ALLOWED, ...runtime.environment, ...extra]
  const allowed = (name: string) =>
    patterns.some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
  return Object.fromEntries(
    Object.entries(host).filter((entry): entry is [string, string] => entry[1] !== undefined && allowed(entry[0])),
  )
}

/** What an agent of a runtime gets of the environment of this process. */
export function agentEnvironmentOf(config: Config, runtime: AgentRuntime): Record<string, string> {
  const section = runtimeSection(config, runtime.id)
  return { ...agentEnvironment(process.env, runtime, section.env), ...gatewayOf(section, runtime) }
}

/** Address and key of a gateway, from the variables that are configured, under the names that the runtime knows. */
function gatewayOf({ gateway }: RuntimeSection, runtime: AgentRuntime): Record<string, string> {
  if (gateway === undefined || runtime.gateway === undefined) return {}
  const [url, key] = [gateway.baseUrl, gateway.key].map((name) => (name === undefined ? '' : (process.env[name] ?? '')))
  return { ...(url ? { [runtime.gateway.baseUrl]: url } : {}), ...(key ? { [runtime.gateway.key]: key } : {}) }
}

/** What is wrong with the gateway that is configured for a runtime, in words; null when nothing is. */
export function gatewayTrouble(config: Config, runtime: AgentRuntime): string | null {
  const { gateway } = runtimeSection(config, runtime.id)
  if (gateway === undefined) return null
  if (runtime.gateway === undefined) return `${runtime.title} takes no gateway by variables.`
  const missing = [gateway.baseUrl, gateway.key].find((name) => name !== undefined && !process.env[name])
  return missing === undefined ? null : `runtime.${runtime.id}.gateway names $${missing}, which is not set.`
}
