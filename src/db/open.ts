import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import Database from 'better-sqlite3'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
  type Transaction,
} from 'kysely'
import { codeOf, messageOf, OvError } from '../errors.ts'
import { hasSpace, isWritable } from '../os/files.ts'
import { step } from '../steps.ts'
import { MIGRATIONS } from './migrations.ts'
import type { Schema } from './schema.ts'

/** The connection, or a transaction on it: stores take either. */
export type Db = Kysely<Schema> | Transaction<Schema>

/** How long one statement waits inside SQLite; longer waits are spread over the event loop by `patiently`. */
const BUSY_TIMEOUT_MS = 1_000
/** How long a transaction, or a statement on its own, waits for its turn before it is an honest error. */
const PATIENCE_MS = 20_000

/**
 * Opens `state.db`, creating or upgrading it under SQLite's own lock.
 * A newer database is refused unmodified; an upgrade first copies the file beside itself.
 *
 * @throws {OvError} `db.newer`, `db.corrupt`, `db.readonly`, `db.full`, `db.busy`
 */
export function openDatabase(path: string): Kysely<Schema> {
  const raw = guarded(path, () => {
    refuseReadOnly(dirname(path))
    const database = new Database(path, { timeout: 10_000 })
    try {
      refuseNewer(database, path)
      useWal(database)
      database.pragma('synchronous = FULL')
      database.pragma('foreign_keys = ON')
      migrate(database, path)
      database.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
  return new StateDatabase(raw, path)
}

/**
 * Opens `state.db` to look at. Nothing is made, upgraded or written by it, and SQLite itself refuses to.
 *
 * @throws {OvError} `db.missing`, `db.newer`, `db.older`, `db.corrupt`, `db.readonly`, `db.busy`
 */
export function openDatabaseToRead(path: string): Kysely<Schema> {
  if (!existsSync(path)) {
    throw new OvError('user', 'db.missing', `There is no database at ${path}.`, { hint: 'ov init' })
  }
  const raw = guarded(path, () => {
    const database = new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS })
    try {
      refuseNewer(database, path)
      refuseOlder(database, path)
      return database
    } catch (error) {
      database.close()
      throw error
    }
  })
  return new StateDatabase(raw, path)
}

/**
 * A number that is another one after another process has committed; two of one connection can be compared.
 *
 * @throws {OvError} `db.newer` when a newer `ov` has upgraded the file meanwhile
 */
export async function changesSeen(db: Kysely<Schema>, path: string): Promise<number> {
  const version = await sql<{ user_version: number }>`PRAGMA user_version`.execute(db)
  if (Number(version.rows[0]?.user_version) > MIGRATIONS.length)
    throw newer(path, Number(version.rows[0]?.user_version))
  const { rows } = await sql<{ data_version: number }>`PRAGMA data_version`.execute(db)
  return Number(rows[0]?.data_version)
}

class StateDatabase extends Kysely<Schema> {
  readonly folder: string
  readonly #raw: Database.Database

  constructor(raw: Database.Database, path: string) {
    super({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => new SqliteImmediateDriver(raw, path),
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    })
    this.#raw = raw
    this.folder = dirname(path)
  }

  /** Kysely ends only a driver that ran a query; a file that was merely opened must be closed as well. */
  override async destroy(): Promise<void> {
    await super.destroy()
    this.#raw.close()
  }
}

/** Once in the life of a file. SQLite doesn't wait for the lock of this change when two processes make it at once. */
function useWal(database: Database.Database): void {
  let deadline: number | undefined
  for (;;) {
    try {
      if (database.pragma('journal_mode', { simple: true }) === 'wal') return
      database.pragma('journal_mode = WAL')
      return
    } catch (error) {
      const busy = (codeOf(error) ?? '').startsWith('SQLITE_BUSY')
      deadline ??= performance.now() + PATIENCE_MS
      if (!busy || performance.now() > deadline) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 + Math.random() * 20)
    }
  }
}

/** What is to be done once a transaction is committed. */
const pending = new WeakMap<Db, ((folder: string) => void)[]>()

/** Runs `work` in one write transaction that takes its lock at once, so that a read inside it can be trusted until commit. */
export async function write<T>(db: Kysely<Schema>, work: (tx: Transaction<Schema>) => Promise<T>): Promise<T> {
  const acts: ((folder: string) => void)[] = []
  const result = await db.transaction().execute((tx) => {
    pending.set(tx, acts)
    return work(tx)
  })
  if (acts.length > 0 && db instanceof StateDatabase) for (const act of acts) act(db.folder)
  return result
}

/**
 * Has something done once this transaction is committed, and not at all if it is rolled back. `act` is given the folder
 * of the database. It must not fail: what it acts on has happened.
 */
export function afterCommit(tx: Db, act: (folder: string) => void): void {
  pending.get(tx)?.push(act)
}

/** SQLite's own limit is 512 bytes, with the name of its journal beside the file; tried with each length. */
const LONGEST_PATH = 504

/** SQLite itself would try for seconds to make its shared memory there. */
function refuseReadOnly(folder: string): void {
  if (isWritable(folder)) return
  throw new OvError('failed', 'db.readonly', `${folder} can't be written to, so nothing can be recorded.`, {
    hint: `Make it writable for you (ls -ld '${folder}'), then run: ov doctor`,
  })
}

function userVersion(database: Database.Database): number {
  return Number(database.pragma('user_version', { simple: true }))
}

function refuseNewer(database: Database.Database, path: string): void {
  const version = userVersion(database)
  if (version > MIGRATIONS.length) throw newer(path, version)
}

function newer(path: string, version: number): OvError {
  const known = MIGRATIONS.length
  const message = `${path} was written by a newer ov (schema ${version}, this one knows ${known}).`
  return new OvError('blocked', 'db.newer', message, {
    hint: 'Upgrade ov: npm install -g oversling@latest. Nothing was changed.',
  })
}

function refuseOlder(database: Database.Database, path: string): void {
  const version = userVersion(database)
  if (version === MIGRATIONS.length) return
  throw new OvError('blocked', 'db.older', `${path} was written by an older ov (schema ${version}).`, {
    hint: 'Any command that may write upgrades it: ov status',
  })
}

function migrate(database: Database.Database, path: string): void {
  if (userVersion(database) === MIGRATIONS.length) return
  backUp(database, path)
  step('migrate.copied')
  database
    .transaction(() => {
      const from = userVersion(database)
      refuseNewer(database, path)
      MIGRATIONS.slice(from).forEach((sql) => {
        database.exec(sql)
      })
      step('migrate.migrating')
      database.pragma(`user_version = ${MIGRATIONS.length}`)
    })
    .immediate()
  step('migrate.migrated')
}

/** Copies a database that is about to be upgraded beside itself, whole, once a version. */
function backUp(database: Database.Database, path: string): void {
  const from = userVersion(database)
  const copy = `${path}.v${from}.backup`
  if (from > 0 && !existsSync(copy)) database.prepare('VACUUM INTO ?').run(copy)
}

/** Every SQLite error a person can mend gets its sentence; the rest are bugs and keep their stack. */
function guarded<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explained(error, path)
  }
}

function explained(error: unknown, path: string): unknown {
  if (error instanceof OvError) return error
  const code = codeOf(error) ?? ''
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new OvError('busy', 'db.busy', `The database is busy: another process holds ${path}.`, {
      hint: 'Nothing was lost; run the same command again.',
      cause: error,
    })
  }
  // Without space for its shared memory SQLite calls it an I/O error.
  if (code === 'SQLITE_FULL' || (code.startsWith('SQLITE_IOERR') && !hasSpace(dirname(path)))) {
    return new OvError('failed', 'db.full', `The disk is full: nothing could be written to ${path}.`, {
      hint: 'Free some space, then run the same command again. Nothing acknowledged was lost.',
      cause: error,
    })
  }
  const bytes = Buffer.byteLength(path)
  if (code === 'SQLITE_CANTOPEN' && bytes > LONGEST_PATH) {
    const message = `The path of the database has ${bytes} bytes, and SQLite opens none of more than ${LONGEST_PATH}: ${path}`
    return new OvError('user', 'db.path-too-long', message, {
      hint: `Move the repository so that its own path has at most ${LONGEST_PATH - '/.overstory/state.db'.length} bytes.`,
      cause: error,
    })
  }
  if (
    code.startsWith('SQLITE_READONLY') ||
    code === 'SQLITE_CANTOPEN' ||
    code.startsWith('SQLITE_IOERR') ||
    code === 'SQLITE_PERM'
  ) {
    return new OvError('failed', 'db.readonly', `Cannot open or write ${path}: ${messageOf(error)}.`, {
      hint: 'Check the permissions and free space of .overstory, then run: ov doctor',
      cause: error,
    })
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return new OvError('blocked', 'db.corrupt', `${path} is damaged: ${messageOf(error)}.`, {
      hint: 'Your commits are safe in git. Set it aside and start anew: ov doctor --fix',
      cause: error,
    })
  }
  return error
}

class SqliteImmediateDriver implements Driver {
  readonly #raw: Database.Database
  readonly #connection: DatabaseConnection
  readonly #path: string

  constructor(raw: Database.Database, path: string) {
    this.#raw = raw
    this.#path = path
    this.#connection = new SqliteConnection(raw, path)
  }

  async init(): Promise<void> {
    // The file was opened, checked and migrated before the driver was made.
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  /** A deferred BEGIN would fail at once when a read turns into a write; IMMEDIATE waits its turn. */
  beginTransaction(): Promise<void> {
    return patiently(this.#path, () => void this.#raw.exec('BEGIN IMMEDIATE'))
  }

  async commitTransaction(): Promise<void> {
    guarded(this.#path, () => this.#raw.exec('COMMIT'))
  }

  async rollbackTransaction(): Promise<void> {
    // A full disk or an I/O error may have rolled back already; ROLLBACK then has nothing to do.
    if (this.#raw.inTransaction) guarded(this.#path, () => this.#raw.exec('ROLLBACK'))
  }

  async releaseConnection(): Promise<void> {
    // There is one connection; it stays.
  }

  async destroy(): Promise<void> {
    this.#raw.close()
  }
}

/** Does what SQLite does not do while another holds its lock, again and again until it does. */
async function patiently<T>(path: string, work: () => T): Promise<T> {
  let deadline: number | undefined
  for (;;) {
    try {
      return work()
    } catch (error) {
      const busy = (codeOf(error) ?? '').startsWith('SQLITE_BUSY')
      deadline ??= performance.now() + PATIENCE_MS
      if (!busy || performance.now() > deadline) throw explained(error, path)
      await delay(10 + Math.random() * 40)
    }
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #raw: Database.Database
  readonly #path: string
  readonly #statements = new Map<string, Database.Statement>()

  constructor(raw: Database.Database, path: string) {
    this.#raw = raw
    this.#path = path
  }

  /** Inside a transaction the lock is held already; a statement on its own takes it like a transaction does. */
  executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
    return patiently(this.#path, () => {
      let statement = this.#statements.get(sql)
      if (!statement) {
        statement = this.#raw.prepare(sql)
        this.#statements.set(sql, statement)
      }
      if (statement.reader) return { rows: statement.all(...parameters) as R[] }
      const { changes, lastInsertRowid } = statement.run(...parameters)
      return { insertId: BigInt(lastInsertRowid), numAffectedRows: BigInt(changes), rows: [] }
    })
  }

  async *streamQuery<R>(query: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
    yield await this.executeQuery<R>(query)
  }
}
