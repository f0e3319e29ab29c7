import { commitOf, commitsBetween, gitAt, isAncestor, trackedChanges } from '../os/git.ts'
import type { Project } from '../project.ts'
import { trackOf, trainRef } from './track.ts'

/** How far the canonical branch is behind what has been merged. */
export interface Behind {
  readonly branch: string
  /** Merged commits that have not landed. */
  readonly commits: number
  /** The checkout they wait to land in; null when no worktree has the branch. */
  readonly checkout: string | null
  /** Tracked files changed in that checkout, which keep them from landing. */
  readonly changedFiles: number
  /** The branch has commits of its own; the next merge brings both together. */
  readonly diverged: boolean
}

/** Looks, and changes nothing. */
export async function behindTrain(project: Project): Promise<Behind> {
  const track = await trackOf(project)
  const ref = trainRef(track.branch)
  const canonical = `refs/heads/${track.branch}`
  const facts = { branch: track.branch, checkout: track.checkout }
  const landed = (await commitOf(project.git, ref)) === null || (await isAncestor(project.git, ref, canonical))
  if (landed) return { ...facts, commits: 0, changedFiles: 0, diverged: false }
  return {
    ...facts,
    commits: await commitsBetween(project.git, canonical, ref),
    changedFiles: track.checkout === null ? 0 : (await trackedChanges(gitAt(track.checkout))).length,
    diverged: !(await isAncestor(project.git, canonical, ref)),
  }
}
