import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { OvError } from '../errors.ts'
import { aheadBehind, isAncestor } from '../os/git.ts'
import { checkoutInTheMiddleOf, commonDirAt, gitDirOf, headOf } from '../os/git-folder.ts'
import { treeOfLoose } from '../os/objects.ts'
import { type RefFacts, type RefMove, readRefs } from '../os/refs.ts'
import type { Project } from '../project.ts'
import type { TrainFacts } from './store.ts'

/** What the train moves while a checkout has the branch. */
export function trainRef(branch: string): string {
  return `refs/ov/train/${branch}`
}

/** Changed by a train that takes over from one that may still live; every swap asks that it be as it was. */
export function fenceRef(branch: string): string {
  return `refs/ov/fence/${branch}`
}

/** How the canonical branch stands, read at one moment. */
export interface Track {
  /** Short name of the canonical branch. */
  readonly branch: string
  readonly canonical: RefFacts
  /** The train's own ref, null when it was never needed. */
  readonly train: RefFacts | null
  readonly fence: string | null
  /**
   * Folder of the checkout that has the branch, or null. Moving a branch beneath a checkout would turn its next
   * commit into a revert, so this decides what a swap moves.
   */
  readonly checkout: string | null
}

/** Reads the track: from git's files where all of it stands there, else by one git call. */
export async function readTrack(project: Project, branch: string): Promise<Track> {
  return trackInFiles(project, branch) ?? (await trackByGit(project, branch))
}

async function trackByGit(project: Project, branch: string): Promise<Track> {
  const names = [`refs/heads/${branch}`, trainRef(branch), fenceRef(branch)] as const
  const refs = await readRefs(project.git, ...names)
  const canonical = refs.get(names[0])
  if (canonical === undefined) {
    throw new OvError('user', 'project.no-branch', `The canonical branch "${branch}" does not exist.`, {
      hint: `Make it (git branch ${branch} COMMIT), or set project.canonicalBranch in overstory.yaml.`,
    })
  }
  return {
    branch,
    canonical,
    train: refs.get(names[1]) ?? null,
    fence: refs.get(names[2])?.sha ?? null,
    checkout: holderOf(project, branch, canonical.checkout),
  }
}

/** How the branch and its train stand, and where the branch is checked out. */
export interface Standing extends Tips {
  readonly branch: string
  readonly checkout: string | null
}

/** The same as `readTrack` but for trees, so that git has to be asked less often. */
export async function readStanding(project: Project, branch: string): Promise<Standing> {
  return standingInFiles(project, branch) ?? (await trackByGit(project, branch))
}

/** What git's files say where the project's own checkout has the branch; else null. */
function standingInFiles({ root, bare, git }: Project, branch: string): (Standing & { checkout: string }) | null {
  const head = bare || gitDirOf(root) !== join(root, '.git') ? null : headOf(join(root, '.git'))
  const sha = git.refs?.read(`refs/heads/${branch}`)
  const train = git.refs?.read(trainRef(branch))
  if (head === null || !('branch' in head) || head.branch !== branch || !sha || train === undefined) return null
  return { branch, checkout: root, canonical: { sha }, train: train === null ? null : { sha: train } }
}

function trackInFiles(project: Project, branch: string): Track | null {
  const standing = standingInFiles(project, branch)
  const fence = project.git.refs?.read(fenceRef(branch))
  if (standing === null || fence === undefined) return null
  const common = commonDirAt(project.root)
  const tree = treeOfLoose(common, standing.canonical.sha)
  const trainTree = standing.train === null ? '' : treeOfLoose(common, standing.train.sha)
  if (tree === null || trainTree === null) return null
  return {
    branch,
    canonical: { sha: standing.canonical.sha, tree, checkout: standing.checkout },
    train: standing.train === null ? null : { sha: standing.train.sha, tree: trainTree, checkout: null },
    fence,
    checkout: standing.checkout,
  }
}

/** @param named the folder git names for the branch */
function holderOf(project: Project, branch: string, named: string | null): string | null {
  const main = project.bare ? null : project.root
  if (named !== null && existsSync(join(named, '.git'))) return named
  const common = commonDirAt(project.root)
  // For a bare repository, a submodule and a separate git folder git names that folder itself.
  if (named !== null) return existsSync(join(named, 'HEAD')) ? main : null
  return checkoutInTheMiddleOf(branch, common, main)
}

/** What a swap moves on this track, from what. */
export function swapOf(track: Track, to: string): RefMove[] {
  return [
    { ref: fenceRef(track.branch), from: track.fence, to: track.fence },
    track.checkout === null
      ? { ref: `refs/heads/${track.branch}`, from: track.canonical.sha, to }
      : { ref: trainRef(track.branch), from: track.train?.sha ?? null, to },
  ]
}

/** True when a swap prepared for `before` is still right. */
export function isSameTrack(before: Track, now: Track): boolean {
  return (
    (before.checkout === null) === (now.checkout === null) &&
    before.canonical.sha === now.canonical.sha &&
    before.train?.sha === now.train?.sha
  )
}

/** What has been merged and is not on the branch yet. */
export type Unlanded =
  | { readonly is: 'nothing' }
  /** It lies on top of the branch: a fast-forward lands it. `commits`: how many the branch is behind. */
  | { readonly is: 'ahead'; readonly commits: number }
  /** The branch has commits of its own by now; the train has to be rebuilt on top of them. */
  | { readonly is: 'diverged'; readonly commits: number }
  /** The branch has lost commits that the train stands on: landing would bring back what a human removed. */
  | { readonly is: 'rewritten'; readonly commits: number }

/** The commits that the branch and its train are at. */
export interface Tips {
  readonly canonical: { readonly sha: string }
  readonly train: { readonly sha: string } | null
}

/** Compares the train with the branch; usually without asking git. */
export async function unlanded(
  project: Project,
  track: Tips,
  facts: Pick<TrainFacts, 'landed_sha' | 'base_sha'> | undefined,
): Promise<Unlanded> {
  const { canonical, train } = track
  // What has landed once is the human's: commits of it that the branch has lost since were removed on purpose.
  if (train === null || train.sha === canonical.sha || train.sha === facts?.landed_sha) return { is: 'nothing' }
  const { left, right: commits } = await aheadBehind(project.git, canonical.sha, train.sha)
  if (commits === 0) return { is: 'nothing' }
  const base = facts?.base_sha ?? null
  if (base !== null && base !== canonical.sha && !(await isAncestor(project.git, base, canonical.sha)))
    return { is: 'rewritten', commits }
  return { is: left === 0 ? 'ahead' : 'diverged', commits }
}

/** Names what the next merge would be built on: what a block is about. Another name is another try. */
export function groundOf(track: Tips, waiting: Unlanded): string {
  switch (waiting.is) {
    case 'nothing':
      return track.canonical.sha
    case 'ahead':
      return track.train?.sha ?? track.canonical.sha
    case 'diverged':
    case 'rewritten':
      return `${track.canonical.sha} ${track.train?.sha}`
  }
}

/** In words, what a train means that stands on commits which the branch has lost. */
export function rewrittenNotice({ branch }: Track): string {
  return `${branch} no longer has commits that what is merged (${trainRef(branch)}) stands on, so landing would bring them back.`
}
