import { glance } from '../db/glance.ts'

/** Whether anything waits for a reader, offered or not; null where the database has to be asked in full. */
export function mailWaits(databasePath: string, reader: string): boolean | null {
  const ask = 'SELECT 1 FROM mail WHERE reader = ? AND delivered_at IS NULL AND bounced_at IS NULL LIMIT 1'
  const seen = glance(databasePath, ask, reader)
  return seen === null ? null : seen.row !== undefined
}
