import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentRuntime } from '../contract/runtime.ts'
import { messageOf, OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { sha256 } from '../os/digest.ts'
import { listFolder, readText } from '../os/files.ts'

/*
 * Adapters of a project's own: `.overstory/runtimes/<name>.js`. They are programs that `ov` itself runs, so three things
 * have to come together before one is: the file is there, the configuration wants such files (`runtime.own`), and the
 * person has trusted this very content on this machine (`ov runtime trust`, see trust.ts). None of them can come with a
 * repository alone, and the last only by hand.
 */

interface Own {
  readonly folder: string
  readonly ids: readonly string[]
  /** Whether the configuration wants them; until that is known they are only names. */
  readonly wanted: boolean
}

let own: Own = { folder: '', ids: [], wanted: false }

/** Looks which adapters of its own the project has whose state lies here. Nothing of them is run. */
export function lookForOwn(stateDir: string): void {
  const folder = join(stateDir, 'runtimes')
  const ids = listFolder(folder).flatMap((file) => /^([a-z][a-z0-9-]*)\.js$/.exec(file)?.[1] ?? [])
  own = { folder, ids: ids.sort(), wanted: own.folder === folder && own.wanted }
}

/** Says whether the configuration wants them. */
export function wantOwn(wanted: boolean): void {
  own = { ...own, wanted }
}

/** Names of all adapters of the project's own, wanted or not. */
export function ownIds(): readonly string[] {
  return own.ids
}

/** Names of those that the configuration wants. */
export function wantedIds(): readonly string[] {
  return own.wanted ? own.ids : []
}

/** An own adapter's file as it is now. */
export interface OwnFile {
  readonly path: string
  readonly text: string
  readonly digest: string
}

/** In bytes; an adapter is some kilobytes. */
const LARGEST = 1024 * 1024

/**
 * The file of an own adapter.
 * @throws {OvError} `runtime.unknown`, `runtime.own-unreadable`
 */
export function ownFile(id: string): OwnFile {
  const path = join(own.folder, `${id}.js`)
  if (!own.ids.includes(id)) {
    throw new OvError('user', 'runtime.unknown', `This project has no runtime "${oneLine(id, 60)}" of its own.`, {
      hint: own.ids.length === 0 ? `One is a file: ${path}` : `There is: ${own.ids.join(', ')}`,
    })
  }
  const text = lstatSync(path, { throwIfNoEntry: false })?.isFile() ? readText(path, LARGEST) : null
  if (text === null) {
    throw new OvError('failed', 'runtime.own-unreadable', `${path} is no plain file of at most 1 MiB.`, {
      hint: `ls -l ${path}`,
    })
  }
  return { path, text, digest: sha256(text) }
}

const loaded = new Map<string, AgentRuntime>()

/**
 * Loads an adapter of the project's own. What runs is exactly the text whose digest was compared, whatever becomes of the
 * file meanwhile; it stands alone, and what adapters share is handed to it.
 *
 * @throws {OvError} `runtime.own-off`, `runtime.untrusted`, `runtime.broken`, and what `ownFile` throws
 */
export async function loadOwn(id: string): Promise<AgentRuntime> {
  if (!own.wanted) {
    throw new OvError('user', 'runtime.own-off', `"${id}" is a runtime of this project's own, and those are off.`, {
      hint: `If you want it: runtime: { own: true } in overstory.local.yaml, then: ov runtime trust ${id}`,
    })
  }
  const { path, text, digest } = ownFile(id)
  const known = loaded.get(digest)
  if (known !== undefined) return known
  const { trustedDigest } = await import('./trust.ts')
  const trust = trustedDigest(path)
  if (trust !== digest) {
    const message = trust === null ? `${path} was never trusted` : `${path} has changed since you trusted it`
    throw new OvError('blocked', 'runtime.untrusted', `${message}, so it is not run.`, {
      hint: `Read it, and if you want it run: ov runtime trust ${id}`,
    })
  }
  const runtime = await evaluate(id, path, text)
  loaded.set(digest, runtime)
  return runtime
}

async function evaluate(id: string, path: string, text: string): Promise<AgentRuntime> {
  const { adapterIn } = await import('./own-schema.ts')
  try {
    const module: unknown = await import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`)
    return adapterIn(module, id)
  } catch (error) {
    throw new OvError('failed', 'runtime.broken', `${path} is no runtime: ${messageOf(error)}`, {
      hint: 'What it has to be: docs/adding-a-runtime.md',
      cause: error,
    })
  }
}
