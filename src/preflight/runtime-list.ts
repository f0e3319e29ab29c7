import { type Certificate, type Finding, readCertificates } from '../certify/certificate.ts'
import type { Capability } from '../contract/states.ts'
import type { HeldUp } from '../limits/pass.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import { usersOf } from '../runtimes/routing.ts'
import { type Refused, refusedRuntimes } from './own.ts'
import { type RuntimeFacts, surveyRuntimes } from './runtimes.ts'
import { settingsAround } from './settings.ts'

/** A runtime as `ov runtime list --json` shows it. */
export interface RuntimeReport extends RuntimeFacts {
  /** The capabilities that use it when nothing else is said. */
  readonly usedBy: readonly Capability[]
  /** Its place in `runtime.fallback`, from 1; null when it is not in it. */
  readonly fallback: number | null
  /** Until when its provider holds up its account, ms since the epoch; null as a rule. */
  readonly parkedUntil: number | null
  /** What holds up the account it would work by; null for nothing. */
  readonly limit: HeldUp | null
  /** What was last proved of it by `ov runtime certify`, as it comes with `ov`; null where nothing was. */
  readonly certificate: {
    readonly version: string
    /** `YYYY-MM-DD` */
    readonly date: string
    readonly against: string
    readonly proved: number
    readonly failed: number
    readonly notClaimed: number
  } | null
}

/** The document of `ov runtime list --json`. */
export interface RuntimeList {
  readonly runtimes: readonly RuntimeReport[]
  /** Adapters of the project's own that are not run. */
  readonly refused: readonly Refused[]
}

/** Who is asked for a list can wait for a CLI that starts slowly. */
const PATIENCE_MS = 8_000

/**
 * Every runtime there is an adapter for: what this machine has of it, and who uses it by the configuration around `cwd`.
 * Outside a repository the person's own settings hold.
 *
 * @param only the id of the one that is wanted; absent, all
 * @throws {OvError} `config.invalid`, and what `loadRuntime` throws
 */
export async function listRuntimes(cwd: string, only?: string): Promise<RuntimeList> {
  const { config, roles, parked } = await settingsAround(cwd)
  const chosen = only === undefined ? undefined : [await loadRuntime(only)]
  const users = usersOf(config, roles)
  const certificates = readCertificates()
  const facts = await surveyRuntimes(config, PATIENCE_MS, chosen)
  const runtimes = facts.map((runtime) => ({
    ...runtime,
    usedBy: users.get(runtime.id) ?? [],
    fallback: config.runtime.fallback.indexOf(runtime.id) + 1 || null,
    parkedUntil: parked.get(runtime.id)?.until ?? null,
    limit: parked.get(runtime.id) ?? null,
    certificate: certificateOf(certificates.find((one) => one.runtime === runtime.id)),
  }))
  return { runtimes, refused: only === undefined ? await refusedRuntimes() : [] }
}

function certificateOf(certificate: Certificate | undefined): RuntimeReport['certificate'] {
  if (certificate === undefined) return null
  const { version, date, against, findings } = certificate
  const count = (wanted: Finding['result']) => findings.filter(({ result }) => result === wanted).length
  const counts = { proved: count('proved'), failed: count('failed'), notClaimed: count('not claimed') }
  return { version, date, against, ...counts }
}
