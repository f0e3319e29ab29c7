import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getAgent } from '../agents/store.ts'
import { changedOutside, commitTree, type Git, mergeTree } from '../os/git.ts'
import { commonDirAt } from '../os/git-folder.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { queuedBranch } from './queue.ts'
import { type MergeEntry, openMerges, trainFacts } from './store.ts'
import { readTrack, unlanded } from './track.ts'

export interface PredictedMerge {
  readonly task: string
  readonly agent: string
  readonly branch: string
  readonly commit: string
  /** Files in which it would conflict with what is before it; empty when it would merge, if its gates pass. */
  readonly conflicts: readonly string[]
}

/** Two branches of the queue that can't both be merged as they are. */
export interface PredictedConflict {
  readonly between: readonly [string, string]
  readonly files: readonly string[]
}

export interface Prediction {
  readonly branch: string
  /** The commit the first merge would be built on. */
  readonly onto: string
  /** In the order in which they would be merged. */
  readonly merges: readonly PredictedMerge[]
  readonly conflicts: readonly PredictedConflict[]
}

/** So many comparisons run side by side. */
const AT_ONCE = 4

/**
 * Says what a drive of the train would merge, in which order, and which branches conflict with each other. Changes
 * nothing: what git has to write for that goes to a folder of its own. Gates are not run.
 *
 * @param wanted only the entry of this branch, or of the agent of this name
 */
export async function predictMerges(project: Project, wanted?: string): Promise<Prediction> {
  const branch = await canonicalBranch(project)
  const track = await readTrack(project, branch)
  const waiting = await unlanded(project, track, await trainFacts(project.db, branch))
  const onto = waiting.is === 'nothing' || track.train === null ? track.canonical.sha : track.train.sha
  const only = wanted === undefined ? undefined : await queuedBranch(project, wanted)
  const entries = (await openMerges(project.db)).filter((entry) => only === undefined || entry.branch === only)
  const objects = mkdtempSync(join(tmpdir(), 'ov-objects-'))
  try {
    const git = project.git.with({
      GIT_OBJECT_DIRECTORY: objects,
      GIT_ALTERNATE_OBJECT_DIRECTORIES: join(commonDirAt(project.root), 'objects'),
    })
    return {
      branch,
      onto,
      merges: await inOrder(project, git, onto, entries),
      conflicts: await pairwise(git, onto, entries),
    }
  } finally {
    rmSync(objects, { recursive: true, force: true })
  }
}

/** Merges one after the other, in thought: what conflicts is left out, as it would be sent back. */
async function inOrder(
  project: Project,
  git: Git,
  onto: string,
  entries: readonly MergeEntry[],
): Promise<PredictedMerge[]> {
  const merges: PredictedMerge[] = []
  let tip = onto
  for (const entry of entries) {
    const merged = await mergeTree(git, tip, entry.head_sha)
    if (merged.clean) tip = await commitTree(git, merged.tree, [tip, entry.head_sha], `Merges ${entry.branch}`)
    merges.push({
      task: entry.task_id,
      agent: (await getAgent(project.db, entry.agent_id))?.name ?? entry.agent_id,
      branch: entry.branch,
      commit: entry.head_sha,
      conflicts: merged.clean ? [] : merged.files,
    })
  }
  return merges
}

async function pairwise(git: Git, onto: string, entries: readonly MergeEntry[]): Promise<PredictedConflict[]> {
  const touched = await inBatches(
    entries,
    async (entry) => new Set(await changedOutside(git, onto, entry.head_sha, [])),
  )
  const pairs = entries.flatMap((one, index) =>
    entries.slice(index + 1).flatMap((other, after) => {
      // Only what both touch can conflict.
      const overlap = mayClash(touched[index] ?? new Set(), touched[index + 1 + after] ?? new Set())
      return overlap ? [[one, other] as const] : []
    }),
  )
  const found = await inBatches(pairs, async ([one, other]) => {
    const merged = await mergeTree(git, one.head_sha, other.head_sha)
    return merged.clean ? [] : [{ between: [one.branch, other.branch] as const, files: merged.files }]
  })
  return found.flat()
}

/** A file in both, or a file in one that is a folder in the other. */
function mayClash(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  const folders = (files: ReadonlySet<string>) =>
    new Set(
      [...files].flatMap((file) =>
        file
          .split('/')
          .slice(0, -1)
          .map((_, depth, parts) => parts.slice(0, depth + 1).join('/')),
      ),
    )
  const inOne = folders(one)
  const inOther = folders(other)
  return [...one].some((file) => other.has(file) || inOther.has(file)) || [...other].some((file) => inOne.has(file))
}

async function inBatches<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += AT_ONCE)
    results.push(...(await Promise.all(items.slice(at, at + AT_ONCE).map(work))))
  return results
}
