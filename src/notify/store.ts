import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { standingQuery } from '../db/standing.ts'
import { newId } from '../ids.ts'
import type { Notice } from './rules.ts'

export type Notification = Schema['notifications']

export const CHANNELS = ['desktop', 'command', 'webhook'] as const
export type Channel = (typeof CHANNELS)[number]

/** Up to which event each channel was told; none for a channel that is new. */
export async function cursors(db: Db): Promise<Map<Channel, number>> {
  const rows = await db.selectFrom('notify_cursors').selectAll().execute()
  return new Map(rows.map(({ channel, event_id }) => [channel, event_id]))
}

const newest = standingQuery((db) => db.selectFrom('notify_cursors').selectAll())

/** The event up to which every channel was told; null before any was. */
export async function toldUpTo(db: Db): Promise<number | null> {
  const rows = await newest(db)
  return rows.length === 0 ? null : Math.min(...rows.map(({ event_id }) => event_id))
}

export async function moveCursor(tx: Db, channel: Channel, eventId: number): Promise<void> {
  await tx
    .insertInto('notify_cursors')
    .values({ channel, event_id: eventId })
    .onConflict((conflict) => conflict.column('channel').doUpdateSet({ event_id: eventId }))
    .execute()
}

/** Puts a notice into the outbox of a channel; one event is told once on each, however often this is done. */
export async function queueNotice(
  tx: Db,
  { channel, eventId, notice }: { channel: Channel; eventId: number; notice: Notice },
  now: number,
): Promise<void> {
  await tx
    .insertInto('notifications')
    .values({
      id: newId(),
      channel,
      event_id: eventId,
      kind: notice.kind,
      title: notice.title,
      text: notice.text,
      hint: notice.hint,
      state: 'due',
      batch: null,
      tries: 0,
      not_before: now,
      error: null,
      created_at: now,
      updated_at: now,
    })
    .onConflict((conflict) => conflict.columns(['channel', 'event_id']).doNothing())
    .execute()
}

const waiting = standingQuery((db) =>
  db
    .selectFrom('notifications')
    .select((is) => is.fn.min<number | null>('not_before').as('at'))
    .where('state', 'in', ['due', 'sending']),
)

/** When something in the outbox is to be sent, ms since the epoch; null: it is empty. */
export async function nextDue(db: Db): Promise<number | null> {
  return (await waiting(db))[0]?.at ?? null
}

/** What is to be sent on a channel, oldest first. */
export function outbox(db: Db, channel: Channel): Promise<Notification[]> {
  return db
    .selectFrom('notifications')
    .selectAll()
    .where('channel', '=', channel)
    .where('state', 'in', ['due', 'sending'])
    .orderBy('event_id')
    .execute()
}

/** When a message last went out on a channel, ms since the epoch; null: never. */
export async function lastSent(db: Db, channel: Channel): Promise<number | null> {
  const { at } = await db
    .selectFrom('notifications')
    .select((is) => is.fn.max<number | null>('updated_at').as('at'))
    .where('channel', '=', channel)
    .where('state', '=', 'sent')
    .executeTakeFirstOrThrow()
  return at
}

type Change = Partial<Pick<Notification, 'state' | 'batch' | 'tries' | 'not_before' | 'error'>>

export async function changeNotifications(tx: Db, ids: readonly string[], change: Change, now: number): Promise<void> {
  await tx
    .updateTable('notifications')
    .set({ ...change, updated_at: now })
    .where('id', 'in', [...ids])
    .execute()
}

/** Gives up what waits on channels that are not configured any more. */
export async function giveUpOthers(tx: Db, channels: readonly Channel[], now: number): Promise<void> {
  await tx
    .updateTable('notifications')
    .set({ state: 'given-up', error: 'its channel is not configured any more', updated_at: now })
    .where('state', 'in', ['due', 'sending'])
    .where('channel', 'not in', [...channels])
    .execute()
}
