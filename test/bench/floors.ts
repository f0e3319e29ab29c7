import { createRequire } from 'node:module'
import type { Stage } from './stage.ts'

/** What several rows stand on. */

const SQLITE = createRequire(import.meta.url).resolve('better-sqlite3')

/** Node with better-sqlite3 that makes one row, committed as `ov` commits (WAL, FULL); the least a message can cost. */
export function bareInsert(stage: Stage, database: string): string[] {
  const script = stage.script(
    'insert.cjs',
    `const Database = require(${JSON.stringify(SQLITE)})
const db = new Database(process.argv[2], { timeout: 20000 })
if (db.pragma('journal_mode', { simple: true }) !== 'wal') {
  db.pragma('journal_mode = WAL')
  db.exec('CREATE TABLE IF NOT EXISTS mail (id INTEGER PRIMARY KEY, body TEXT)')
}
db.pragma('synchronous = FULL')
db.exec('BEGIN IMMEDIATE')
db.prepare('INSERT INTO mail (body) VALUES (?)').run('Tell me.')
db.exec('COMMIT')
db.close()
`,
  )
  return [process.execPath, script, database]
}
