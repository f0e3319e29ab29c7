import { type Lease, ownsLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { GitFailure, isAncestor, type MergeTree, mergeOf, mergeTree } from '../os/git.ts'
import { swapRefs } from '../os/refs.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import type { Task } from '../tasks/store.ts'
import { type Checked, checkCommit, type Red } from './check.ts'
import { conflictNotice, mergeMessage } from './message.ts'
import { intendedCommits, intendMerge, type MergeEntry, noteTrain } from './store.ts'
import type { Tools } from './tools.ts'
import { isSameTrack, readTrack, swapOf, type Track } from './track.ts'

/** What a drive of the train has in all it does. */
export interface Driver {
  readonly project: Project
  readonly lease: Lease
  readonly tools: Tools
  /** The canonical branch. */
  readonly branch: string
  /** Whoever asked has had enough. */
  readonly gone: AbortSignal | undefined
  readonly say: (entry: MergeEntry, doing: string) => void
}

/** The commit the next merge is built on, and how the branch stood when that was found. */
export interface Ground {
  readonly track: Track
  readonly sha: string
  readonly tree: string
  /** True when it is the branch's own tip: nothing waits to land. */
  readonly isCanonical: boolean
}

/**
 * ```
 *  merge-tree ─► commit-tree ─► gates on that commit ─► intent ─► compare-and-swap
 *      │conflict                  │red                    │          │
 *      ▼                          ▼                       ▼          ▼
 *  conflict                      red               lost, dropped   moved, swapped
 * ```
 */
export type Attempt =
  /** The commit is what the track's ref holds now. */
  | { readonly is: 'swapped'; readonly commit: string; readonly tree: string; readonly gates: readonly string[] }
  /** A train that died has merged it; this is the merge. */
  | { readonly is: 'merged-already'; readonly commit: string }
  | { readonly is: 'conflict'; readonly output: string }
  | { readonly is: 'red'; readonly red: Red }
  /** The branch moved meanwhile: once more. */
  | { readonly is: 'moved' }
  /** Its task was stopped meanwhile. */
  | { readonly is: 'dropped' }
  /** Another train has taken over. */
  | { readonly is: 'lost' }

/** One attempt at merging an entry, up to the swap. Writes no outcome. */
export async function attemptMerge(driver: Driver, entry: MergeEntry, task: Task, ground: Ground): Promise<Attempt> {
  const { project, branch, say } = driver
  const { git, db, clock } = project
  say(entry, 'merging')
  const merged = await mergeOrRefuse(project, ground.sha, entry.head_sha)
  if (!merged.clean) return { is: 'conflict', output: conflictNotice(branch, ground.sha, merged) }
  // What is in already changes nothing: only then is it worth asking whether a train that died has merged it.
  if (merged.tree === ground.tree && (await isAncestor(git, entry.head_sha, ground.sha)))
    return { is: 'merged-already', commit: await mergeOf(git, entry.head_sha, ground.sha, entry.intended_as) }
  step('merge.tree')
  const message = await mergeMessage(db, entry, task)
  const commit = await driver.tools.commit(merged.tree, [ground.sha, entry.head_sha], message)
  step('merge.committed')
  const checked = await checkCommit(project, commit, {
    onGate: (gate) => tellGate(driver, entry, gate),
    gone: driver.gone,
  })
  step('merge.checked')
  if (!checked.green) return { is: 'red', red: checked }
  if (await hasMoved(driver, ground, checked)) return { is: 'moved' }

  const refused = await write(db, async (tx): Promise<Attempt | null> => {
    if (!(await ownsLease(tx, driver.lease))) return { is: 'lost' }
    if (!(await intendMerge(tx, entry, commit, clock.now()))) return { is: 'dropped' }
    if (ground.isCanonical) await noteTrain(tx, branch, { base_sha: ground.sha }, clock.now())
    return null
  })
  step('merge.intended')
  if (refused !== null) return refused
  const moves = swapOf(ground.track, commit)
  const swapped = await swapRefs(git, moves, 'ov: merge', () => intendedCommits(db), driver.tools.refs)
  step('merge.swapped')
  return swapped ? { is: 'swapped', commit, tree: merged.tree, gates: checked.gates } : { is: 'moved' }
}

/** A head that can't be merged at all is its author's to mend, like a conflict. */
async function mergeOrRefuse(project: Project, tip: string, head: string): Promise<MergeTree> {
  try {
    return await mergeTree(project.git, tip, head)
  } catch (error) {
    const isOfHead = /unrelated histories|not something we can merge/
    if (!(error instanceof GitFailure) || !isOfHead.test(error.stderr)) throw error
    return { clean: false, files: [], messages: error.message }
  }
}

/** Gates take their time. Whether the branch has moved, or has been checked out meanwhile, is asked again after them. */
async function hasMoved(driver: Driver, ground: Ground, checked: Checked & { green: true }): Promise<boolean> {
  return checked.gates.length > 0 && !isSameTrack(ground.track, await readTrack(driver.project, driver.branch))
}

async function tellGate({ project, say }: Driver, entry: MergeEntry, gate: string): Promise<void> {
  say(entry, `gate ${gate}`)
  await recordEvent(project.db, {
    at: project.clock.now(),
    type: 'merge.gate',
    runId: entry.run_id,
    agentId: entry.agent_id,
    taskId: entry.task_id,
    data: { gate },
  })
}
