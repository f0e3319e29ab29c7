import type { LandingState, MergeState } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import type { Schema, TrainRow } from '../db/schema.ts'
import { standingQuery } from '../db/standing.ts'
import { newId } from '../ids.ts'
import type { ProcessIdentity } from '../os/process.ts'

export type MergeEntry = Schema['merges']
export type TrainFacts = Schema['trains']
export type LandingEntry = Schema['landings']

/** The lease of whoever drives the train. */
export const TRAIN_LEASE = 'merge-train'

/** A hold after trouble is this long at most, so that a wall clock that jumped back can't make it longer. */
const LONGEST_HOLD_MS = 60_000

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
    intended_as: null,
    merged_as: null,
    not_before: 0,
    reason: null,
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('merges').values(row).execute()
  return row
}

export interface Wanted {
  /** Only the entry of this branch. */
  readonly branch?: string | undefined
  /** Also those that were put back after trouble: somebody asked for it. */
  readonly held: boolean
}

/** Claims the oldest entry that is ready, or that a dead train left in the middle, for the train with this fence. */
export async function claimNextMerge(tx: Db, fence: number, now: number, want: Wanted): Promise<MergeEntry | null> {
  const row = await tx
    .updateTable('merges')
    .set({ state: 'merging', fence, updated_at: now })
    .where('id', '=', (from) => {
      // What this very train has claimed it is done with, or has put back.
      let next = from
        .selectFrom('merges')
        .select('id')
        .where('state', 'in', ['ready', 'merging'])
        .where('fence', '!=', fence)
      if (want.branch !== undefined) next = next.where('branch', '=', want.branch)
      if (!want.held)
        next = next.where((is) => is.or([is('not_before', '<=', now), is('not_before', '>', now + LONGEST_HOLD_MS)]))
      return next.orderBy('id').limit(1)
    })
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** Puts a claimed entry back as it was, to be tried again: never its author's fault. */
export async function putBackMerge(
  tx: Db,
  entry: MergeEntry,
  hold: { notBefore?: number },
  now: number,
): Promise<void> {
  await tx
    .updateTable('merges')
    .set({
      state: 'ready',
      updated_at: now,
      ...(hold.notBefore === undefined ? {} : { not_before: Math.min(hold.notBefore, now + LONGEST_HOLD_MS) }),
    })
    .where('id', '=', entry.id)
    .where('fence', '=', entry.fence)
    .where('state', '=', 'merging')
    .execute()
}

/** Writes down which commit is about to be swapped in, as the train that claimed the entry. False: it lost it. */
export async function intendMerge(tx: Db, entry: MergeEntry, commit: string, now: number): Promise<boolean> {
  const result = await tx
    .updateTable('merges')
    .set({ intended_as: commit, updated_at: now })
    .where('id', '=', entry.id)
    .where('fence', '=', entry.fence)
    .where('state', '=', 'merging')
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Commits that trains meant to swap in, newest first, whatever became of them. */
export async function intendedCommits(db: Db, limit = 50): Promise<string[]> {
  const rows = await db
    .selectFrom('merges')
    .select('intended_as')
    .where('intended_as', 'is not', null)
    .orderBy('updated_at', 'desc')
    .limit(limit)
    .execute()
  return rows.flatMap((row) => row.intended_as ?? [])
}

/** Ends an entry, as the train that claimed it. False when another train has claimed it since. */
export async function settleMerge(
  tx: Db,
  entry: MergeEntry,
  state: Extract<MergeState, 'rejected' | 'dropped'>,
  reason: string,
  now: number,
): Promise<boolean> {
  const result = await tx
    .updateTable('merges')
    .set({ state, updated_at: now, reason })
    .where('id', '=', entry.id)
    .where('fence', '=', entry.fence)
    .where('state', '=', 'merging')
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/**
 * Records that an entry is merged. The branch holds it, so whoever sees that may say so, whatever its row said: a
 * train that was overtaken between its swap and this, or a stop that came in that moment. False: it was recorded already.
 */
export async function recordMerged(tx: Db, entry: MergeEntry, mergedAs: string, now: number): Promise<boolean> {
  const result = await tx
    .updateTable('merges')
    .set({ state: 'merged', merged_as: mergedAs, reason: null, updated_at: now })
    .where('id', '=', entry.id)
    .where('state', '!=', 'merged')
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

/** The queue, in the order in which it is merged. */
export const openMerges: (db: Db) => Promise<MergeEntry[]> = standingQuery((db) =>
  db.selectFrom('merges').selectAll().where('state', 'in', ['ready', 'merging']).orderBy('id'),
)

export function getMerge(db: Db, id: string): Promise<MergeEntry | undefined> {
  return db.selectFrom('merges').selectAll().where('id', '=', id).executeTakeFirst()
}

export function mergesOfTask(db: Db, taskId: string): Promise<MergeEntry[]> {
  return db.selectFrom('merges').selectAll().where('task_id', '=', taskId).orderBy('id').execute()
}

export function trainFacts(db: Db, branch: string): Promise<TrainFacts | undefined> {
  return db.selectFrom('trains').selectAll().where('branch', '=', branch).executeTakeFirst()
}

/** What a train's facts are when nothing keeps it from going on. */
export const UNBLOCKED = { blocked_on: null, blocked_why: null, blocked_hint: null } as const

/** Notes what is known of a train. */
export async function noteTrain(
  tx: Db,
  branch: string,
  patch: Partial<Omit<TrainRow, 'branch' | 'updated_at'>>,
  now: number,
): Promise<void> {
  await tx
    .insertInto('trains')
    .values({
      branch,
      base_sha: null,
      tip_sha: null,
      landed_sha: null,
      green_sha: null,
      red_sha: null,
      red_gate: null,
      ...UNBLOCKED,
      ...patch,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.column('branch').doUpdateSet({ ...patch, updated_at: now }))
    .execute()
}

export function openLanding(db: Db, checkout: string): Promise<LandingEntry | undefined> {
  return db
    .selectFrom('landings')
    .selectAll()
    .where('checkout', '=', checkout)
    .where('state', '=', 'landing')
    .executeTakeFirst()
}

/** Writes down a landing before it touches anything. A unique index refuses a second open one of a checkout. */
export async function beginLanding(
  tx: Db,
  landing: Pick<LandingEntry, 'branch' | 'checkout' | 'from_sha' | 'to_sha'>,
  owner: ProcessIdentity,
  now: number,
): Promise<LandingEntry> {
  const row: LandingEntry = {
    ...landing,
    id: newId(),
    state: 'landing',
    owner_pid: owner.pid,
    owner_start: owner.start,
    owner_boot: owner.boot,
    created_at: now,
    updated_at: now,
  }
  await tx.insertInto('landings').values(row).execute()
  return row
}

/** Takes over the landing of an owner that is gone. False when somebody else was faster. */
export async function adoptLanding(
  tx: Db,
  landing: LandingEntry,
  owner: ProcessIdentity,
  now: number,
): Promise<boolean> {
  const result = await tx
    .updateTable('landings')
    .set({ owner_pid: owner.pid, owner_start: owner.start, owner_boot: owner.boot, updated_at: now })
    .where('id', '=', landing.id)
    .where('state', '=', 'landing')
    .where('owner_pid', landing.owner_pid === null ? 'is' : '=', landing.owner_pid)
    .where('owner_start', landing.owner_start === null ? 'is' : '=', landing.owner_start)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Gives a landing up that could not be finished: the next one takes it up like that of a dead owner. */
export async function abandonLanding(tx: Db, id: string, now: number): Promise<void> {
  await tx
    .updateTable('landings')
    .set({ owner_pid: null, owner_start: null, owner_boot: null, updated_at: now })
    .where('id', '=', id)
    .where('state', '=', 'landing')
    .execute()
}

export async function endLanding(
  tx: Db,
  id: string,
  state: Exclude<LandingState, 'landing'>,
  now: number,
): Promise<void> {
  await tx
    .updateTable('landings')
    .set({ state, updated_at: now })
    .where('id', '=', id)
    .where('state', '=', 'landing')
    .execute()
}

/** Removes a landing that touched nothing. */
export async function forgetLanding(tx: Db, id: string): Promise<void> {
  await tx.deleteFrom('landings').where('id', '=', id).where('state', '=', 'landing').execute()
}

export const openLandings: (db: Db) => Promise<LandingEntry[]> = standingQuery((db) =>
  db.selectFrom('landings').selectAll().where('state', '=', 'landing'),
)

/** The newest `limit` entries that are settled, newest first. */
export function settledMerges(db: Db, runId: string, limit: number): Promise<MergeEntry[]> {
  return db
    .selectFrom('merges')
    .selectAll()
    .where('run_id', '=', runId)
    .where('state', 'in', ['merged', 'rejected', 'dropped'])
    .orderBy('updated_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
}
