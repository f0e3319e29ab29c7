import type { Db } from '../db/open.ts'

/** Names of an agent's calls that have been taken in. */
export async function knownCalls(tx: Db, agentId: string): Promise<Set<string>> {
  const rows = await tx.selectFrom('hook_calls').select('name').where('agent_id', '=', agentId).execute()
  return new Set(rows.map(({ name }) => name))
}

/** Remembers calls as taken in, in the transaction that records what they say. */
export async function rememberCalls(tx: Db, agentId: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await tx
    .insertInto('hook_calls')
    .values(names.map((name) => ({ agent_id: agentId, name })))
    .execute()
}

/** Forgets calls whose files are gone for certain. */
export async function forgetCalls(tx: Db, agentId: string, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  await tx
    .deleteFrom('hook_calls')
    .where('agent_id', '=', agentId)
    .where('name', 'in', [...names])
    .execute()
}
