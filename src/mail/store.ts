import type { MailType, Priority } from '../contract/mail.ts'
import { priorityRank } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { newId } from '../ids.ts'

/** Mail offered to a reader is offered again when it isn't confirmed within this time. */
export const OFFER_LEASE_MS = 30_000

export type Mail = Omit<Schema['mail'], 'seq'> & { seq: number }

export interface NewMail {
  readonly sender: string
  readonly reader: string
  readonly type: MailType
  readonly priority: Priority
  readonly subject: string
  readonly body: string
  readonly payload: unknown
  readonly threadId?: string
  readonly replyTo?: string
}

/** Writes one mail for one reader. It exists once the transaction commits. */
export async function insertMail(tx: Db, mail: NewMail, now: number): Promise<Mail> {
  const id = newId()
  const row = await tx
    .insertInto('mail')
    .values({
      id,
      thread_id: mail.threadId ?? id,
      reply_to: mail.replyTo ?? null,
      sender: mail.sender,
      reader: mail.reader,
      type: mail.type,
      priority: mail.priority,
      priority_rank: priorityRank(mail.priority),
      subject: mail.subject,
      body: mail.body,
      payload_json: JSON.stringify(mail.payload),
      created_at: now,
      offered_at: null,
      delivered_at: null,
      bounced_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return row as Mail
}

/**
 * Claims a reader's undelivered mail and marks it offered, in one statement, so that two racing readers never
 * both win. What isn't confirmed within `leaseMs` is offered again. Order: priority, then the order of sending.
 */
export async function offerMail(tx: Db, reader: string, now: number, leaseMs: number, limit = 50): Promise<Mail[]> {
  const rows = await tx
    .updateTable('mail')
    .set({ offered_at: now })
    .where('id', 'in', (from) =>
      from
        .selectFrom('mail')
        .select('id')
        .where('reader', '=', reader)
        .where('delivered_at', 'is', null)
        .where('bounced_at', 'is', null)
        .where((is) =>
          is.or([is('offered_at', 'is', null), is('offered_at', '<=', now - leaseMs), is('offered_at', '>', now)]),
        )
        .orderBy('priority_rank')
        .orderBy('seq')
        .limit(limit),
    )
    .returningAll()
    .execute()
  return (rows as Mail[]).sort((a, b) => a.priority_rank - b.priority_rank || a.seq - b.seq)
}

/** True when an offer would find something: a cheap look, so that nobody takes the write lock for nothing. */
export async function hasOfferable(db: Db, reader: string, now: number, leaseMs: number): Promise<boolean> {
  const row = await db
    .selectFrom('mail')
    .select('id')
    .where('reader', '=', reader)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .where((is) =>
      is.or([is('offered_at', 'is', null), is('offered_at', '<=', now - leaseMs), is('offered_at', '>', now)]),
    )
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Records that a reader has these for certain. Confirming twice changes nothing. Gives how many were new. */
export async function confirmMail(tx: Db, reader: string, ids: readonly string[], now: number): Promise<number> {
  if (ids.length === 0) return 0
  const result = await tx
    .updateTable('mail')
    .set({ delivered_at: now })
    .where('reader', '=', reader)
    .where('id', 'in', [...ids])
    .where('delivered_at', 'is', null)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}

/** Takes an offer back, so that the mail is offered again at once. */
export async function withdrawOffers(tx: Db, reader: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return
  await tx
    .updateTable('mail')
    .set({ offered_at: null })
    .where('reader', '=', reader)
    .where('id', 'in', [...ids])
    .where('delivered_at', 'is', null)
    .execute()
}

/** What was offered and not confirmed: to be looked up in the reader's transcript after a crash. */
export async function unconfirmedOffers(db: Db, reader: string): Promise<Mail[]> {
  const rows = await db
    .selectFrom('mail')
    .selectAll()
    .where('reader', '=', reader)
    .where('offered_at', 'is not', null)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .orderBy('seq')
    .execute()
  return rows as Mail[]
}

export async function countWaiting(db: Db, reader: string): Promise<number> {
  const { count } = await db
    .selectFrom('mail')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('reader', '=', reader)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Undelivered mail of a reader, marked bounced; gives what bounced. */
export async function bounceMail(tx: Db, reader: string, now: number): Promise<Mail[]> {
  const rows = await tx
    .updateTable('mail')
    .set({ bounced_at: now })
    .where('reader', '=', reader)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .returningAll()
    .execute()
  return rows as Mail[]
}

export async function getMail(db: Db, id: string): Promise<Mail | undefined> {
  return (await db.selectFrom('mail').selectAll().where('id', '=', id).executeTakeFirst()) as Mail | undefined
}
