import { runtimeSection } from '../config/runtime-section.ts'
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
  return agentEnvironment(process.env, runtime, runtimeSection(config, runtime.id).env)
}
