import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { replaceDatabase } from '../../db/repair.ts'
import { OvError } from '../../errors.ts'
import { processesHolding } from '../../os/process.ts'
import type { Check, Found } from '../diagnosis.ts'
import type { Place } from '../subject.ts'

/** The state database, as its inspection found it. */
export async function checkDatabase(place: Place): Promise<Check> {
  const { database, databasePath } = place
  const name = 'database'
  const wrong = (summary: string, found: Found): Check => ({ name, summary, found: [found] })
  switch (database.is) {
    case 'good':
      return {
        name,
        summary: database.unchecked.length === 0 ? 'good' : `good (not read through: ${database.unchecked.join(', ')})`,
        found: [],
      }
    case 'missing':
      return wrong('missing', {
        severity: 'warning',
        code: 'db.missing',
        message: `${databasePath} does not exist: there are no runs, agents and mail.`,
        hint: 'Make it anew: ov init',
      })
    case 'old':
      return wrong(`schema ${database.version}`, {
        severity: 'info',
        code: 'db.old',
        message: 'The database is of an earlier ov; the next command upgrades it and keeps a copy.',
        hint: null,
      })
    case 'newer':
      return wrong(`schema ${database.version}`, {
        severity: 'error',
        code: 'db.newer',
        message: `The database was written by a newer ov (schema ${database.version}, this one knows ${database.known}).`,
        hint: 'Upgrade ov: npm install -g oversling@latest',
      })
    case 'busy':
      return wrong('busy', {
        severity: 'warning',
        code: 'db.busy',
        message: 'Another process holds the database, so it could not be read.',
        hint: 'Run it again: ov doctor',
      })
    case 'read-only':
      return wrong('read-only', {
        severity: 'error',
        code: 'db.readonly',
        message: `${databasePath} can't be written to.`,
        hint: `Make it and its folder writable for you: ls -l ${databasePath}`,
      })
    case 'corrupt':
      return wrong('damaged', {
        severity: 'error',
        code: 'db.corrupt',
        message: `${databasePath} is damaged: ${database.detail}`,
        hint: 'Commits are safe in git. Set it aside, and bring over what can be read: ov doctor --fix',
        fix: () => repair(databasePath),
      })
  }
}

/** Others may be looking at it just now; what still has it open after this is at work with it. */
const PATIENCE_MS = 2_000

async function repair(path: string): Promise<string> {
  const deadline = performance.now() + PATIENCE_MS
  const holding = () => processesHolding([path, `${path}-wal`])
  let holders = holding()
  while (holders.length > 0 && performance.now() < deadline) {
    await delay(20 + Math.random() * 30)
    holders = holding()
  }
  if (holders.length > 0) {
    throw new OvError(
      'busy',
      'db.in-use',
      `The damaged database is still open in ${holders.length === 1 ? 'process' : 'processes'} ${holders.slice(0, 5).join(', ')}.`,
      { hint: `End what still uses it, then try again: kill ${holders.slice(0, 5).join(' ')} && ov doctor --fix` },
    )
  }
  const replaced = await replaceDatabase(path, Date.now())
  if (replaced === null) return 'The database is whole by now.'
  const rows = Object.entries(replaced.rescued).map(([table, count]) => `${count} ${table}`)
  const from = replaced.backup === null ? 'A new one was made' : `${basename(replaced.backup)} took its place`
  const rescued = rows.length === 0 ? 'nothing could be read from the damaged one' : `brought over: ${rows.join(', ')}`
  return `The damaged database is kept as ${basename(replaced.setAside)}. ${from}; ${rescued}.`
}
