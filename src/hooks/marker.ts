import type { Priority } from '../contract/mail.ts'
import { createEmpty, remove } from '../os/files.ts'
import { hookFolder, privateFolder } from './folder.ts'

/*
 * A marker file tells an agent's hooks that mail waits, so that they need not ask. The order keeps it true:
 *
 *   sender: commit the mail, then make the marker
 *   reader: remove the marker, then query
 *
 * So mail that no query has seen has a marker, unless the sender died in between: the reader's runner and the watchdog
 * make lost ones again (`remark.ts`). A marker without mail costs one question.
 */

/** Tells a reader's hooks that mail for it has been committed. A reader without hooks has no folder, and needs none. */
export function markMail(stateDir: string, readerId: string, priority: Priority): void {
  const { mail, urgent } = hookFolder(privateFolder(stateDir, readerId))
  createEmpty(mail)
  if (priority === 'urgent') createEmpty(urgent)
}

/** Takes down the markers, before the mail they stand for is looked up. `urgent`: only those of urgent mail. */
export function unmarkMail(privateDir: string, which: 'all' | 'urgent'): void {
  const { mail, urgent } = hookFolder(privateDir)
  remove(urgent)
  if (which === 'all') remove(mail)
}
