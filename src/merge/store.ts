import type { MergeState } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { newId } from '../ids.ts'

export type MergeEntry = Schema['merges']

/** Puts a branch's head into the queue. A unique index refuses a second open entry of one task. */
export async function enqueueMerge(
  tx: Db,
  entry: Pick<MergeEntry, 'run_id' | 'task_id' | 'agent_id' | 'branch' | 'head_sha'>,
  now: number,
): Promise<MergeEntry> {
  const row: MergeEntry = {
    ...entry,
    id: newId(),
    state: 'ready',
    fence: 0,
    merged_as: null,
    reason: null,
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('merges').values(row).execute()
  return row
}

/** The oldest entry that is ready, or that a dead train left in the middle; claimed for the train with this fence. */
export async function claimNextMerge(tx: Db, fence: number, now: number, branch?: string): Promise<MergeEntry | null> {
  const row = await tx
    .updateTable('merges')
    .set({ state: 'merging', fence, updated_at: now })
    .where('id', '=', (from) => {
      let next = from
        .selectFrom('merges')
        .select('id')
        .where('state', 'in', ['ready', 'merging'])
        .orderBy('id')
        .limit(1)
      if (branch !== undefined) next = next.where('branch', '=', branch)
      return next
    })
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** Ends an entry, as the train that claimed it. False when another train has claimed it since. */
export async function settleMerge(
  tx: Db,
  entry: MergeEntry,
  state: Extract<MergeState, 'merged' | 'rejected' | 'dropped'>,
  now: number,
  more: { mergedAs?: string; reason?: string } = {},
): Promise<boolean> {
  const result = await tx
    .updateTable('merges')
    .set({ state, updated_at: now, merged_as: more.mergedAs ?? null, reason: more.reason ?? null })
    .where('id', '=', entry.id)
    .where('fence', '=', entry.fence)
    .where('state', '=', 'merging')
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Takes a task's open entry out of the queue. */
export async function dropMerges(tx: Db, taskId: string, reason: string, now: number): Promise<void> {
  await tx
    .updateTable('merges')
    .set({ state: 'dropped', reason, updated_at: now })
    .where('task_id', '=', taskId)
    .where('state', 'in', ['ready', 'merging'])
    .execute()
}

export function openMerges(db: Db): Promise<MergeEntry[]> {
  return db.selectFrom('merges').selectAll().where('state', 'in', ['ready', 'merging']).orderBy('id').execute()
}

export function mergesOfTask(db: Db, taskId: string): Promise<MergeEntry[]> {
  return db.selectFrom('merges').selectAll().where('task_id', '=', taskId).orderBy('id').execute()
}
