import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase } from '../../src/db/open.ts'
import { recordEvent } from '../../src/events/store.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('a statement on its own waits for the lock as a transaction does, longer than SQLite itself waits', async () => {
  const path = join(home.path, 'state.db')
  const db = openDatabase(path)
  const other = new Database(path)
  other.exec('BEGIN IMMEDIATE')
  // Asked first, SQLite blocks this process until it gives up; only then does the timer come to its turn.
  const written = recordEvent(db, { at: 1, type: 'test' })
  setImmediate(() => other.exec('COMMIT'))
  await written
  expect(await db.selectFrom('events').select('type').execute()).toEqual([{ type: 'test' }])
  other.close()
  await db.destroy()
})

test('a path that is too long for SQLite is said to be that; the longest that is not is opened', async () => {
  const folderOf = (bytes: number) => {
    let folder = home.path
    while (bytes - folder.length > 200) folder = join(folder, 'a'.repeat(100))
    folder = join(folder, 'b'.repeat(bytes - folder.length - 1))
    mkdirSync(folder, { recursive: true })
    return folder
  }
  const LONGEST = 504 - '/state.db'.length
  await openDatabase(join(folderOf(LONGEST), 'state.db')).destroy()
  expect(() => openDatabase(join(folderOf(LONGEST + 1), 'state.db'))).toThrow(
    expect.objectContaining({ code: 'db.path-too-long', hint: expect.stringContaining('at most 484 bytes') }),
  )
})
