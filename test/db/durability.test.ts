import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openDatabase, write } from '../../src/db/open.ts'
import { recordEvent } from '../../src/events/store.ts'
import { findProgram } from '../../src/os/files.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let path: string
beforeEach(() => {
  home = makeHome()
  path = join(home.path, 'state.db')
})
afterEach(() => home.dispose())

const COMMITS = 20
const SOURCES = join(import.meta.dirname, '..', '..', 'src')

/*
 * No `kill -9` shows whether a commit was on the disk: the kernel keeps what was written. So the system calls are
 * counted, where strace may; the setting of the connection is asked in any case.
 */
test('a commit is on the disk before it is acknowledged', async () => {
  const db = openDatabase(path)
  const { rows } = await sql<{ synchronous: number }>`PRAGMA synchronous`.execute(db)
  expect(rows).toEqual([{ synchronous: 2 }])
  await db.destroy()
  const strace = findProgram('strace')
  if (strace === null) return
  const script = `
    import { openDatabase, write } from '${SOURCES}/db/open.ts'
    import { recordEvent } from '${SOURCES}/events/store.ts'
    const db = openDatabase('${path}')
    for (let at = 0; at < ${COMMITS}; at++) await write(db, (tx) => recordEvent(tx, { at, type: 'test' }))
    process.kill(process.pid, 'SIGKILL')`
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script]
  const traced = spawnSync(strace, ['-f', '-e', 'trace=fsync,fdatasync', ...node], { encoding: 'utf8' })
  // Where nobody may be traced, nothing is said about it.
  if (!/exited|killed by/.test(traced.stderr)) return
  expect(traced.stderr.split('\n').filter((line) => /f(data)?sync\(/.test(line)).length).toBeGreaterThanOrEqual(COMMITS)
})

test('what a transaction has read stays so until it has written', async () => {
  const one = openDatabase(path)
  const other = openDatabase(path)
  const count = async (db: Parameters<typeof recordEvent>[0]) =>
    (await db.selectFrom('events').select('id').execute()).length
  let hasRead: () => void = () => undefined
  const read = new Promise<void>((resolve) => {
    hasRead = resolve
  })
  const first = write(one, async (tx) => {
    const before = await count(tx)
    hasRead()
    // The other asks meanwhile, and would commit if it could.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    await recordEvent(tx, { at: before, type: 'test' })
    return before
  })
  await read
  const second = write(other, async (tx) => {
    const before = await count(tx)
    await recordEvent(tx, { at: before, type: 'test' })
    return before
  })
  expect(await Promise.all([first, second])).toEqual([0, 1])
  await one.destroy()
  await other.destroy()
})
