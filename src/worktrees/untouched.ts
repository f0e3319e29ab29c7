import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { changesBetween } from '../os/checkout.ts'
import { commitOf, commitTree, currentBranch, type Git, putBackWhole, treeOfAll } from '../os/git.ts'
import type { Project } from '../project.ts'
import { keepPrefix } from './keep.ts'
import { gitIn } from './prepare.ts'

/** What was changed where nothing should be, and put back. */
export interface PutBack {
  /** Paths in the worktree that were written, made or removed. */
  readonly files: readonly string[]
  /** Its HEAD had moved: commits, another branch. */
  readonly moved: boolean
  /** The commit that holds all as it was found; it has a keep-ref. */
  readonly kept: string
}

/** The worktree of an agent that may look and not change. Files that git ignores are nobody's business. */
export interface Untouched {
  /** Takes the worktree as it stands for how it shall stay, once for each commit it is at. */
  mark(base: string): Promise<void>
  /** Keeps what was changed since, then puts all back; null when nothing was changed. */
  putBack(): Promise<PutBack | null>
}

/**
 * @param index path of an index of our own, outside the worktree: what the agent says to git's has no part in it
 */
export function untouched(project: Project, agentId: string, worktree: string, index: string): Untouched {
  let marked: { readonly base: string; readonly tree: string; readonly branch: string | null } | null = null
  /** Git that stages into our own index. */
  const aside = (git: Git) => git.with({ GIT_INDEX_FILE: index })

  return {
    async mark(base) {
      if (marked?.base === base) return
      const git = gitIn(project, worktree)
      mkdirSync(dirname(index), { recursive: true })
      rmSync(index, { force: true })
      await aside(git).raw('read-tree', base)
      marked = { base, tree: await treeOfAll(aside(git)), branch: await currentBranch(git) }
    },
    async putBack() {
      if (marked === null) return null
      const { base, tree, branch } = marked
      const git = gitIn(project, worktree)
      const now = await treeOfAll(aside(git))
      const head = await commitOf(git, 'HEAD')
      const moved = head !== base || (await currentBranch(git)) !== branch
      if (now === tree && !moved) return null
      const files = (await changesBetween(git, tree, now)).map(({ path }) => path)
      const kept = await commitTree(git, now, head === null ? [base] : [head], KEPT)
      await project.git.raw('update-ref', `${keepPrefix(agentId)}${kept}`, kept)
      await putBackWhole(git, index, { tree, base, branch })
      return { files, moved, kept }
    },
  }
}

const KEPT = 'What a read-only agent left in its worktree\n'
