import { copyFileSync, existsSync, linkSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import Database from 'better-sqlite3'
import { codeOf, messageOf } from '../errors.ts'
import { isWritable, listFolder } from '../os/files.ts'
import { MIGRATIONS } from './migrations.ts'
import { openDatabase } from './open.ts'

/** What a look at a database file says. Looking changes nothing. */
export type DatabaseHealth =
  | { readonly is: 'missing' }
  /** `unchecked`: tables too large to be read through in a moment. */
  | { readonly is: 'good'; readonly unchecked: readonly string[] }
  /** Of an earlier `ov`: the next command upgrades it. */
  | { readonly is: 'old'; readonly version: number }
  | { readonly is: 'newer'; readonly version: number; readonly known: number }
  | { readonly is: 'corrupt'; readonly detail: string }
  | { readonly is: 'read-only' }
  | { readonly is: 'busy' }

/** Up to here all tables are read through; above, those that only grow are left out. */
const SMALL_BYTES = 64 * 1024 * 1024
const GROWING = ['events', 'usage']

/** What belongs to a database file, itself last. */
const ENDS = ['-wal', '-shm', '']

/**
 * Reads a database through, in a moment: all of it when it is small.
 *
 * @param options.wholly all of it whatever its size, and its indexes held against its tables
 */
export function inspectDatabase(path: string, { wholly = false } = {}): DatabaseHealth {
  if (!existsSync(path)) return { is: 'missing' }
  if (!isWritable(path) || !isWritable(dirname(path))) return { is: 'read-only' }
  try {
    return inspect(path, wholly ? 'wholly' : statSync(path).size <= SMALL_BYTES ? 'tables' : 'few')
  } catch (error) {
    const code = codeOf(error) ?? ''
    if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB')
      return { is: 'corrupt', detail: messageOf(error) }
    if (code.startsWith('SQLITE_BUSY')) return { is: 'busy' }
    if (code.startsWith('SQLITE_READONLY') || code === 'SQLITE_CANTOPEN') return { is: 'read-only' }
    throw error
  }
}

function inspect(path: string, depth: 'wholly' | 'tables' | 'few'): DatabaseHealth {
  const database = new Database(path, { readonly: true, fileMustExist: true, timeout: 500 })
  try {
    const version = Number(database.pragma('user_version', { simple: true }))
    const tables = tablesOf(database)
    const checks =
      depth === 'few'
        ? tables.filter((table) => !GROWING.includes(table)).map((table) => `quick_check('${table}')`)
        : [depth === 'wholly' ? 'integrity_check(1)' : 'quick_check(1)']
    for (const check of checks) {
      const verdict = String(database.pragma(check, { simple: true }))
      if (verdict !== 'ok') return { is: 'corrupt', detail: verdict }
    }
    if (version > MIGRATIONS.length) return { is: 'newer', version, known: MIGRATIONS.length }
    if (version < MIGRATIONS.length) return { is: 'old', version }
    return { is: 'good', unchecked: depth !== 'few' ? [] : tables.filter((table) => GROWING.includes(table)) }
  } finally {
    database.close()
  }
}

export interface Replaced {
  /** Where the damaged file is now; its -wal and -shm are beside it. */
  readonly setAside: string
  /** The backup that was taken, or null when the database was made anew. */
  readonly backup: string | null
  /** Rows that could still be read from the damaged file and are in the new one. */
  readonly rescued: Readonly<Record<string, number>>
}

/**
 * Sets a damaged database aside under its own name and a time, never to be deleted by `ov`, and puts a good one in
 * its place: the newest good backup, else a new one, with every row that can still be read from the damaged file.
 * Null when the file is not damaged (any more). Nobody may have it open.
 */
export async function replaceDatabase(path: string, now: number): Promise<Replaced | null> {
  // One repair at a time: the lock is the kernel's and ends with its process, the file beside the database stays empty.
  const turn = new Database(`${path}.repair`, { timeout: 10_000 })
  try {
    turn.exec('BEGIN EXCLUSIVE')
    return inspectDatabase(path).is === 'corrupt' ? await replace(path, now) : null
  } finally {
    turn.close()
  }
}

/** The new one is whole before the damaged one is touched, so a kill at any point loses nothing. */
async function replace(path: string, now: number): Promise<Replaced> {
  const fresh = `${path}.fresh`
  for (const end of ENDS) rmSync(fresh + end, { force: true })
  const backup = newestGoodBackup(path)
  if (backup !== null) copyFileSync(backup, fresh)
  await openDatabase(fresh).destroy()
  const rescued = rescue(path, fresh)
  const setAside = `${path}.corrupt-${new Date(now).toISOString().replace(/[:.]/g, '-')}`
  // The log first: beside a new database an old log would be replayed into it.
  for (const end of ENDS) if (existsSync(path + end)) renameSync(path + end, setAside + end)
  // Unlike a rename, a link refuses to replace what another process may have made in this instant.
  linkSync(fresh, path)
  rmSync(fresh)
  return { setAside, backup, rescued }
}

function newestGoodBackup(path: string): string | null {
  const folder = dirname(path)
  const backups = listFolder(folder)
    .filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith('.backup'))
    .map((name) => join(folder, name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  return backups.find((backup) => ['good', 'old'].includes(inspectDatabase(backup).is)) ?? null
}

/** Brings over what can still be read, table by table in the order in which they refer to one another. */
function rescue(from: string, to: string): Record<string, number> {
  const rescued: Record<string, number> = {}
  const target = new Database(to, { timeout: 10_000 })
  target.pragma('foreign_keys = ON')
  let source: Database.Database | undefined
  try {
    source = new Database(from, { readonly: true, fileMustExist: true })
    const readable = new Set(tablesOf(source))
    for (const table of tablesOf(target)) {
      if (readable.has(table)) rescued[table] = rescueTable(source, target, table)
    }
  } catch (error) {
    // The file is no database at all: it is kept as it is, and there is nothing to bring over.
    if (!isDamage(error)) throw error
  } finally {
    source?.close()
    target.close()
  }
  return Object.fromEntries(Object.entries(rescued).filter(([, rows]) => rows > 0))
}

/** From both ends, since a damaged page stops a scan. A row that does not fit any more stays where it is. */
function rescueTable(source: Database.Database, target: Database.Database, table: string): number {
  const columns = columnsOf(target, table)
  let rows = 0
  const upsert = new Map<string, Database.Statement>()
  const take = (row: Record<string, unknown>) => {
    const names = Object.keys(row).filter((name) => columns.includes(name))
    const sql = `INSERT INTO "${table}" (${names.map((name) => `"${name}"`).join()}) VALUES (${names.map(() => '?').join()})
      ON CONFLICT DO UPDATE SET ${names.map((name) => `"${name}" = excluded."${name}"`).join()}`
    const statement = upsert.get(sql) ?? target.prepare(sql)
    upsert.set(sql, statement)
    try {
      rows += statement.run(...names.map((name) => row[name])).changes
    } catch (error) {
      if (!(codeOf(error) ?? '').startsWith('SQLITE_CONSTRAINT')) throw error
    }
  }
  const seen = new Set<unknown>()
  target
    .transaction(() => {
      for (const order of ['ASC', 'DESC']) {
        try {
          for (const row of source
            .prepare(`SELECT rowid AS "rowid#", * FROM "${table}" ORDER BY rowid ${order}`)
            .iterate()) {
            const { 'rowid#': id, ...fields } = row as Record<string, unknown>
            if (seen.has(id)) continue
            seen.add(id)
            take(fields)
          }
          return
        } catch (error) {
          if (!isDamage(error)) throw error
        }
      }
    })
    .immediate()
  return rows
}

/** Whatever SQLite says of a damaged source; a full disk or a lock is trouble of the target's. */
function isDamage(error: unknown): boolean {
  const code = codeOf(error) ?? ''
  return code.startsWith('SQLITE_') && !/^SQLITE_(FULL|BUSY|LOCKED)/.test(code)
}

/** Plain tables in the order in which they were made; what a search index keeps for itself is filled by its triggers. */
function tablesOf(database: Database.Database): string[] {
  const rows = database
    .prepare(
      `SELECT s.name FROM sqlite_schema s JOIN pragma_table_list l ON l.name = s.name AND l.schema = 'main'
       WHERE s.type = 'table' AND l.type = 'table' AND s.name NOT LIKE 'sqlite%' ORDER BY s.rowid`,
    )
    .all()
  return (rows as { name: string }[]).map((row) => row.name)
}

function columnsOf(database: Database.Database, table: string): string[] {
  return (database.pragma(`table_info('${table}')`) as { name: string }[]).map((column) => column.name)
}
