import { commitOf, commitTree, compareAndSwapRef, isAncestor, listWorktrees, mergeTree } from '../os/git.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { checkCommit } from './check.ts'

/** Which ref the train moves. */
export interface Track {
  /** Short name of the canonical branch. */
  readonly branch: string
  /** What the compare-and-swap moves: the branch itself when no checkout has it, else the train's own ref. */
  readonly ref: string
  /** The checkout that has the branch, or null. */
  readonly checkout: string | null
}

export function trainRef(branch: string): string {
  return `refs/ov/train/${branch}`
}

/** Moving a branch beneath a checkout would turn its next commit into a revert, so who has it checked out decides. */
export async function trackOf(project: Project): Promise<Track> {
  const branch = await canonicalBranch(project)
  const holder = (await listWorktrees(project.git)).find(
    (tree) => tree.branch === branch && !tree.bare && !tree.prunable,
  )
  return holder
    ? { branch, ref: trainRef(branch), checkout: holder.path }
    : { branch, ref: `refs/heads/${branch}`, checkout: null }
}

export interface Tip {
  /** The commit to build on. */
  readonly sha: string
  /** What the track's ref holds now (null: it does not exist), for the compare-and-swap. */
  readonly expected: string | null
  /** Why nothing can be built at all, in words. */
  readonly blocked?: string
}

/**
 * The commit the next merge builds on. When the human committed to the branch while merges waited to land, the
 * train is first rebuilt on top of that: a merge of both, with gates, like any other.
 */
export async function trainTip(project: Project, track: Track): Promise<Tip> {
  const canonical = await commitOf(project.git, `refs/heads/${track.branch}`)
  const train = await commitOf(project.git, trainRef(track.branch))
  if (canonical === null) throw new Error(`${track.branch} has no commit`)
  const expected = track.checkout === null ? canonical : train
  if (train === null || (await isAncestor(project.git, train, canonical))) return { sha: canonical, expected }
  if (await isAncestor(project.git, canonical, train)) return { sha: train, expected }
  const merged = await mergeTree(project.git, canonical, train)
  if (!merged.clean)
    return {
      sha: train,
      expected,
      blocked: `What has been merged but not landed conflicts with new commits on ${track.branch} in ${merged.files.join(', ')}. A human must merge ${trainRef(track.branch)} into ${track.branch}.`,
    }
  const commit = await commitTree(
    project.git,
    merged.tree,
    [canonical, train],
    `Merge ${trainRef(track.branch)} into ${track.branch}\n`,
  )
  const checked = await checkCommit(project, commit)
  if (!checked.green)
    return {
      sha: train,
      expected,
      blocked: `What has been merged but not landed turns the gate ${checked.gate} red together with new commits on ${track.branch}:\n${checked.output}`,
    }
  if (track.checkout === null) return { sha: commit, expected }
  await compareAndSwapRef(project.git, track.ref, commit, train, 'ov: rebuild on top of new commits')
  return { sha: commit, expected: commit }
}
