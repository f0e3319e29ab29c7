import type { Clock } from '../clock.ts'
import { bootId, liveness, type ProcessIdentity } from '../os/process.ts'
import type { Db } from './open.ts'
import type { Schema } from './schema.ts'

/**
 * A leased right: one owner at a time, known by its process. `fence` rises with every owner, so that one who
 * lost it without noticing can be refused.
 */
export interface Lease {
  readonly resource: string
  readonly fence: number
  /** True when the owner before never gave it up: it died, or is so late that it may still act on it. */
  readonly seized: boolean
}

/**
 * Takes a lease when it is free, run out, or its owner is dead for certain. Call it in a write transaction.
 * Time is monotonic ms of this boot; after a reboot every old lease is free.
 */
export async function claimLease(
  tx: Db,
  resource: string,
  owner: ProcessIdentity,
  clock: Clock,
  ttlMs: number,
): Promise<Lease | null> {
  const row = await tx.selectFrom('leases').selectAll().where('resource', '=', resource).executeTakeFirst()
  const now = clock.monotonic()
  if (row && held(row, now)) return null
  const fence = (row?.fence ?? 0) + 1
  const values = {
    fence,
    owner_pid: owner.pid,
    owner_start: owner.start,
    owner_boot: owner.boot,
    expires_at: now + ttlMs,
  }
  await tx
    .insertInto('leases')
    .values({ resource, ...values })
    .onConflict((conflict) => conflict.column('resource').doUpdateSet(values))
    .execute()
  return { resource, fence, seized: row !== undefined && row.expires_at !== null }
}

interface Held {
  readonly owner_pid: number | null
  readonly owner_start: string | null
  readonly owner_boot: string | null
  readonly expires_at: number | null
}

function held(row: Held, now: number): boolean {
  if (row.expires_at === null || row.owner_pid === null || row.owner_boot !== bootId()) return false
  if (row.expires_at <= now) return false
  return liveness({ pid: row.owner_pid, start: row.owner_start ?? '', boot: row.owner_boot }) !== 'gone'
}

/** Extends a lease one still owns; false when somebody else has it by now. */
export async function renewLease(tx: Db, lease: Lease, clock: Clock, ttlMs: number): Promise<boolean> {
  const result = await tx
    .updateTable('leases')
    .set({ expires_at: clock.monotonic() + ttlMs })
    .where('resource', '=', lease.resource)
    .where('fence', '=', lease.fence)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

/** True while nobody has taken the lease over. Ask inside the transaction whose writes depend on it. */
export async function ownsLease(tx: Db, lease: Lease): Promise<boolean> {
  const row = await tx
    .selectFrom('leases')
    .select('fence')
    .where('resource', '=', lease.resource)
    .where('fence', '=', lease.fence)
    .where('expires_at', 'is not', null)
    .executeTakeFirst()
  return row !== undefined
}

export async function releaseLease(tx: Db, lease: Lease): Promise<void> {
  await tx
    .updateTable('leases')
    .set({ expires_at: null, owner_pid: null })
    .where('resource', '=', lease.resource)
    .where('fence', '=', lease.fence)
    .execute()
}

/** Gives a lease up for good: its resource will not be leased again. */
export async function dropLease(tx: Db, lease: Lease): Promise<void> {
  await tx.deleteFrom('leases').where('resource', '=', lease.resource).where('fence', '=', lease.fence).execute()
}

/** Leases that were taken and not given up, whatever became of their owners. */
export function heldLeases(db: Db): Promise<Schema['leases'][]> {
  return db.selectFrom('leases').selectAll().where('expires_at', 'is not', null).orderBy('resource').execute()
}

/** Those of them whose owner is dead for certain. */
export async function deadLeases(db: Db): Promise<Schema['leases'][]> {
  return (await heldLeases(db)).filter(({ owner_pid: pid, owner_start: start, owner_boot: boot }) => {
    return pid === null || liveness({ pid, start: start ?? '', boot: boot ?? '' }) === 'gone'
  })
}

/** Who holds a lease now, or null. */
export async function leaseHolder(db: Db, resource: string, clock: Clock): Promise<ProcessIdentity | null> {
  const row = await db.selectFrom('leases').selectAll().where('resource', '=', resource).executeTakeFirst()
  if (!row || !held(row, clock.monotonic()) || row.owner_pid === null) return null
  return { pid: row.owner_pid, start: row.owner_start ?? '', boot: row.owner_boot ?? '' }
}

/** Who took a lease and has not given it up, and when it runs out (monotonic ms). */
export interface Owner {
  readonly who: ProcessIdentity
  readonly fence: number
  readonly expiresAt: number
}

/**
 * The owner of a lease, however late it is, unless it is gone for certain: for rights that time alone must not take
 * from a process that still runs. Null when nobody has it.
 */
export async function leaseOwner(db: Db, resource: string): Promise<Owner | null> {
  const row = await db.selectFrom('leases').selectAll().where('resource', '=', resource).executeTakeFirst()
  if (!row || row.expires_at === null || row.owner_pid === null) return null
  const who = { pid: row.owner_pid, start: row.owner_start ?? '', boot: row.owner_boot ?? '' }
  return liveness(who) === 'gone' ? null : { who, fence: row.fence, expiresAt: row.expires_at }
}
