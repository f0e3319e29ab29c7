import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { newId } from '../ids.ts'

export type Run = Schema['runs']

/** The run that is going on: the newest one not ended, or null. */
export async function currentRun(db: Db): Promise<Run | null> {
  return (
    (await db
      .selectFrom('runs')
      .selectAll()
      .where('ended_at', 'is', null)
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .executeTakeFirst()) ?? null
  )
}

export function listRuns(db: Db): Promise<Run[]> {
  return db.selectFrom('runs').selectAll().orderBy('created_at').orderBy('id').execute()
}

export function getRun(db: Db, nameOrId: string): Promise<Run | undefined> {
  return db
    .selectFrom('runs')
    .selectAll()
    .where((is) => is.or([is('id', '=', nameOrId), is('name', '=', nameOrId)]))
    .executeTakeFirst()
}

/** Begins a run. Names are short and count up: `run-1`, `run-2`. */
export async function beginRun(tx: Db, now: number): Promise<Run> {
  const { count } = await tx
    .selectFrom('runs')
    .select((is) => is.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  const run: Run = { id: newId(), name: `run-${Number(count) + 1}`, created_at: now, ended_at: null }
  await tx.insertInto('runs').values(run).execute()
  return run
}

export async function endRun(tx: Db, id: string, now: number): Promise<void> {
  await tx.updateTable('runs').set({ ended_at: now }).where('id', '=', id).where('ended_at', 'is', null).execute()
}
