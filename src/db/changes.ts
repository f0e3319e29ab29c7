import { sql } from 'kysely'
import type { Db } from './open.ts'
import { standingQuery } from './standing.ts'

const version = standingQuery<{ data_version: number }>((db) => {
  const pragma = sql<{ data_version: number }>`PRAGMA data_version`
  return { compile: () => pragma.compile(db) }
})

/** A number that changes when another connection has committed something. Asking costs microseconds. */
export async function changeCounter(db: Db): Promise<number> {
  return (await version(db))[0]?.data_version ?? 0
}
