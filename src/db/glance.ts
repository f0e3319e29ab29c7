import Database from 'better-sqlite3'
import { codeOf } from '../errors.ts'
import { MIGRATIONS } from './migrations.ts'

/**
 * One look at a database, without the query builder, which takes longer to load than a small question to answer. Null
 * where it is not plainly there to be read, for `openDatabase` to say why: missing, busy, damaged, of another version.
 *
 * @param ask a SELECT; gives its first row, undefined when there is none
 */
export function glance(path: string, ask: string, ...values: readonly string[]): { row: unknown } | null {
  let database: Database.Database | undefined
  try {
    database = new Database(path, { fileMustExist: true, timeout: 1_000 })
    if (database.pragma('user_version', { simple: true }) !== MIGRATIONS.length) return null
    return { row: database.prepare(ask).get(...values) }
  } catch (error) {
    if (!(codeOf(error) ?? '').startsWith('SQLITE_')) throw error
    return null
  } finally {
    database?.close()
  }
}
