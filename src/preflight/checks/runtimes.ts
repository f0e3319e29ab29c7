import type { Roles } from '../../capabilities/manifest.ts'
import type { Config } from '../../config/schema.ts'
import { rangeOf } from '../../contract/versions.ts'
import { runtimeIds } from '../../runtimes/registry.ts'
import { routeFor, usersOf } from '../../runtimes/routing.ts'
import type { Check, Found } from '../diagnosis.ts'
import { refusedRuntimes } from '../own.ts'
import { type RuntimeFacts, surveyRuntimes } from '../runtimes.ts'

/** Every runtime that is installed here or used by the configuration. */
export async function checkRuntimes(config: Config, roles: Roles): Promise<Check[]> {
  const users = usersOf(config, roles)
  const usual = routeFor(config, roles.builder, runtimeIds(), { capability: 'builder' }).runtime
  const facts = await surveyRuntimes(config)
  const checks = facts
    .filter((runtime) => users.has(runtime.id) || runtime.program !== null || runtime.unfit !== null)
    .map((runtime) => ({
      name: runtime.id,
      summary: describeRuntime(runtime),
      found: judge(runtime, users.has(runtime.id), runtime.id === usual),
    }))
  const refused = config.runtime.own ? await refusedRuntimes() : []
  const untrusted = refused.map(
    ({ id, ...found }): Check => ({ name: id, summary: 'not run', found: [{ severity: 'warning', ...found }] }),
  )
  const unknown = [...users.keys()]
    .filter((id) => ![...facts, ...refused].some((runtime) => runtime.id === id))
    .map((id): Check => ({ name: id, summary: 'unknown', found: [unknownRuntime(id)] }))
  return [...checks, ...untrusted, ...unknown]
}

/** Facts of a runtime in a few words: `2.1.4, login seen`. */
export function describeRuntime(runtime: RuntimeFacts): string {
  if (!runtime.installed) return 'not installed'
  if (runtime.program === null) return 'needs no program'
  if (runtime.silent === 'strange') return 'another program'
  const login = { seen: 'login seen', absent: 'no login seen', 'not-needed': '' }[runtime.login]
  const certified = runtime.certified === null ? '' : runtime.certified ? 'certified' : 'not certified'
  return [runtime.version ?? 'version unknown', certified, login].filter((part) => part !== '').join(', ')
}

/** `usual`: the one that a plain `ov sling` takes. */
function judge(runtime: RuntimeFacts, used: boolean, usual: boolean): Found[] {
  const { title, unfit } = runtime
  const severity = usual ? 'error' : 'warning'
  if (unfit !== null) {
    return [
      {
        severity,
        code: 'runtime.binary',
        message: `runtime.${runtime.id}.binary names ${unfit.binary}, ${UNFIT[unfit.why]}.`,
        hint: `Mend the path, or leave the key out: ov config explain runtime.${runtime.id}.binary`,
      },
    ]
  }
  if (!runtime.installed) {
    return [
      {
        severity,
        code: 'runtime.not-installed',
        message: `${title} is not installed, but ${usual ? 'it is the runtime of builders' : 'a capability uses it'}.`,
        hint: `${runtime.install}, or choose another under "runtime" in overstory.yaml`,
      },
    ]
  }
  const found: Found[] = []
  if (runtime.silent === 'strange') {
    found.push({
      severity: used ? severity : 'info',
      code: 'runtime.wrong-program',
      message: `${runtime.program} does not seem to be ${title}: asked for its version it said ${runtime.said === null ? 'nothing' : `"${runtime.said}"`}.`,
      hint: `If it is another program of that name, give the path of the right one: runtime.${runtime.id}.binary`,
    })
  } else if (runtime.silent !== null) {
    const how = runtime.silent === 'timeout' ? 'did not answer in time' : 'did not say it'
    found.push({
      severity: used ? 'warning' : 'info',
      code: 'runtime.silent',
      message: `The version of ${title} is not known: ${runtime.program} ${how}${runtime.said === null ? '' : ` ("${runtime.said}")`}.`,
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
  if (used && runtime.gateway !== null) {
    found.push({
      severity,
      code: 'runtime.gateway',
      message: runtime.gateway,
      hint: `Set it, or leave it out: ov config explain runtime.${runtime.id}`,
    })
  }
  if (used && runtime.certified === false) {
    found.push({
      severity: 'info',
      code: 'runtime.not-certified',
      message: `${title} ${runtime.version} is ${runtime.drifted} than the versions that ov is tried with: ${rangeOf(runtime.certifiedVersions)}.`,
      hint: null,
    })
  }
  if (used && runtime.others.length > 0) {
    const behind = runtime.others.map(({ path, version }) => `${path} (${version ?? 'version unknown'})`)
    found.push({
      severity: 'info',
      code: 'runtime.several',
      message: `There is more than one ${title} on PATH. ${runtime.program} is taken; behind it: ${behind.join(', ')}.`,
      hint: `To take another: runtime.${runtime.id}.binary`,
    })
  }
  return found
}

const UNFIT = {
  missing: 'which is not there',
  'no file': 'which is no file',
  'not executable': 'which may not be run',
} as const

function unknownRuntime(id: string): Found {
  return {
    severity: 'error',
    code: 'runtime.unknown',
    message: `The configuration names the runtime "${id}", which does not exist.`,
    hint: `Known runtimes: ${runtimeIds().join(', ')}`,
  }
}
