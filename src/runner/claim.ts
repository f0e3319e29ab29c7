import { keepWork } from '../agents/keep-work.ts'
import { recordFor } from '../agents/record.ts'
import { type Agent, assertOwned, getAgent, updateAgent } from '../agents/store.ts'
import { isFinal } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { postMail, reportsTo } from '../mail/send.ts'
import { trailers } from '../merge/message.ts'
import { dropMerges, enqueueMerge, mergesOfTask } from '../merge/store.ts'
import { changedOutside, commitAll, commitOf, commitsBetween, uncommitted } from '../os/git.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { getTask, setTaskState, type Task } from '../tasks/store.ts'
import { startingPoint } from '../worktrees/base.ts'
import { gitIn, worktreePath } from '../worktrees/prepare.ts'

export interface Claim {
  readonly state: 'queued-for-merge' | 'done'
  readonly branch: string
  readonly commit: string | null
}

/**
 * An agent says it is done. That is a claim: its branch goes into the merge queue in the transaction that records
 * the `worker_done`, and it is done when the gates pass on the merged commit. Work that isn't there, or isn't
 * committed, is refused.
 *
 * Said again it changes nothing; with more commits it takes the place of the claim before.
 *
 * @param agent by the right of its owner: a newer fence refuses the claim
 * @throws {OvError} `done.persistent`, `done.uncommitted`, `done.no-work`, `done.out-of-scope`, `done.merging`, `done.ended`,
 *   `agent.fenced`
 */
export async function claimDone(
  project: Project,
  agent: Agent,
  { summary, noChanges }: { summary: string; noChanges: boolean },
): Promise<Claim> {
  refusePersistent(agent)
  const path = worktreePath(project, agent.worktree)
  const current = await getAgent(project.db, agent.id)
  const task = await getTask(project.db, agent.task_id)
  if (!current || !task) throw new Error(`agent ${agent.id} or its task has no row`)
  const git = gitIn(project, path)
  const readOnly = project.roles[agent.capability].readOnly
  const head = await commitOf(git, 'HEAD')
  const dirty = await uncommitted(git)
  const ahead = head === null || current.base_sha === null ? 0 : await commitsBetween(git, current.base_sha, head)
  if (!readOnly) {
    if (dirty.length > 0) {
      throw new OvError(
        'user',
        'done.uncommitted',
        `${dirty.length} file${dirty.length === 1 ? ' is' : 's are'} not committed: ${dirty.slice(0, 5).map(pathOf).join(', ')}.`,
        { hint: 'git add -A && git commit -m "…", then say done again' },
      )
    }
    if (ahead === 0 && !noChanges) {
      throw new OvError('user', 'done.no-work', 'There is no commit of yours to merge.', {
        hint: 'Do the task and commit it; if nothing had to change: ov done --no-changes --summary "why"',
      })
    }
  }
  const merges = !readOnly && ahead > 0
  const outside = merges ? await outsideScope(project, current, task) : []
  if (outside.length > 0) {
    throw new OvError(
      'user',
      'done.out-of-scope',
      `${outside.slice(0, 5).join(', ')} ${outside.length === 1 ? 'is' : 'are'} outside the scope of your task.`,
      {
        hint: `Change only what lies under ${scopeOf(task).join(', ')}: take the rest back (git checkout ${current.base_sha?.slice(0, 12)} -- FILE), commit, then say done again. If it must change: ov ask "…"`,
      },
    )
  }
  if (head !== null && ahead > 0) await keepWork(project, current)
  step('claim.kept')
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    if (await isClaimed(tx, agent, head)) return
    await dropMerges(tx, agent.task_id, 'Its author has claimed a later commit.', now)
    await updateAgent(tx, agent, { claimed_done: 1 })
    const facts = { run_id: agent.run_id, task_id: agent.task_id, agent_id: agent.id, branch: agent.branch }
    if (merges && head !== null) {
      await enqueueMerge(tx, { ...facts, head_sha: head }, now)
      await setTaskState(tx, agent.task_id, 'merging', now)
    } else {
      await setTaskState(tx, agent.task_id, 'done', now)
    }
    await postMail(
      tx,
      {
        from: agent.id,
        to: await reportsTo(tx, agent),
        type: 'worker_done',
        subject: `Done: ${oneLine(summary, 100)}`,
        body: summary,
        payload: { task: agent.task_id, branch: agent.branch, commit: merges ? head : null },
      },
      now,
    )
    await recordFor(tx, agent, now, 'agent.claimed-done', { commit: head, commits: ahead })
  })
  step('claim.recorded')
  return { state: merges ? 'queued-for-merge' : 'done', branch: agent.branch, commit: merges ? head : null }
}

/** The path in a line of git's status. */
function pathOf(entry: string): string {
  return entry.replace(/^.. /, '')
}

/** Whether just this is claimed already. What is being merged, or has been, can't be claimed anew. */
async function isClaimed(tx: Db, agent: Agent, head: string | null): Promise<boolean> {
  const task = await getTask(tx, agent.task_id)
  const last = (await mergesOfTask(tx, agent.task_id)).at(-1)
  const isSame = last === undefined || last.head_sha === head
  if (task && isFinal(task.state)) {
    if (isSame && (task.state === 'merged' || task.state === 'done')) return true
    throw new OvError('user', 'done.ended', `Your task has ended: it is ${task.state}.`, {
      hint: 'End your turn. What you have committed is kept.',
    })
  }
  if (last?.state === 'ready') return isSame
  if (last?.state !== 'merging') return false
  if (isSame) return true
  const at = last.head_sha.slice(0, 12)
  throw new OvError(
    'busy',
    'done.merging',
    `${agent.branch} is being merged as it was at ${at}, without your later commits.`,
    {
      hint: 'Wait for word of it: ov mail wait. If it comes back to you, say done again.',
    },
  )
}

/** Path prefixes a task may change; empty means all. */
function scopeOf(task: Task): string[] {
  return task.files_json === null ? [] : JSON.parse(task.files_json)
}

/** Files an agent's commits change that its task's scope does not name. */
async function outsideScope(project: Project, agent: Agent, task: Task): Promise<string[]> {
  const scope = scopeOf(task)
  if (scope.length === 0) return []
  // Against where it would be merged: what it took in from others is not its change.
  return changedOutside(project.git, await startingPoint(project), `refs/heads/${agent.branch}`, scope)
}

/**
 * An agent says it can't do its task. Its runner ends it after the turn.
 *
 * @throws {OvError} `done.persistent`, `fail.ended`, `agent.fenced`
 */
export async function giveUp(project: Project, agent: Agent, reason: string): Promise<{ state: 'failed' }> {
  refusePersistent(agent)
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    if (!(await setTaskState(tx, agent.task_id, 'failed', now, { reason }))) {
      const task = await getTask(tx, agent.task_id)
      throw new OvError('user', 'fail.ended', `Your task has ended: it is ${task?.state}.`, { hint: 'End your turn.' })
    }
    await assertOwned(tx, agent)
    await dropMerges(tx, agent.task_id, reason, now)
    await recordFor(tx, agent, now, 'agent.gave-up', { reason: reason.slice(0, 2000) })
    await postMail(
      tx,
      {
        from: agent.id,
        to: await reportsTo(tx, agent),
        type: 'worker_died',
        priority: 'high',
        subject: `Failed: ${oneLine(reason, 100)}`,
        body: reason,
        payload: { task: agent.task_id, agent: agent.name, reason: reason.slice(0, 2000) },
      },
      now,
    )
  })
  return { state: 'failed' }
}

function refusePersistent(agent: Agent): void {
  if (agent.persistent === 0) return
  throw new OvError('user', 'done.persistent', `You are the ${agent.capability}: your work has no end of its own.`, {
    hint: 'Tell the human how things stand, then end your turn: ov mail send --to human --subject "…" --body "…"',
  })
}

/**
 * The claim of an agent whose runtime runs no command of its own: that its turn ended well is its word. What it left
 * uncommitted is committed with the task as its message.
 *
 * Of a command that is all there is. Who understands prompts and changed nothing has claimed nothing, though: its words may
 * be a question, or a reason why it could not. (A read-only role is asked for words alone.)
 *
 * @param words what it said, its summary; null for a command
 * @returns why the claim was refused, in words for the agent, or null
 */
export async function claimOnBehalf(project: Project, agent: Agent, words: string | null): Promise<string | null> {
  const task = await getTask(project.db, agent.task_id)
  const me = await getAgent(project.db, agent.id)
  if (!task || !me || isFinal(task.state)) return null
  if (me.claimed_done === 1 && words === null) return null
  const git = gitIn(project, worktreePath(project, agent.worktree))
  const { readOnly } = project.roles[agent.capability]
  const message = `${oneLine(task.title, 72)}\n\n${trailers({ task: task.id, agent: agent.name, runtime: agent.runtime })}\n`
  if (!readOnly && (await uncommitted(git)).length > 0) {
    await commitAll(git, message)
    step('claim.committed')
  }
  const noChanges = me.base_sha !== null && (await commitsBetween(git, me.base_sha, 'HEAD')) === 0
  if (words !== null && !readOnly) {
    const last = (await mergesOfTask(project.db, task.id)).at(-1)
    const isNew = !noChanges && last?.head_sha !== (await commitOf(git, 'HEAD'))
    // Mail came after its claim, and it had nothing to add.
    if (!isNew && me.claimed_done === 1) return null
    if (!isNew) return `You changed nothing.`
  }
  try {
    await claimDone(project, agent, { summary: words ?? task.title, noChanges })
    return null
  } catch (error) {
    if (!(error instanceof OvError)) throw error
    // What it claimed is being merged. What it has added since is kept, and goes along if that comes back.
    return error.code === 'done.merging' ? null : error.message
  }
}
