import { type ExpressionBuilder, sql } from 'kysely'
import type { MailType, Priority } from '../contract/mail.ts'
import { priorityRank } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { standingQuery } from '../db/standing.ts'
import { newId } from '../ids.ts'
import type { ProcessIdentity } from '../os/process.ts'

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
      offer_id: null,
      holder_pid: null,
      holder_start: null,
      holder_boot: null,
      delivered_at: null,
      bounced_at: null,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  return row as Mail
}

/** Which of a reader's waiting mail is wanted. Absent means any. */
export interface Wanted {
  readonly ids?: readonly string[]
  readonly types?: readonly MailType[]
  readonly priority?: Priority
  readonly sender?: string
  readonly thread?: string
}

/** A mail that could be offered now, and how long its body is, in characters. */
export interface Offerable {
  readonly id: string
  readonly size: number
}

/**
 * What may be offered to a reader now, in order of delivery: priority, then the order of sending. Mail that is under
 * one of the offers `held` is somebody else's for now, and so is what its sender sent later with the same priority:
 * it would overtake.
 */
export async function offerableMail(
  db: Db,
  reader: string,
  wanted: Wanted,
  held: readonly string[],
  limit: number,
): Promise<Offerable[]> {
  let query = db
    .selectFrom('mail')
    .select((is) => ['mail.id', is.fn<number>('length', ['mail.body']).as('size')])
    .where('mail.reader', '=', reader)
    .where('mail.delivered_at', 'is', null)
    .where('mail.bounced_at', 'is', null)
  if (wanted.ids) query = query.where('mail.id', 'in', [...wanted.ids])
  if (wanted.types) query = query.where('mail.type', 'in', [...wanted.types])
  if (wanted.priority) query = query.where('mail.priority', '=', wanted.priority)
  if (wanted.sender) query = query.where('mail.sender', '=', wanted.sender)
  if (wanted.thread) query = query.where('mail.thread_id', '=', wanted.thread)
  if (held.length > 0) {
    query = query
      .where((is) => is.or([is('mail.offer_id', 'is', null), is('mail.offer_id', 'not in', [...held])]))
      .where((is) =>
        is.not(
          is.exists(
            is
              .selectFrom('mail as earlier')
              .select('earlier.id')
              .where('earlier.reader', '=', reader)
              .where('earlier.offer_id', 'in', [...held])
              .where('earlier.delivered_at', 'is', null)
              .where('earlier.bounced_at', 'is', null)
              .whereRef('earlier.sender', '=', 'mail.sender')
              .whereRef('earlier.priority_rank', '=', 'mail.priority_rank')
              .whereRef('earlier.seq', '<', 'mail.seq'),
          ),
        ),
      )
  }
  return query.orderBy('mail.priority_rank').orderBy('mail.seq').limit(limit).execute()
}

/**
 * Puts mail under a new offer, in one statement that looks again whether it still may be, so that two racing readers
 * never both win. Gives what was won, in order of delivery.
 */
export async function claimMail(
  tx: Db,
  ids: readonly string[],
  held: readonly string[],
  offer: { readonly id: string; readonly holder: ProcessIdentity },
  now: number,
): Promise<Mail[]> {
  if (ids.length === 0) return []
  let query = tx
    .updateTable('mail')
    .set({
      offered_at: now,
      offer_id: offer.id,
      holder_pid: offer.holder.pid,
      holder_start: offer.holder.start,
      holder_boot: offer.holder.boot,
    })
    .where('id', 'in', [...ids])
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
  if (held.length > 0)
    query = query.where((is) => is.or([is('offer_id', 'is', null), is('offer_id', 'not in', [...held])]))
  const rows = (await query.returningAll().execute()) as Mail[]
  return rows.sort((a, b) => a.priority_rank - b.priority_rank || a.seq - b.seq)
}

/**
 * Records that a reader has these for certain. Only the latest offer of a mail can confirm it, and only once.
 * Gives the ids that are delivered by it.
 */
export async function confirmMail(
  tx: Db,
  reader: string,
  offer: string,
  ids: readonly string[],
  now: number,
): Promise<string[]> {
  if (ids.length === 0) return []
  const rows = await tx
    .updateTable('mail')
    .set({ delivered_at: now })
    .where('reader', '=', reader)
    .where('offer_id', '=', offer)
    .where('id', 'in', [...ids])
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .returning('id')
    .execute()
  return rows.map((row) => row.id)
}

/** A mail's latest offer and who holds it. */
export type Offered = Pick<Mail, 'id' | 'offer_id' | 'holder_pid' | 'holder_start' | 'holder_boot'>

/** What was offered to a reader and neither confirmed nor bounced, in the order of sending. */
export function unconfirmedMail(db: Db, reader: string): Promise<Offered[]> {
  return db
    .selectFrom('mail')
    .select(['id', 'offer_id', 'holder_pid', 'holder_start', 'holder_boot'])
    .where('reader', '=', reader)
    .where('offer_id', 'is not', null)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .orderBy('seq')
    .execute()
}

/** How much mail waits for a reader, offered or not. */
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

/** True when something of this kind waits for a reader: a cheap look, without the write lock. */
export async function hasWaiting(db: Db, reader: string, wanted: Wanted = {}): Promise<boolean> {
  return (await offerableMail(db, reader, wanted, [], 1)).length > 0
}

/** Marks a reader's undelivered mail as bounced; gives what bounced, in the order of sending. */
export async function bounceMail(tx: Db, reader: string, now: number): Promise<Mail[]> {
  const rows = await tx
    .updateTable('mail')
    .set({ bounced_at: now })
    .where('reader', '=', reader)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .returningAll()
    .execute()
  return (rows as Mail[]).sort((a, b) => a.seq - b.seq)
}

/** Takes back what a sender wrote to a reader and nobody has been offered yet: something newer takes its place. */
export async function withdrawMail(
  tx: Db,
  { sender, reader, types }: { sender: string; reader: string; types: readonly MailType[] },
  now: number,
): Promise<void> {
  await tx
    .updateTable('mail')
    .set({ bounced_at: now })
    .where('sender', '=', sender)
    .where('reader', '=', reader)
    .where('type', 'in', [...types])
    .where('offer_id', 'is', null)
    .where('delivered_at', 'is', null)
    .where('bounced_at', 'is', null)
    .execute()
}

/**
 * Closes a thread that needs nobody's attention any more: who has answered it has had it, and from others it is taken back
 * as long as they have not been offered it.
 */
export async function closeThread(tx: Db, thread: string, answeredBy: string | null, now: number): Promise<void> {
  const waits = () =>
    tx
      .updateTable('mail')
      .where('thread_id', '=', thread)
      .where('type', '=', 'escalation')
      .where('delivered_at', 'is', null)
      .where('bounced_at', 'is', null)
  if (answeredBy !== null) await waits().set({ delivered_at: now }).where('reader', '=', answeredBy).execute()
  await waits().set({ bounced_at: now }).where('offer_id', 'is', null).execute()
}

const waiting = standingQuery((db) =>
  db.selectFrom('mail').select('reader').distinct().where('delivered_at', 'is', null).where('bounced_at', 'is', null),
)

/** Everybody for whom mail waits. */
export async function waitingReaders(db: Db): Promise<string[]> {
  return (await waiting(db)).map((row) => row.reader)
}

export async function getMail(db: Db, id: string): Promise<Mail | undefined> {
  return (await db.selectFrom('mail').selectAll().where('id', '=', id).executeTakeFirst()) as Mail | undefined
}

/** What to look for in all mail. Absent means any. */
export interface MailQuery {
  /** Sender or reader: whose mail may be seen. */
  readonly party?: string
  readonly sender?: string
  readonly reader?: string
  readonly types?: readonly MailType[]
  readonly thread?: string
  /** Only what is neither delivered nor bounced. */
  readonly unread?: boolean
  /** In subject or body, whatever the case of ASCII letters. */
  readonly text?: string
}

/** The newest `limit` mails that match, newest first. */
export async function findMail(db: Db, query: MailQuery, limit: number): Promise<Mail[]> {
  let select = db.selectFrom('mail').selectAll()
  const { party, text } = query
  if (party !== undefined) select = select.where((is) => is.or([is('sender', '=', party), is('reader', '=', party)]))
  if (query.sender !== undefined) select = select.where('sender', '=', query.sender)
  if (query.reader !== undefined) select = select.where('reader', '=', query.reader)
  if (query.types !== undefined) select = select.where('type', 'in', [...query.types])
  if (query.thread !== undefined) select = select.where('thread_id', '=', query.thread)
  if (query.unread) select = select.where('delivered_at', 'is', null).where('bounced_at', 'is', null)
  if (text !== undefined)
    select = select.where((is) => is.or([contains(is, 'subject', text), contains(is, 'body', text)]))
  return (await select.orderBy('seq', 'desc').limit(limit).execute()) as Mail[]
}

function contains(is: ExpressionBuilder<Schema, 'mail'>, column: 'subject' | 'body', text: string) {
  const pattern = `%${text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/[\\%_]/g, '\\$&')}%`
  return sql<boolean>`lower(${is.ref(column)}) like ${pattern} escape '\\'`
}

/**
 * Mail whose id begins or ends with `part`, at most `limit`. Ids begin with the time, so that those of one minute
 * look alike; their end is random, which makes it the better short form.
 */
export async function mailByPart(db: Db, part: string, party: string | undefined, limit: number): Promise<Mail[]> {
  let query = db
    .selectFrom('mail')
    .selectAll()
    .where((is) => is.or([is('id', 'like', `${part}%`), is('id', 'like', `%${part}`)]))
  if (party !== undefined) query = query.where((is) => is.or([is('sender', '=', party), is('reader', '=', party)]))
  return (await query.orderBy('seq').limit(limit).execute()) as Mail[]
}

/**
 * What was wanted of a reader and has no word of its yet, oldest first: delivered mail of these types in whose thread the
 * reader has written neither a result nor an answer, nor anything at all since `since` (ms since the epoch).
 */
export async function unreported(
  db: Db,
  { sender, reader, types, since }: { sender: string; reader: string; types: readonly MailType[]; since: number },
): Promise<Mail[]> {
  const rows = await db
    .selectFrom('mail as wanted')
    .selectAll('wanted')
    .where('wanted.sender', '=', sender)
    .where('wanted.reader', '=', reader)
    .where('wanted.type', 'in', [...types])
    .where('wanted.delivered_at', 'is not', null)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('mail as word')
            .select('word.id')
            .whereRef('word.thread_id', '=', 'wanted.thread_id')
            .where('word.sender', '=', reader)
            .whereRef('word.seq', '>', 'wanted.seq')
            .where((either) =>
              either.or([either('word.type', 'in', ['result', 'answer']), either('word.created_at', '>=', since)]),
            ),
        ),
      ),
    )
    .orderBy('wanted.seq')
    .execute()
  return rows as Mail[]
}

/** Questions and decision gates nobody has answered: by their sender, their reader, or between two. Oldest first. */
export async function openQuestions(
  db: Db,
  between: { readonly sender?: string; readonly reader?: string },
): Promise<Mail[]> {
  let query = db
    .selectFrom('mail as question')
    .selectAll('question')
    .where('question.type', 'in', ['question', 'decision_gate'])
    .where('question.bounced_at', 'is', null)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('mail as reply')
            .select('reply.id')
            .whereRef('reply.thread_id', '=', 'question.thread_id')
            .whereRef('reply.reader', '=', 'question.sender')
            .whereRef('reply.seq', '>', 'question.seq')
            // Whatever the one who was asked says in the thread is an answer; so is word that none will come.
            .where((either) =>
              either.or([
                either('reply.sender', '=', either.ref('question.reader')),
                either('reply.reply_to', '=', either.ref('question.id')),
              ]),
            ),
        ),
      ),
    )
  if (between.sender !== undefined) query = query.where('question.sender', '=', between.sender)
  if (between.reader !== undefined) query = query.where('question.reader', '=', between.reader)
  return (await query.orderBy('question.seq').execute()) as Mail[]
}
