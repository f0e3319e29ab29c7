import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { newId } from '../ids.ts'
import type { ProcessIdentity } from '../os/process.ts'

/**
 * A prepared worktree:
 *
 * ```
 *  making ──► ready ──► taken ──► (an agent's own; no row any more)
 *     │         │         │
 *     └─────────┴─────────┴──► (removed; no row any more)
 * ```
 *
 * `making` and `taken` have an owner, the process that is at it; where that is gone, what it had begun is removed.
 */
export type PoolSlot = Schema['pool']

/** Begins a slot, when fewer than `size` are there or on their way. */
export async function beginSlot(tx: Db, size: number, owner: ProcessIdentity, now: number): Promise<PoolSlot | null> {
  const { count } = await tx
    .selectFrom('pool')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('state', 'in', ['making', 'ready'])
    .executeTakeFirstOrThrow()
  if (Number(count) >= size) return null
  const row: PoolSlot = { id: newId(), state: 'making', base_sha: null, ...ownedBy(owner), created_at: now }
  await tx.insertInto('pool').values(row).execute()
  return row
}

/** A slot is whole: nobody owns it, whoever claims it first gets it. */
export async function offerSlot(tx: Db, id: string, base: string): Promise<void> {
  await tx
    .updateTable('pool')
    .set({ state: 'ready', base_sha: base, owner_pid: null, owner_start: null, owner_boot: null })
    .where('id', '=', id)
    .where('state', '=', 'making')
    .execute()
}

/** Claims a slot in one statement, so that two never get the same; one at `base` before others. Null: there is none. */
export async function claimSlot(tx: Db, owner: ProcessIdentity, base: string): Promise<PoolSlot | null> {
  const row = await tx
    .updateTable('pool')
    .set({ state: 'taken', ...ownedBy(owner) })
    .where('id', '=', (from) =>
      from
        .selectFrom('pool')
        .select('id')
        .where('state', '=', 'ready')
        .orderBy((is) => is.case().when('base_sha', '=', base).then(0).else(1).end())
        .orderBy('id')
        .limit(1),
    )
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** Takes over a slot of an owner that is gone, or one that nobody wants any more. False: somebody else was faster. */
export async function seizeSlot(tx: Db, slot: PoolSlot, owner: ProcessIdentity): Promise<boolean> {
  const result = await tx
    .updateTable('pool')
    .set({ state: 'taken', ...ownedBy(owner) })
    .where('id', '=', slot.id)
    .where('state', '=', slot.state)
    .where('owner_pid', slot.owner_pid === null ? 'is' : '=', slot.owner_pid)
    .where('owner_start', slot.owner_start === null ? 'is' : '=', slot.owner_start)
    .executeTakeFirst()
  return result.numUpdatedRows === 1n
}

export async function endSlot(tx: Db, id: string): Promise<void> {
  await tx.deleteFrom('pool').where('id', '=', id).execute()
}

export function allSlots(db: Db): Promise<PoolSlot[]> {
  return db.selectFrom('pool').selectAll().orderBy('id').execute()
}

function ownedBy(owner: ProcessIdentity) {
  return { owner_pid: owner.pid, owner_start: owner.start, owner_boot: owner.boot }
}
