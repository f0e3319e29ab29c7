import type { Db } from '../db/open.ts'
import { waitsFor } from '../mail/deliver.ts'
import { markMail } from './marker.ts'

/**
 * Makes the markers again that should be there: of mail that waits for a reader with hooks and is in nobody's hand.
 * For a runner's tick, and for the watchdog over all open agents.
 */
export async function remark(db: Db, stateDir: string, readerId: string): Promise<void> {
  if (await waitsFor(db, readerId, { priority: 'urgent' })) markMail(stateDir, readerId, 'urgent')
  else if (await waitsFor(db, readerId)) markMail(stateDir, readerId, 'normal')
}
