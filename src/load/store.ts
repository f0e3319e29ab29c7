import type { Level } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { standingQuery } from '../db/standing.ts'

/** What one of the two wants: a person, or `ov` for what it has seen of the load. */
export type ModeRow = Schema['modes']

export interface ModeRows {
  readonly human: ModeRow | null
  readonly ov: ModeRow | null
  /** A person's wish whose time is up. */
  readonly expired: ModeRow | null
}

const allModes = standingQuery((db) => db.selectFrom('modes').selectAll())

export async function readModes(db: Db, now: number): Promise<ModeRows> {
  const rows = await allModes(db)
  const human = rows.find(({ set_by: by }) => by === 'human') ?? null
  const isOver = human !== null && human.until !== null && human.until <= now
  return {
    human: isOver ? null : human,
    ov: rows.find(({ set_by: by }) => by === 'ov') ?? null,
    expired: isOver ? human : null,
  }
}

export async function setMode(
  tx: Db,
  by: ModeRow['set_by'],
  mode: {
    readonly level: Level
    readonly why: string
    readonly shortages: readonly string[]
    readonly until: number | null
  },
  now: number,
): Promise<void> {
  const values = {
    level: mode.level,
    why: mode.why,
    shortages_json: JSON.stringify(mode.shortages),
    since: now,
    until: mode.until,
  }
  await tx
    .insertInto('modes')
    .values({ set_by: by, ...values })
    .onConflict((conflict) => conflict.column('set_by').doUpdateSet(values))
    .execute()
}

export async function unsetMode(tx: Db, by: ModeRow['set_by']): Promise<void> {
  await tx.deleteFrom('modes').where('set_by', '=', by).execute()
}
