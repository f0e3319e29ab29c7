import type { Capability, FailedBy, TaskState } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { newId } from '../ids.ts'
import { sha256 } from '../os/digest.ts'

export type Task = Schema['tasks']

export interface NewTask {
  readonly runId: string
  readonly title: string
  readonly body: string
  readonly capability: Capability
  readonly command: string | null
  readonly files: readonly string[] | null
  readonly baseRef: string | null
  /** Makes a repeated task a new one. */
  readonly again: boolean
}

/** What makes two tasks the same: who is to do what with which command. White space around it makes no difference. */
export function digestOf(task: Pick<NewTask, 'capability' | 'body' | 'command'>): string {
  return sha256(JSON.stringify([task.capability, task.body.trim(), task.command]))
}

/** Inserts a queued task and gives its row. */
export async function insertTask(tx: Db, task: NewTask, now: number): Promise<Task> {
  const id = newId()
  const row: Task = {
    id,
    run_id: task.runId,
    title: task.title,
    body: task.body,
    digest: task.again ? `${digestOf(task)}:${id}` : digestOf(task),
    state: 'queued',
    reason: null,
    failed_by: null,
    capability: task.capability,
    command: task.command,
    files_json: task.files === null ? null : JSON.stringify(task.files),
    base_ref: task.baseRef,
    attempts: 0,
    merged_as: null,
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('tasks').values(row).execute()
  return row
}

/** The open task that is the same as this one, if there is one. */
export function findOpenTwin(tx: Db, digest: string): Promise<Task | undefined> {
  return tx
    .selectFrom('tasks')
    .selectAll()
    .where('digest', '=', digest)
    .where('state', 'in', ['queued', 'running', 'merging'])
    .executeTakeFirst()
}

export function getTask(db: Db, id: string): Promise<Task | undefined> {
  return db.selectFrom('tasks').selectAll().where('id', '=', id).executeTakeFirst()
}

export function tasksOfRun(db: Db, runId: string): Promise<Task[]> {
  return db.selectFrom('tasks').selectAll().where('run_id', '=', runId).execute()
}

/** Moves a task; a final state is never left so (only `reopenTask` leaves it). False when it was final already. */
export async function setTaskState(
  tx: Db,
  id: string,
  state: TaskState,
  now: number,
  more: { reason?: string | null; mergedAs?: string; failedBy?: FailedBy } = {},
): Promise<boolean> {
  const result = await tx
    .updateTable('tasks')
    .set({
      state,
      updated_at: now,
      ...(more.reason === undefined ? {} : { reason: more.reason }),
      ...(state === 'failed' ? { failed_by: more.failedBy ?? 'agent' } : {}),
      ...(more.mergedAs === undefined ? {} : { merged_as: more.mergedAs }),
    })
    .where('id', '=', id)
    .where('state', 'in', ['queued', 'running', 'merging'])
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Opens a task again that has failed or was stopped, in a run. It has all its attempts anew. False when it is in another state. */
export async function reopenTask(tx: Db, id: string, runId: string, now: number): Promise<boolean> {
  const result = await tx
    .updateTable('tasks')
    .set({ state: 'running', reason: null, failed_by: null, attempts: 1, run_id: runId, updated_at: now })
    .where('id', '=', id)
    .where('state', 'in', ['failed', 'stopped'])
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Counts one more attempt and gives the new number. */
export async function countAttempt(tx: Db, id: string, now: number): Promise<number> {
  const row = await tx
    .updateTable('tasks')
    .set((eb) => ({ attempts: eb('attempts', '+', 1), updated_at: now }))
    .where('id', '=', id)
    .returning('attempts')
    .executeTakeFirstOrThrow()
  return row.attempts
}

/** Moves tasks into another run. */
export async function moveTasks(tx: Db, ids: readonly string[], runId: string): Promise<void> {
  if (ids.length === 0) return
  await tx
    .updateTable('tasks')
    .set({ run_id: runId })
    .where('id', 'in', [...ids])
    .execute()
}
