import type { Db } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import type { Agent } from './store.ts'

/** Records what happened to an agent, in the transaction that made it so. `at` in ms since the epoch. */
export function recordFor(
  tx: Db,
  { id, run_id, task_id }: Pick<Agent, 'id' | 'run_id' | 'task_id'>,
  at: number,
  type: string,
  data: Record<string, unknown> = {},
): Promise<void> {
  return recordEvent(tx, { at, type, runId: run_id, agentId: id, taskId: task_id, data })
}
