import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from '../errors.ts'

/**
 * Refs read from git's own files (gitrepository-layout(5)): loose ones first, then those in `packed-refs`, in the order
 * in which git looks, so that packing under way hides none. A process of git for each question would cost more than all
 * else in a command. What is not plain to see is left to git: a name of another kind, a ref that holds anything but an
 * object's name or another ref's.
 */
export interface RefFiles {
  /** What a ref stands for; null when it doesn't exist; undefined when git has to be asked. */
  read(ref: string): string | null | undefined
  /** The ref that a ref is another name of; null when it is none, or doesn't exist; undefined when git has to be asked. */
  symbolic(ref: string): string | null | undefined
  /** Full names of the ref `prefix` and of all below it; undefined when git has to be asked. */
  under(prefix: string): string[] | undefined
}

/** No `..`, nothing that could be anything but a name below refs/. */
const PLAIN = /^refs\/(?!\/|.*(?:\.\.|\/\.|\/\/|\.lock$))[A-Za-z0-9_.+/-]+$/
const OBJECT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/
const SYMBOLIC = /^ref: (\S+)$/
/** Git follows no longer chain. */
const MOST_STEPS = 5

/** @param common the git folder that all worktrees share. Null where refs are not kept in files. */
export function refFilesIn(common: string): RefFiles | null {
  if (existsSync(join(common, 'reftable')) || !existsSync(join(common, 'refs'))) return null
  const look = (ref: string) => readOptional(join(common, ref))?.trim()

  const read: RefFiles['read'] = (ref) => {
    let at = ref
    for (let step = 0; step < MOST_STEPS; step++) {
      if (!PLAIN.test(at)) return undefined
      const text = look(at)
      if (text === undefined) return packed(common).get(at) ?? null
      if (OBJECT.test(text)) return text
      const next = SYMBOLIC.exec(text)?.[1]
      if (next === undefined) return undefined
      at = next
    }
    return undefined
  }
  return {
    read,
    symbolic(ref) {
      if (!PLAIN.test(ref)) return undefined
      const text = look(ref)
      if (text === undefined || OBJECT.test(text)) return null
      return SYMBOLIC.exec(text)?.[1]
    },
    under(prefix) {
      if (!PLAIN.test(prefix)) return undefined
      const names = new Set(loose(common, prefix))
      for (const name of packed(common).keys()) if (name === prefix || name.startsWith(`${prefix}/`)) names.add(name)
      return [...names].filter((name) => read(name) !== null).sort()
    },
  }
}

function loose(common: string, ref: string): string[] {
  try {
    return readdirSync(join(common, ref), { withFileTypes: true }).flatMap((entry) => {
      const name = `${ref}/${entry.name}`
      return entry.isDirectory() ? loose(common, name) : entry.name.endsWith('.lock') ? [] : [name]
    })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    if (codeOf(error) === 'ENOTDIR') return [ref]
    throw error
  }
}

function packed(common: string): Map<string, string> {
  const found = new Map<string, string>()
  for (const line of (readOptional(join(common, 'packed-refs')) ?? '').split('\n')) {
    const [sha = '', name = ''] = line.split(' ', 2)
    if (OBJECT.test(sha)) found.set(name, sha)
  }
  return found
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}
