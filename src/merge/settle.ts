import { agentOfTask, getAgent, isOpen, reopenClaim } from '../agents/store.ts'
import { HUMAN, SYSTEM } from '../contract/mail.ts'
import { isFinal } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { postMail, reportsTo } from '../mail/send.ts'
import type { Project } from '../project.ts'
import { countAttempt, getTask, setTaskState, type Task } from '../tasks/store.ts'
import {
  type MergeEntry,
  noteTrain,
  recordMerged,
  settleMerge,
  type TrainFacts,
  trainFacts,
  UNBLOCKED,
} from './store.ts'

/** A merge that is on the branch, or on the train's ref, and not recorded yet. */
export interface Swapped {
  readonly entry: MergeEntry
  readonly task: Task
  readonly mergedAs: string
  readonly gates: readonly string[]
}

/** Records merges: entries, train, tasks, events and mail, in one transaction. */
export async function settleMerged(
  project: Project,
  branch: string,
  merges: readonly Swapped[],
  train: Partial<TrainFacts>,
): Promise<void> {
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    await noteTrain(tx, branch, { ...train, ...UNBLOCKED }, now)
    for (const merge of merges) await recordOne(tx, merge, now)
  })
}

async function recordOne(tx: Db, { entry, task, mergedAs, gates }: Swapped, now: number): Promise<void> {
  if (!(await recordMerged(tx, entry, mergedAs, now))) return
  await setTaskState(tx, task.id, 'merged', now, { mergedAs })
  await recordEvent(tx, {
    at: now,
    type: 'merge.merged',
    runId: entry.run_id,
    agentId: entry.agent_id,
    taskId: task.id,
    data: { commit: mergedAs, gates },
  })
  const agent = await getAgent(tx, entry.agent_id)
  if (agent === undefined) return
  await postMail(
    tx,
    {
      from: SYSTEM,
      to: await reportsTo(tx, agent),
      type: 'merged',
      priority: 'low',
      subject: `Merged: ${task.title}`,
      payload: { branch: entry.branch, commit: entry.head_sha, mergedAs },
    },
    now,
  )
}

/** Why a branch was not merged, for its author: what is its own to mend. */
export interface Rejection {
  readonly why: 'conflict' | 'gate' | 'setup'
  /** Name of the red gate. */
  readonly gate?: string
  readonly output: string
}

export interface Rejected {
  readonly entry: MergeEntry
  readonly rejection: Rejection
  /** How often its author may still try; 0: the task has failed. */
  readonly attemptsLeft: number
}

/**
 * Sends a conflict or a red gate back to its author as mail and a new turn, as often as `merge.maxAttempts` allows;
 * then the task has failed. Null when another train has the entry by now.
 */
export async function settleRejected(
  project: Project,
  entry: MergeEntry,
  rejection: Rejection,
): Promise<Rejected | null> {
  return write(project.db, async (tx) => {
    const now = project.clock.now()
    const subject = rejection.why === 'conflict' ? 'Conflict' : `Gate ${rejection.gate ?? ''} is red`
    if (!(await settleMerge(tx, entry, 'rejected', `${subject}\n${rejection.output}`, now))) return null
    const task = await getTask(tx, entry.task_id)
    const author = await agentOfTask(tx, entry.task_id)
    if (task === undefined || author === undefined) throw new Error(`merge entry ${entry.id} has no task or no agent`)
    const ended = !isOpen(author) || isFinal(task.state)
    const attemptsLeft = ended ? 0 : Math.max(0, project.config.merge.maxAttempts - task.attempts)
    await recordEvent(tx, {
      at: now,
      type: 'merge.rejected',
      runId: entry.run_id,
      agentId: entry.agent_id,
      taskId: task.id,
      data: { why: rejection.why, gate: rejection.gate ?? null, attemptsLeft },
    })
    if (attemptsLeft > 0) {
      await countAttempt(tx, task.id, now)
      await setTaskState(tx, task.id, 'running', now)
      await reopenClaim(tx, author.id)
    } else {
      const after = ended ? 'and its author has ended' : `after ${task.attempts} attempts`
      const reason = `${subject}, ${after}.\n${rejection.output}`
      if (!(await setTaskState(tx, task.id, 'failed', now, { failedBy: rejection.why, reason })))
        return { entry, rejection, attemptsLeft }
    }
    await postMail(
      tx,
      {
        from: SYSTEM,
        to: attemptsLeft > 0 ? author.id : await reportsTo(tx, author),
        type: 'merge_failed',
        priority: 'high',
        subject: `${subject}: ${task.title}`,
        body: rejection.output,
        payload: {
          branch: entry.branch,
          commit: entry.head_sha,
          why: rejection.why,
          ...(rejection.gate === undefined ? {} : { gate: rejection.gate }),
          attemptsLeft,
        },
      },
      now,
    )
    return { entry, rejection, attemptsLeft }
  })
}

/** What no author can mend: the train stands still, or passes entries over, until a human has acted. */
export interface Block {
  /** The commits it is about: another combination is another try. */
  readonly on: string
  /** First line: what is the matter. The rest: details. */
  readonly why: string
  /** The next thing to type. */
  readonly hint: string
}

/** Notes a block, and tells the human once: not again until the train has moved on. */
export async function settleBlocked(project: Project, branch: string, block: Block): Promise<void> {
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    const known = await trainFacts(tx, branch)
    if (known?.blocked_on === block.on && known.blocked_why === block.why) return
    const facts = { blocked_on: block.on, blocked_why: block.why, blocked_hint: block.hint }
    await noteTrain(tx, branch, facts, now)
    await recordEvent(tx, { at: now, type: 'merge.blocked', data: { branch, why: oneLine(block.why, 500) } })
    if (known?.blocked_why == null) await tellHuman(tx, branch, block, now)
  })
}

function tellHuman(tx: Db, branch: string, { why, hint }: Block, now: number): Promise<unknown> {
  return postMail(
    tx,
    {
      from: SYSTEM,
      to: HUMAN,
      type: 'escalation',
      priority: 'high',
      subject: oneLine(why.split('\n')[0] ?? '', 120),
      body: `${why}\n\n${hint}`,
      payload: { about: `merge train of ${branch}` },
    },
    now,
  )
}
