import { sql } from 'kysely'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'

export interface EventFacts {
  readonly at: number
  /** Dotted, domain first: `agent.started`, `merge.merged`. */
  readonly type: string
  readonly runId?: string | null
  readonly agentId?: string | null
  readonly taskId?: string | null
  readonly data?: Record<string, unknown>
}

/** Records what happened, in the transaction that made it so. */
export async function recordEvent(tx: Db, event: EventFacts): Promise<void> {
  await tx
    .insertInto('events')
    .values({
      at: event.at,
      run_id: event.runId ?? null,
      agent_id: event.agentId ?? null,
      task_id: event.taskId ?? null,
      type: event.type,
      data_json: JSON.stringify(event.data ?? {}),
    })
    .execute()
}

/** The newest `limit` events, oldest first. */
export async function recentEvents(
  db: Db,
  filter: { agentId?: string; runId?: string },
  limit: number,
): Promise<Schema['events'][]> {
  let query = db.selectFrom('events').selectAll().orderBy('id', 'desc').limit(limit)
  if (filter.agentId !== undefined) query = query.where('agent_id', '=', filter.agentId)
  if (filter.runId !== undefined) query = query.where('run_id', '=', filter.runId)
  const rows = await query.execute()
  return rows.reverse() as unknown as Schema['events'][]
}

/** The first event of this kind that happened to an agent. */
export async function firstEvent(db: Db, agentId: string, type: string): Promise<Schema['events'] | undefined> {
  const row = await db
    .selectFrom('events')
    .selectAll()
    .where('agent_id', '=', agentId)
    .where('type', '=', type)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row as unknown as Schema['events'] | undefined
}

/** Events of an agent that came after the one with this id, oldest first. */
export async function eventsAfter(db: Db, agentId: string, id: number): Promise<Schema['events'][]> {
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('agent_id', '=', agentId)
    .where('id', '>', id)
    .orderBy('id')
    .execute()
  return rows as unknown as Schema['events'][]
}

/** At most `limit` events, of whomever, that came after the one with this id, oldest first. */
export async function eventsBeyond(db: Db, id: number, limit: number): Promise<Schema['events'][]> {
  const rows = await db.selectFrom('events').selectAll().where('id', '>', id).orderBy('id').limit(limit).execute()
  return rows as unknown as Schema['events'][]
}

/** The id of the newest event; 0 before the first. */
export async function lastEventId(db: Db): Promise<number> {
  const row = await db.selectFrom('events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst()
  return row?.id ?? 0
}

/**
 * How often something of these kinds has happened to an agent between then and then (ms since the epoch). What seems to lie
 * ahead is not counted: the clock was set back since, and how long ago it was nobody knows.
 * @param anew with the last event of these kinds the count begins anew
 */
export async function countEventsWithin(
  db: Db,
  agentId: string,
  types: readonly string[],
  [since, until]: readonly [number, number],
  anew: readonly string[] = [],
): Promise<number> {
  const begin = await db
    .selectFrom('events')
    .select('id')
    .where('agent_id', '=', agentId)
    .where('type', 'in', [...anew])
    .orderBy('id', 'desc')
    .executeTakeFirst()
  const { count } = await db
    .selectFrom('events')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('agent_id', '=', agentId)
    .where('type', 'in', [...types])
    .where('at', '>=', since)
    .where('at', '<=', until)
    .where('id', '>', begin?.id ?? 0)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** How many questions about agents were asked since then (ms since the epoch). There is an index for it, which wants the type as it is. */
export async function countAskedSince(db: Db, since: number): Promise<number> {
  const { count } = await db
    .selectFrom('events')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('type', '=', sql.lit('triage.asked'))
    .where('at', '>=', since)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** The newest `limit` events of these kinds that happened to an agent, oldest first. */
export async function eventsOfKinds(
  db: Db,
  agentId: string,
  types: readonly string[],
  limit: number,
): Promise<Schema['events'][]> {
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('agent_id', '=', agentId)
    .where('type', 'in', [...types])
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.reverse() as unknown as Schema['events'][]
}

/** Events of these kinds that came after the one with this id, oldest first. */
export async function notableBeyond(db: Db, id: number, types: readonly string[]): Promise<Schema['events'][]> {
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('id', '>', id)
    .where('type', 'in', [...types])
    .orderBy('id')
    .execute()
  return rows as unknown as Schema['events'][]
}

/** The newest `limit` of all events that came after the one with this id, oldest first. */
export async function newEvents(db: Db, id: number, limit: number): Promise<Schema['events'][]> {
  const rows = await db
    .selectFrom('events')
    .selectAll()
    .where('id', '>', id)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute()
  return rows.reverse() as unknown as Schema['events'][]
}
