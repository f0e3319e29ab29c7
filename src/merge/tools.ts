import { codeOf } from '../errors.ts'
import { commitTree, type Git, identitiesOf } from '../os/git.ts'
import { commonDirAt } from '../os/git-folder.ts'
import { writeCommit } from '../os/objects.ts'
import { openRefWriter, type RefWriter } from '../os/refs.ts'

/** What a drive of the train works with from its first merge to its last, so that none costs a process more than it must. */
export interface Tools {
  /** Makes a commit object; moves nothing. */
  commit(tree: string, parents: readonly string[], message: string): Promise<string>
  readonly refs: RefWriter
  close(): void
}

export function openTools(git: Git): Tools {
  // Asked for at once: it is there when the first tree is merged. Where git can't tell, it makes the commit itself, and
  // says what is wrong if that fails too.
  const who = identitiesOf(git).catch(() => null)
  const refs = openRefWriter(git, 'ov: merge')
  return {
    async commit(tree, parents, message) {
      const known = await who
      if (known === null || message.includes('\0')) return commitTree(git, tree, parents, message)
      const at = Math.floor(Date.now() / 1000)
      try {
        return writeCommit(commonDirAt(git.directory), known, { tree, parents, message, at })
      } catch (error) {
        if (codeOf(error) === undefined) throw error
        // The disk is full, or the folder is not to be written to: git says it as it says everything.
        return commitTree(git, tree, parents, message)
      }
    },
    refs,
    close: () => refs.close(),
  }
}
