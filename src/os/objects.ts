import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateSync, inflateSync } from 'node:zlib'
import { codeOf } from '../errors.ts'
import { newId } from '../ids.ts'
import { sha1, sha256 } from './digest.ts'

/** Author and committer as git writes them into a commit: `Name <address>`, and the offset from UTC as `+0100`. */
export interface Identities {
  readonly author: string
  readonly committer: string
  readonly zone: string
}

/**
 * Writes a commit as a loose object (gitformat-loose(5)), on the disk when this returns, and gives its name. What
 * `git commit-tree` does, without its process: a train makes one commit after the other.
 *
 * @param common the git folder that all worktrees share
 * @param at seconds since the epoch
 */
export function writeCommit(
  common: string,
  who: Identities,
  { tree, parents, message, at }: { tree: string; parents: readonly string[]; message: string; at: number },
): string {
  const lines = [
    `tree ${tree}`,
    ...parents.map((parent) => `parent ${parent}`),
    `author ${who.author} ${at} ${who.zone}`,
    `committer ${who.committer} ${at} ${who.zone}`,
  ]
  const body = `${lines.join('\n')}\n\n${message}`
  const object = `commit ${Buffer.byteLength(body)}\0${body}`
  // The names of a repository's objects are all of one kind.
  const name = tree.length === 64 ? sha256(object) : sha1(object)
  const path = loosePath(common, name)
  if (existsSync(path)) return name
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true })
  const draft = join(folder, `tmp_obj_${newId()}`)
  const file = openSync(draft, 'wx', 0o444)
  try {
    writeSync(file, deflateSync(object))
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
  return name
}

/** The tree of a commit that is kept as a loose object, as new ones are. Null where git has to be asked. */
export function treeOfLoose(common: string, commit: string): string | null {
  try {
    const object = inflateSync(readFileSync(loosePath(common, commit))).toString('latin1')
    return /^commit \d+\0tree ([0-9a-f]{40,64})\n/.exec(object)?.[1] ?? null
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    // It is packed, elsewhere or damaged.
    return null
  }
}

function loosePath(common: string, name: string): string {
  return join(common, 'objects', name.slice(0, 2), name.slice(2))
}
