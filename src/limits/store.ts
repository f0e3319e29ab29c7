import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import type { Account } from './account.ts'
import type { Limit, LimitCause } from './rules.ts'

export type LimitRow = Schema['limits']

/** How an account is named in the table. */
export type Key = Pick<Account, 'provider' | 'account'>

export async function findLimit(db: Db, { provider, account }: Key): Promise<LimitRow | null> {
  const row = await db
    .selectFrom('limits')
    .selectAll()
    .where('provider', '=', provider)
    .where('account', '=', account)
    .executeTakeFirst()
  return row ?? null
}

/** Those that hold at present, whatever their time; the newest first. */
export function openLimits(db: Db): Promise<LimitRow[]> {
  return db
    .selectFrom('limits')
    .selectAll()
    .where('lifted_at', 'is', null)
    .orderBy('since', 'desc')
    .orderBy('provider')
    .orderBy('account')
    .execute()
}

/** What a row says, for rules. */
export function limitIn(row: LimitRow | null): Limit | null {
  if (row === null) return null
  return {
    cause: row.cause as LimitCause,
    until: row.until,
    untilMonotonic: row.until_monotonic,
    boot: row.boot,
    estimated: row.estimated === 1,
    setbacks: row.setbacks,
    since: row.since,
    evidence: row.evidence,
    liftedAt: row.lifted_at,
    nextMonotonic: row.next_monotonic,
  }
}

/** Writes a limit as it is now. Nobody asks for it any more, or not yet. */
export async function putLimit(
  tx: Db,
  { provider, account }: Key,
  limit: Limit,
  { runtime, said }: { readonly runtime: string; readonly said: string },
): Promise<void> {
  const values = {
    cause: limit.cause,
    until: limit.until,
    until_monotonic: limit.untilMonotonic,
    boot: limit.boot,
    estimated: limit.estimated ? 1 : 0,
    setbacks: limit.setbacks,
    since: limit.since,
    runtime,
    said,
    probe: null,
    probe_fence: null,
    evidence: limit.evidence,
    lifted_at: limit.liftedAt,
    next_monotonic: limit.nextMonotonic,
  }
  await tx
    .insertInto('limits')
    .values({ provider, account, ...values })
    .onConflict((conflict) => conflict.columns(['provider', 'account']).doUpdateSet(values))
    .execute()
}

/** Notes who asks: an agent, and by which fence. Null: nobody does. */
export async function noteProbe(
  tx: Db,
  { provider, account }: Key,
  who: { readonly id: string; readonly fence: number } | null,
): Promise<void> {
  await tx
    .updateTable('limits')
    .set({ probe: who?.id ?? null, probe_fence: who?.fence ?? null })
    .where('provider', '=', provider)
    .where('account', '=', account)
    .execute()
}

/** Marks a limit as over. False when it was, or there is none. */
export async function markLifted(tx: Db, { provider, account }: Key, now: number): Promise<boolean> {
  const result = await tx
    .updateTable('limits')
    .set({ lifted_at: now, probe: null, probe_fence: null, next_monotonic: null })
    .where('provider', '=', provider)
    .where('account', '=', account)
    .where('lifted_at', 'is', null)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** Moves the line of those that waited on. */
export async function moveLine(
  tx: Db,
  { provider, account }: Key,
  next: { readonly monotonic: number; readonly boot: string },
): Promise<void> {
  await tx
    .updateTable('limits')
    .set({ next_monotonic: next.monotonic, boot: next.boot })
    .where('provider', '=', provider)
    .where('account', '=', account)
    .execute()
}
