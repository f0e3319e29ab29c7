import { homedir } from 'node:os'
import { join } from 'node:path'
import { runtimeSection } from '../config/runtime-section.ts'
import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { sha256 } from '../os/digest.ts'
import { fileState } from '../os/files.ts'
import { agentEnvironmentOf } from '../runtimes/environment.ts'

/** Who is asked, and in whose name: what holds up one agent of it holds up all. */
export interface Account {
  /** The vendor, as far as it can be told: `anthropic`, a gateway's host, else the runtime's id. */
  readonly provider: string
  /** The login, never a secret: `$ANTHROPIC_API_KEY 1f0c3a9e` (of name and value), `~/.codex/auth.json`, `login`. */
  readonly account: string
  /** What the login looks like: it changes when somebody logs in anew under the same name. Null where nothing is seen of it. */
  readonly evidence: string | null
}

/** So many digits tell one key from another, and nothing of it. */
const DIGITS = 8

/**
 * The account by which an agent of a runtime works that is started with this process's environment; null for a
 * command. Runtimes that use the same key share it, where it is certain which key they use.
 */
export function accountOf(config: Config, runtime: AgentRuntime, model: string | null): Account | null {
  const { login, gateway } = runtime
  const env = agentEnvironmentOf(config, runtime)
  const address = gateway === undefined ? undefined : env[gateway.baseUrl]
  const configured = runtimeSection(config, runtime.id).gateway !== undefined
  if (!runtime.can.prompts) return null
  const keys = [...(configured && gateway !== undefined ? [gateway.key] : []), ...login.env].filter((name) => env[name])
  const [first] = keys
  if (first !== undefined) {
    const name = keys.length === 1 || runtime.ownModels !== undefined ? first : keyFor(model, keys)
    // Which of several keys it uses is its own business: then its limits are its own, too.
    if (name === null)
      return { provider: runtime.id, account: `$${keys.join(' $')} ${digest(keys, env)}`, evidence: null }
    const provider = address ? hostOf(address) : vendorOf(name)
    return { provider, account: `$${name} ${digest([name], env)}`, evidence: null }
  }
  const provider = address ? hostOf(address) : runtime.id
  for (const file of login.files) {
    const state = fileState(join(homedir(), file))
    if (state !== null) return { provider, account: `~/${file}`, evidence: `${state.writtenAt}:${state.size}` }
  }
  return { provider, account: 'login', evidence: null }
}

/** The key of a model's vendor, where the model names one: `openai/gpt-6`. */
function keyFor(model: string | null, keys: readonly string[]): string | null {
  const vendor = model?.includes('/') ? model.split('/')[0] : undefined
  return keys.find((name) => vendor !== undefined && vendorOf(name) === vendor.toLowerCase()) ?? null
}

/** `ANTHROPIC_API_KEY` is Anthropic's. */
function vendorOf(variable: string): string {
  return (variable.split('_')[0] ?? variable).toLowerCase()
}

function hostOf(address: string): string {
  return URL.parse(address)?.host ?? 'gateway'
}

function digest(names: readonly string[], env: Readonly<Record<string, string>>): string {
  return sha256(names.map((name) => `${name}=${env[name]}`).join('\n')).slice(0, DIGITS)
}

/** The name of the account by which an agent works that is started with this process's environment; null for a command. */
export function accountHere(config: Config, runtime: AgentRuntime, model: string | null): string | null {
  const account = accountOf(config, runtime, model)
  return account === null ? null : accountName(account)
}

/** The login of an account by its name: `$ANTHROPIC_API_KEY`, `~/.codex/auth.json`; null where none was seen. */
export function loginNamed(name: string): string | null {
  const words = name.split(' ').slice(1)
  if (words[0]?.startsWith('$')) return words.slice(0, -1).join(' ')
  return words[0] === 'login' ? null : words.join(' ')
}

/** An account in one word, as an agent's row names it. */
export function accountName({ provider, account }: Pick<Account, 'provider' | 'account'>): string {
  return `${provider} ${account}`
}
