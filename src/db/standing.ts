import type { Compilable, CompiledQuery } from 'kysely'
import type { Db } from './open.ts'

/**
 * A query without parameters that is asked all day long: built and compiled once for each connection, which is most of
 * what a small query costs.
 */
export function standingQuery<Row>(build: (db: Db) => Compilable<Row>): (db: Db) => Promise<Row[]> {
  const compiled = new WeakMap<Db, CompiledQuery<Row>>()
  return async (db) => {
    const query = compiled.get(db) ?? build(db).compile()
    compiled.set(db, query)
    return (await db.executeQuery(query)).rows
  }
}
