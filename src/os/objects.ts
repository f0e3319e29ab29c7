import { createHash, randomBytes } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'

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
  const body = Buffer.from(`${lines.join('\n')}\n\n${message}`)
  const object = Buffer.concat([Buffer.from(`commit ${body.length}\0`), body])
  // The names of a repository's objects are all of one kind.
  const name = createHash(tree.length === 64 ? 'sha256' : 'sha1')
    .update(object)
    .digest('hex')
  const folder = join(common, 'objects', name.slice(0, 2))
  const path = join(folder, name.slice(2))
  if (existsSync(path)) return name
  mkdirSync(folder, { recursive: true })
  const draft = join(folder, `tmp_obj_${randomBytes(6).toString('hex')}`)
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
