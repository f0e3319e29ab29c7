import { OvError } from '../errors.ts'
import { locateProject } from '../project.ts'
import { type OwnFile, ownFile, ownIds, wantedIds } from '../runtimes/own-runtimes.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import { setTrust, trustedDigest } from '../runtimes/trust.ts'

/** An adapter of the project's own, and whether it would be run as it is now. */
export interface OwnRuntime extends OwnFile {
  readonly id: string
  readonly trusted: boolean
  /** Whether the configuration wants adapters of the project's own. */
  readonly wanted: boolean
}

/**
 * Finds an adapter of the project's own around `cwd`. Nothing of it is run.
 * @throws {OvError} `project.no-git`, `config.invalid`, `runtime.unknown`, `runtime.own-unreadable`
 */
export async function ownRuntime(cwd: string, id: string): Promise<OwnRuntime> {
  await locateProject(cwd)
  const file = ownFile(id)
  return { ...file, id, trusted: trustedDigest(file.path) === file.digest, wanted: wantedIds().includes(id) }
}

/** Writes down that this very content is trusted, or no longer is. */
export function trustOwn({ path, digest }: OwnFile, trust: boolean): void {
  setTrust(path, trust ? digest : null)
}

/** An adapter of the project's own that is not run. */
export interface Refused {
  readonly id: string
  /** `runtime.untrusted`, `runtime.broken`, `runtime.own-off`, … */
  readonly code: string
  readonly message: string
  readonly hint: string | null
}

/** Those of the project's own that can't be used, each with what is in the way. */
export async function refusedRuntimes(): Promise<Refused[]> {
  const found = await Promise.all(
    ownIds().map(async (id): Promise<Refused | null> => {
      try {
        await loadRuntime(id)
        return null
      } catch (error) {
        if (!(error instanceof OvError)) throw error
        return { id, code: error.code, message: error.message, hint: error.hint ?? null }
      }
    }),
  )
  return found.filter((one) => one !== null)
}
