import { trackedChanges } from '../os/git.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { checkoutGit } from './land.ts'
import { trainFacts } from './store.ts'
import { groundOf, readStanding, unlanded } from './track.ts'

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
  /** What keeps the merge train from going on until a human has acted, and what to type; null when nothing does. */
  readonly blocked: { readonly why: string; readonly hint: string } | null
}

/** Looks, and changes nothing. */
export async function behindTrain(project: Project): Promise<Behind> {
  const track = await readStanding(project, await canonicalBranch(project))
  const known = await trainFacts(project.db, track.branch)
  const waiting = await unlanded(project, track, known)
  const isBlocked = known?.blocked_on === groundOf(track, waiting)
  const blocked = isBlocked ? { why: known?.blocked_why ?? '', hint: known?.blocked_hint ?? '' } : null
  const facts = { branch: track.branch, checkout: track.checkout, blocked }
  if (waiting.is === 'nothing') return { ...facts, commits: 0, changedFiles: 0, diverged: false }
  const changed = track.checkout === null ? [] : await trackedChanges(checkoutGit(project, track.checkout))
  return { ...facts, commits: waiting.commits, changedFiles: changed.length, diverged: waiting.is !== 'ahead' }
}
