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

export interface Spent {
  readonly input: number | null
  readonly output: number | null
  readonly costUsd: number | null
}

/** What an agent has used so far; null where its runtime never said. */
export async function spentBy(db: Db, agentId: string): Promise<Spent> {
  const row = await db
    .selectFrom('usage')
    .select((is) => [
      is.fn.sum<number | null>('input').as('input'),
      is.fn.sum<number | null>('output').as('output'),
      is.fn.sum<number | null>('cost_usd').as('cost'),
    ])
    .where('agent_id', '=', agentId)
    .executeTakeFirst()
  return { input: row?.input ?? null, output: row?.output ?? null, costUsd: row?.cost ?? null }
}
