import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { claimLease, type Lease, leaseHolder, leaseOwner } from '../db/lease.ts'
import { type Db, write } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { ownIdentity, startedAt } from '../os/process.ts'

/** The right to look after the fleet: one watcher at a time. */
export const WATCH_LEASE = 'watch'
/**
 * A watcher that is this late, in ms, does not count: whoever works looks after the fleet by itself meanwhile. The
 * right stays its own as long as its process is there.
 */
export const WATCH_LEASE_MS = 30_000

/** A watcher that is at work. */
export interface Watcher {
  readonly pid: number
  /** ms since the epoch, to about 10 ms. */
  readonly since: number
  /** True: its process is there, but has not looked for longer than it should (it is stopped, or the machine is overrun). */
  readonly late: boolean
}

/** Takes the right to watch, or says who has it. */
export function claimWatch(db: Kysely<Schema>, clock: Clock): Promise<Lease | Watcher> {
  return write(db, async (tx) => {
    const other = await watcherAtWork(tx, clock)
    if (other !== null) return other
    const lease = await claimLease(tx, WATCH_LEASE, ownIdentity(), clock, WATCH_LEASE_MS)
    if (lease === null) throw new Error('the watch lease is free and was refused')
    return lease
  })
}

/** Who watches, as the kernel and the lease say; null when nobody does. */
export async function watcherAtWork(db: Db, clock: Clock): Promise<Watcher | null> {
  const owner = await leaseOwner(db, WATCH_LEASE)
  if (owner === null) return null
  return { pid: owner.who.pid, since: startedAt(owner.who), late: owner.expiresAt <= clock.monotonic() }
}

/** Whether somebody watches and is not late: then the fleet is looked after. */
export async function isWatched(project: { readonly db: Db; readonly clock: Clock }): Promise<boolean> {
  return (await leaseHolder(project.db, WATCH_LEASE, project.clock)) !== null
}
