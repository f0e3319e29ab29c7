import type { MailType, Priority } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import { nameOf } from './send.ts'
import type { Mail } from './store.ts'

/** A mail as lists show it. Times are ms since the epoch; `from` and `to` are names. */
export interface MailHead {
  readonly id: string
  readonly thread: string
  readonly replyTo: string | null
  readonly from: string
  readonly to: string
  readonly type: MailType
  readonly priority: Priority
  readonly subject: string
  readonly at: number
  readonly state: 'unread' | 'delivered' | 'bounced'
  readonly deliveredAt: number | null
}

/** A whole mail, its text as it was written. */
export interface MailView extends MailHead {
  readonly body: string
  readonly payload: unknown
}

/** Mails as they are shown, without their text. */
export async function headsOf(db: Db, mails: readonly Mail[]): Promise<MailHead[]> {
  const names = new Map<string, string>()
  const name = async (id: string) => {
    const known = names.get(id) ?? (await nameOf(db, id))
    names.set(id, known)
    return known
  }
  const heads: MailHead[] = []
  for (const mail of mails) {
    heads.push({
      id: mail.id,
      thread: mail.thread_id,
      replyTo: mail.reply_to,
      from: await name(mail.sender),
      to: await name(mail.reader),
      type: mail.type,
      priority: mail.priority,
      subject: mail.subject,
      at: mail.created_at,
      state: mail.bounced_at !== null ? 'bounced' : mail.delivered_at !== null ? 'delivered' : 'unread',
      deliveredAt: mail.delivered_at,
    })
  }
  return heads
}

/** Mails as they are shown, whole. */
export async function viewsOf(db: Db, mails: readonly Mail[]): Promise<MailView[]> {
  const heads = await headsOf(db, mails)
  return mails.flatMap((mail, index) => {
    const head = heads[index]
    return head ? [{ ...head, body: mail.body, payload: JSON.parse(mail.payload_json) }] : []
  })
}
