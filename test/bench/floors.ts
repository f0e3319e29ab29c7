import { createRequire } from 'node:module'
import Database from 'better-sqlite3'
import type { Stage } from './stage.ts'

/** What several rows stand on. */

const SQLITE = createRequire(import.meta.url).resolve('better-sqlite3')

/** Node with better-sqlite3 that makes one row, committed as `ov` commits (WAL, FULL); the least a message can cost. */
export function bareInsert(stage: Stage, database: string): string[] {
  const made = new Database(database)
  made.pragma('journal_mode = WAL')
  made.exec('CREATE TABLE mail (id INTEGER PRIMARY KEY, body TEXT)')
  made.close()
  const script = stage.script(
    'insert.cjs',
    `const Database = require(${JSON.stringify(SQLITE)})
const db = new Database(process.argv[2], { timeout: 20000 })
db.pragma('synchronous = FULL')
db.exec('BEGIN IMMEDIATE')
db.prepare('INSERT INTO mail (body) VALUES (?)').run('Tell me.')
db.exec('COMMIT')
db.close()
`,
  )
  return [process.execPath, script, database]
}

/**
 * A shell script that merges branches into `main` and brings the checkout along, with git's own plumbing and the same
 * durability as `ov`'s: what is committed is on the disk.
 *
 * @param options.withNode one Node is started too, for what is compared with one command of `ov`
 */
export function plumbedMerge(stage: Stage, { withNode }: { withNode: boolean }): string {
  return stage.script(
    'merge.sh',
    `set -e
${withNode ? `'${process.execPath}' -e 0` : ':'}
git='git -c core.fsync=committed,loose-object,reference'
from=$($git rev-parse main)
tip=$from
for branch in "$@"; do
  tree=$($git merge-tree --write-tree $tip $branch)
  next=$($git commit-tree $tree -p $tip -p $branch -m Merge)
  $git update-ref refs/ov/train/main $next
  tip=$next
done
$git read-tree -m -u $from $tip
$git update-ref refs/heads/main $tip $from
`,
  )
}

/** A shell script that makes the worktrees `$1` to `$2`, one after the other, and starts a process in each. */
export function bareSpawns(stage: Stage): string {
  return stage.script(
    'spawn.sh',
    `set -e
for number in $(seq "$1" "$2"); do
  git worktree add --quiet --no-track -b "work-$number" "../trees/$number" main
  (cd "../trees/$number" && exec setsid sh -c ": >'$SIGNS/$number'") &
done
wait
`,
  )
}

/** A shell script that leaves a process group running, a shell with a child, and says its id. */
export function bareAgent(stage: Stage): string {
  return stage.script('agent.sh', "setsid sh -c 'sleep 600 & wait' >/dev/null 2>&1 </dev/null &\necho $!\n")
}

/** Node that kills a process group, a leader with its children, and returns when none of it is left. */
export function bareStop(stage: Stage): string {
  return stage.script(
    'stop.cjs',
    `const { readFileSync } = require('node:fs')
const read = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
const leader = process.argv[2]
const group = [leader, ...read('/proc/' + leader + '/task/' + leader + '/children').split(' ').filter(Boolean)]
process.kill(-leader, 'SIGTERM')
// A zombie has ended; that init has not seen it yet is no matter.
const runs = (pid) => /\\) [^ZX]/.test(read('/proc/' + pid + '/stat'))
const look = () => group.some(runs) && setTimeout(look, 1)
look()
`,
  )
}

/** Node with better-sqlite3 that opens a database and asks it one thing. */
export function bareQuery(stage: Stage, database: string): string[] {
  const script = stage.script(
    'query.cjs',
    `const Database = require(${JSON.stringify(SQLITE)})
const db = new Database(process.argv[2], { timeout: 20000 })
db.prepare('SELECT count(*) FROM agents').get()
db.close()
`,
  )
  return [process.execPath, script, database]
}
