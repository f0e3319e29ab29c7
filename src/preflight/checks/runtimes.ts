import type { Roles } from '../../agents/manifest.ts'
import { runtimeIds } from '../../agents/registry.ts'
import { routeFor } from '../../agents/routing.ts'
import type { Config } from '../../config/schema.ts'
import { CAPABILITIES, type Capability } from '../../contract/states.ts'
import type { Check, Found } from '../diagnosis.ts'
import { type RuntimeFacts, surveyRuntimes } from '../runtimes.ts'

/** Every runtime that is installed here or used by the configuration. */
export async function checkRuntimes(config: Config, roles: Roles): Promise<Check[]> {
  const known = runtimeIds()
  const routeOf = (capability: Capability) => routeFor(config, roles[capability], known, { capability }).runtime
  const used = new Set(CAPABILITIES.map(routeOf))
  const facts = await surveyRuntimes(config)
  const checks = facts
    .filter((runtime) => used.has(runtime.id) || runtime.program !== null)
    .map((runtime) => ({
      name: runtime.id,
      summary: describeRuntime(runtime),
      found: judge(runtime, used.has(runtime.id), runtime.id === routeOf('builder')),
    }))
  const unknown = [...used]
    .filter((id) => !facts.some((runtime) => runtime.id === id))
    .map((id): Check => ({ name: id, summary: 'unknown', found: [unknownRuntime(id)] }))
  return [...checks, ...unknown]
}

/** Facts of a runtime in a few words: `2.1.4, login seen`. */
export function describeRuntime(runtime: RuntimeFacts): string {
  if (!runtime.installed) return 'not installed'
  if (runtime.program === null) return 'needs no program'
  const login = { seen: 'login seen', absent: 'no login seen', 'not-needed': '' }[runtime.login]
  const certified = runtime.certified === null ? '' : runtime.certified ? 'certified' : 'not certified'
  return [runtime.version ?? 'version unknown', certified, login].filter((part) => part !== '').join(', ')
}

/** `usual`: the one that a plain `ov sling` takes. */
function judge(runtime: RuntimeFacts, used: boolean, usual: boolean): Found[] {
  const { title } = runtime
  if (!runtime.installed) {
    return [
      {
        severity: usual ? 'error' : 'warning',
        code: 'runtime.not-installed',
        message: `${title} is not installed, but ${usual ? 'it is the runtime of builders' : 'a capability uses it'}.`,
        hint: `${runtime.install}, or choose another under "runtime" in overstory.yaml`,
      },
    ]
  }
  const found: Found[] = []
  if (runtime.silent !== null) {
    const how = runtime.silent === 'timeout' ? 'did not answer in time' : 'did not say it'
    found.push({
      severity: used ? 'warning' : 'info',
      code: 'runtime.silent',
      message: `The version of ${title} is not known: ${runtime.program} ${how}.`,
      hint: `See what it says: ${runtime.program} --version`,
    })
  }
  if (used && runtime.login === 'absent') {
    found.push({
      severity: 'warning',
      code: 'runtime.no-login',
      message: `No login or key of ${title} was found. (One in a keychain can't be seen.)`,
      hint: runtime.loginHint,
    })
  }
  if (used && runtime.certified === false) {
    found.push({
      severity: 'info',
      code: 'runtime.not-certified',
      message: `${title} ${runtime.version} is not among the versions that ov is tried with: ${runtime.certifiedVersions.join(', ')}.`,
      hint: null,
    })
  }
  return found
}

function unknownRuntime(id: string): Found {
  return {
    severity: 'error',
    code: 'runtime.unknown',
    message: `The configuration names the runtime "${id}", which does not exist.`,
    hint: `Known runtimes: ${runtimeIds().join(', ')}`,
  }
}
