import { agentOfTask, getAgent, isOpen } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { claimLease, type Lease, ownsLease, releaseLease, renewLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { postMail, reportsTo } from '../mail/send.ts'
import { commitTree, compareAndSwapRef, isAncestor, mergeTree } from '../os/git.ts'
import { ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { countAttempt, getTask, setTaskState, type Task } from '../tasks/store.ts'
import { type Checked, checkCommit } from './check.ts'
import { landTrain } from './land.ts'
import { claimNextMerge, type MergeEntry, openMerges, settleMerge } from './store.ts'
import { trackOf, trainTip } from './track.ts'

const LEASE = 'merge-train'
const LEASE_MS = 30_000

export interface TrainReport {
  /** False when another process drives the train already. */
  readonly drove: boolean
  readonly merged: readonly MergeEntry[]
  readonly rejected: readonly MergeEntry[]
}

export interface TrainOptions {
  readonly land?: boolean
  /** Only the entry of this branch. */
  readonly branch?: string
  readonly onProgress?: (entry: MergeEntry, doing: string) => void
}

/**
 * Drives the merge train until its queue is empty: one process at a time, by lease; whoever comes meanwhile leaves,
 * and its entry is taken along. The lease is given up in the transaction that finds the queue empty, so no entry
 * can fall between.
 */
export async function driveTrain(project: Project, options: TrainOptions = {}): Promise<TrainReport> {
  const owner = ownIdentity()
  const lease = await write(project.db, async (tx) =>
    (await openMerges(tx)).length === 0 ? null : claimLease(tx, LEASE, owner, project.clock, LEASE_MS),
  )
  const report = { drove: lease !== null, merged: [] as MergeEntry[], rejected: [] as MergeEntry[] }
  if (lease === null) {
    if (options.land !== false) await landTrain(project)
    return report
  }
  const renewal = setInterval(() => {
    void write(project.db, (tx) => renewLease(tx, lease, project.clock, LEASE_MS)).catch((error: unknown) =>
      recordLeaseTrouble(project, error),
    )
  }, LEASE_MS / 3)
  try {
    for (;;) {
      const entry = await write(project.db, async (tx) => {
        if (!(await ownsLease(tx, lease))) return null
        const next = await claimNextMerge(tx, lease.fence, project.clock.now(), options.branch)
        if (next === null) await releaseLease(tx, lease)
        return next
      })
      if (entry === null) return report
      const settled = await mergeOne(project, lease, entry, options)
      if (settled === 'merged') report.merged.push(entry)
      if (settled === 'rejected') report.rejected.push(entry)
    }
  } finally {
    clearInterval(renewal)
    await write(project.db, (tx) => releaseLease(tx, lease))
  }
}

async function recordLeaseTrouble(project: Project, error: unknown): Promise<void> {
  await recordEvent(project.db, {
    at: project.clock.now(),
    type: 'merge.lease-not-renewed',
    data: { why: String(error) },
  })
}

/** Merges one entry: merge-tree, commit-tree, gates on that commit, compare-and-swap; again when main moved meanwhile. */
async function mergeOne(
  project: Project,
  lease: Lease,
  entry: MergeEntry,
  options: TrainOptions,
): Promise<'merged' | 'rejected' | 'lost'> {
  const say = options.onProgress ?? (() => undefined)
  const task = await getTask(project.db, entry.task_id)
  if (!task) throw new Error(`merge entry ${entry.id} has no task`)
  for (;;) {
    const track = await trackOf(project)
    const tip = await trainTip(project, track)
    if (tip.blocked) return settleRejected(project, entry, task, { why: 'conflict', output: tip.blocked })
    const already = await mergedAlready(project, tip.sha, entry.head_sha)
    if (already !== null) {
      if (options.land !== false) await landTrain(project)
      return settleMerged(project, entry, task, already)
    }
    say(entry, 'merging')
    const merged = await mergeTree(project.git, tip.sha, entry.head_sha)
    if (!merged.clean) {
      const output = `Your branch conflicts with ${track.branch} in:\n${merged.files.map((file) => `  ${file}`).join('\n')}\n\n${merged.messages}\n\nMerge ${tip.sha} into your branch (git merge ${tip.sha.slice(0, 12)}), resolve, commit, and say done again.`
      return settleRejected(project, entry, task, { why: 'conflict', output })
    }
    const commit = await commitTree(
      project.git,
      merged.tree,
      [tip.sha, entry.head_sha],
      await messageFor(project, entry, task),
    )
    const checked = await checkCommit(project, commit, (gate) => say(entry, `gate ${gate}`))
    if (!checked.green)
      return settleRejected(project, entry, task, { why: checked.why, output: checked.output, gate: checked.gate })
    if (!(await write(project.db, (tx) => ownsLease(tx, lease)))) return 'lost'
    if (await compareAndSwapRef(project.git, track.ref, commit, tip.expected, `ov: merge ${entry.branch}`)) {
      // Landed first, recorded second: whoever waits for `merged` finds the files in place.
      if (options.land !== false) await landTrain(project)
      return settleMerged(project, entry, task, commit, checked)
    }
    say(entry, `${track.branch} moved; once more`)
  }
}

/** A train that died between swap and record leaves its merge on the branch: find it there instead of merging twice. */
async function mergedAlready(project: Project, tip: string, head: string): Promise<string | null> {
  if (!(await isAncestor(project.git, head, tip))) return null
  const lines = (await project.git.raw('log', '--first-parent', '--format=%H %P', '--max-count=2000', tip)).split('\n')
  return lines.find((line) => line.split(' ').slice(2).includes(head))?.split(' ')[0] ?? tip
}

async function messageFor(project: Project, entry: MergeEntry, task: Task): Promise<string> {
  const agent = await getAgent(project.db, entry.agent_id)
  return `${oneLine(task.title, 72)}\n\nMerges ${entry.branch}.\n\n${trailers({ task: entry.task_id, agent: agent?.name ?? entry.agent_id, runtime: agent?.runtime ?? 'unknown' })}\n`
}

/** The trailers by which a commit is known to be `ov`'s. */
export function trailers({ task, agent, runtime }: { task: string; agent: string; runtime: string }): string {
  return `Ov-Task: ${task}\nOv-Agent: ${agent}\nOv-Runtime: ${runtime}`
}

async function settleMerged(
  project: Project,
  entry: MergeEntry,
  task: Task,
  commit: string,
  checked?: Checked,
): Promise<'merged' | 'lost'> {
  return write(project.db, async (tx) => {
    const now = project.clock.now()
    if (!(await settleMerge(tx, entry, 'merged', now, { mergedAs: commit }))) return 'lost'
    await setTaskState(tx, task.id, 'merged', now, { mergedAs: commit })
    await recordEvent(tx, {
      at: now,
      type: 'merge.merged',
      runId: entry.run_id,
      agentId: entry.agent_id,
      taskId: task.id,
      data: { commit, gates: checked?.green ? checked.gates : [] },
    })
    const agent = await getAgent(tx, entry.agent_id)
    if (agent) {
      await postMail(
        tx,
        {
          from: SYSTEM,
          to: await reportsTo(tx, agent),
          type: 'merged',
          priority: 'low',
          subject: `Merged: ${task.title}`,
          payload: { branch: entry.branch, commit: entry.head_sha, mergedAs: commit },
        },
        now,
      )
    }
    return 'merged'
  })
}

/** Sends a conflict or a red gate back to the author as mail and a new turn, as often as `merge.maxAttempts` allows. */
async function settleRejected(
  project: Project,
  entry: MergeEntry,
  task: Task,
  why: { why: 'conflict' | 'gate' | 'setup'; output: string; gate?: string },
): Promise<'rejected' | 'lost'> {
  return write(project.db, async (tx) => {
    const now = project.clock.now()
    const subject = why.why === 'conflict' ? 'Conflict' : `Gate ${why.gate ?? ''} is red`
    if (!(await settleMerge(tx, entry, 'rejected', now, { reason: `${subject}\n${why.output}` }))) return 'lost'
    await recordEvent(tx, {
      at: now,
      type: 'merge.rejected',
      runId: entry.run_id,
      agentId: entry.agent_id,
      taskId: task.id,
      data: { why: why.why, gate: why.gate ?? null },
    })
    const author = await agentOfTask(tx, task.id)
    const attemptsLeft = Math.max(0, project.config.merge.maxAttempts - task.attempts)
    if (!author || !isOpen(author)) {
      await setTaskState(tx, task.id, 'failed', now, {
        failedBy: why.why,
        reason: `${subject}, and its author has ended.\n${why.output}`,
      })
      return 'rejected'
    }
    if (attemptsLeft === 0) {
      await setTaskState(tx, task.id, 'failed', now, {
        failedBy: why.why,
        reason: `${subject} after ${task.attempts} attempts.\n${why.output}`,
      })
      return 'rejected'
    }
    await countAttempt(tx, task.id, now)
    await setTaskState(tx, task.id, 'running', now)
    await tx.updateTable('agents').set({ claimed_done: 0, reminded: 0 }).where('id', '=', author.id).execute()
    await postMail(
      tx,
      {
        from: SYSTEM,
        to: author.id,
        type: 'merge_failed',
        priority: 'high',
        subject: `${subject}: ${task.title}`,
        body: why.output,
        payload: {
          branch: entry.branch,
          commit: entry.head_sha,
          why: why.why,
          ...(why.gate === undefined ? {} : { gate: why.gate }),
          attemptsLeft,
        },
      },
      now,
    )
    return 'rejected'
  })
}
