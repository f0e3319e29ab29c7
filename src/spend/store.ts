import type { Usage } from '../contract/runtime.ts'
import type { Db } from '../db/open.ts'
import { newId } from '../ids.ts'

/** Records what one turn used. `null` stays null: unknown is not zero. */
export async function recordUsage(db: Db, agentId: string, usage: Usage, now: number): Promise<void> {
  await db
    .insertInto('usage')
    .values({
      id: newId(),
      agent_id: agentId,
      at: now,
      model: usage.model ?? null,
      input: usage.input,
      output: usage.output,
      cache_read: usage.cacheRead,
      cache_write: usage.cacheWrite,
      cost_usd: usage.costUsd,
    })
    .execute()
}

/** What an agent has used so far; null when nothing was ever counted. */
export async function usedBy(db: Db, agentId: string): Promise<Usage | null> {
  const { count, ...used } = await db
    .selectFrom('usage')
    .select((is) => [
      is.fn.countAll<number>().as('count'),
      is.fn.sum<number | null>('input').as('input'),
      is.fn.sum<number | null>('output').as('output'),
      is.fn.sum<number | null>('cache_read').as('cacheRead'),
      is.fn.sum<number | null>('cache_write').as('cacheWrite'),
      is.fn.sum<number | null>('cost_usd').as('costUsd'),
    ])
    .where('agent_id', '=', agentId)
    .executeTakeFirstOrThrow()
  return count === 0 ? null : used
}

export interface Spent {
  readonly input: number | null
  readonly output: number | null
  readonly costUsd: number | null
}

/** What each of these agents has used so far, by id; none for one whose runtime never said anything. */
export async function spentBy(db: Db, agentIds: readonly string[]): Promise<Map<string, Spent>> {
  const rows = await db
    .selectFrom('usage')
    .select((is) => [
      'agent_id',
      is.fn.sum<number | null>('input').as('input'),
      is.fn.sum<number | null>('output').as('output'),
      is.fn.sum<number | null>('cost_usd').as('cost'),
    ])
    .where('agent_id', 'in', [...agentIds])
    .groupBy('agent_id')
    .execute()
  return new Map(rows.map((row) => [row.agent_id, { input: row.input, output: row.output, costUsd: row.cost }]))
}
