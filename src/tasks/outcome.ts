import { agentOfTask } from '../agents/store.ts'
import type { FailedBy, TaskState } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import { EXIT_CODES } from '../errors.ts'
import { mergesOfTask } from '../merge/store.ts'
import { getTask } from './store.ts'

/** What became of a task: the one object that `ov sling --json` prints. */
export interface Outcome {
  readonly task: string
  readonly agent: string
  readonly state: TaskState
  readonly branch: string
  /** Head of the agent's branch that was last put into the merge queue; null when none was. */
  readonly commit: string | null
  /** The commit on the canonical branch that brought it in; null until then. */
  readonly mergedAs: string | null
  readonly attempts: number
  /** Why it failed or was stopped; null otherwise. */
  readonly reason: string | null
  readonly failedBy: FailedBy | null
}

/** Reads how a task stands. */
export async function outcomeOf(db: Db, taskId: string): Promise<Outcome> {
  const task = await getTask(db, taskId)
  const agent = await agentOfTask(db, taskId)
  if (!task || !agent) throw new Error(`task ${taskId} has no row or no agent`)
  const entry = (await mergesOfTask(db, taskId)).at(-1)
  return {
    task: task.id,
    agent: agent.name,
    state: task.state,
    branch: agent.branch,
    commit: entry?.head_sha ?? null,
    mergedAs: task.merged_as,
    attempts: task.attempts,
    reason: task.reason,
    failedBy: task.failed_by,
  }
}

/** How a command ends that waited for this task: a red gate or a conflict is told from any other failure. */
export function exitCodeOf({ state, failedBy }: Pick<Outcome, 'state' | 'failedBy'>): number {
  switch (state) {
    case 'merged':
    case 'done':
      return 0
    case 'failed':
      return failedBy === 'conflict' || failedBy === 'gate' ? EXIT_CODES.conflict : EXIT_CODES.failed
    case 'stopped':
      return EXIT_CODES.failed
    case 'queued':
    case 'running':
    case 'merging':
      return EXIT_CODES.timeout
  }
}

/** One line for a person. */
export function lineOf(outcome: Outcome): { ok: boolean; line: string } {
  const tries = outcome.attempts > 1 ? ` after ${outcome.attempts} attempts` : ''
  const why = outcome.reason ? `: ${outcome.reason.split('\n')[0]}` : ''
  switch (outcome.state) {
    case 'merged':
      return { ok: true, line: `merged as ${outcome.mergedAs?.slice(0, 8)}${tries}` }
    case 'done':
      return { ok: true, line: `done, nothing to merge${tries}` }
    case 'failed':
      return { ok: false, line: `failed${tries}${why}` }
    case 'stopped':
      return { ok: false, line: `stopped${why}` }
    case 'queued':
    case 'running':
    case 'merging':
      return { ok: true, line: `still ${outcome.state}` }
  }
}
