import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { OvError } from '../errors.ts'
import { newId } from '../ids.ts'
import { oneLine } from '../mail/frame.ts'

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

/**
 * The run that a person means: by name or id, else the current, else the last one; null when there has been none.
 * @throws {OvError} `run.unknown`
 */
export async function chosenRun(db: Db, wanted: string | undefined): Promise<Run | null> {
  if (wanted === undefined) return (await currentRun(db)) ?? (await listRuns(db)).at(-1) ?? null
  const run = await getRun(db, wanted)
  if (run) return run
  throw new OvError('user', 'run.unknown', `There is no run "${oneLine(wanted, 60)}".`, { hint: 'ov run list' })
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
