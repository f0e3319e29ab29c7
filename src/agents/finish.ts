import { HUMAN, SYSTEM } from '../contract/mail.ts'
import type { EndState } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { bounceUnread } from '../mail/bounce.ts'
import { postMail, reportsTo } from '../mail/send.ts'
import { dropMerges } from '../merge/store.ts'
import type { Project } from '../project.ts'
import { getTask, setTaskState } from '../tasks/store.ts'
import { recordFor } from './record.ts'
import { type Agent, setAgentState } from './store.ts'

/**
 * Ends an agent, with all that follows from it, in one transaction: its state, its task's, its mail that nobody
 * will read any more, and word to whom it reported. The caller owns the agent (its `fence` is the owner's) and has
 * stopped its processes.
 */
export function endAgent(project: Project, agent: Agent, state: EndState): Promise<void> {
  return write(project.db, (tx) => recordEnd(tx, agent, state, project.clock.now()))
}

/** The same inside a transaction of the caller's, for an agent that has no processes. */
export async function recordEnd(tx: Db, agent: Agent, state: EndState, now: number): Promise<void> {
  const task = await getTask(tx, agent.task_id)
  await setAgentState(tx, agent, state, now)
  const reason = state.name === 'done' ? null : state.reason
  await recordFor(tx, agent, now, `agent.${state.name}`, { reason })
  await bounceUnread(tx, agent, now)
  if (state.name === 'done') return
  await dropMerges(tx, agent.task_id, reason ?? '', now)
  const moved = await setTaskState(tx, agent.task_id, state.name, now, { reason })
  const to = await reportsTo(tx, agent)
  // The human who stopped it knows; a lead that waits for it doesn't.
  if (state.name === 'stopped' ? to !== HUMAN : moved) {
    await postMail(
      tx,
      {
        from: SYSTEM,
        to,
        type: 'worker_died',
        priority: 'high',
        subject: `${agent.name} ${state.name}: ${task?.title ?? ''}`,
        body: reason ?? '',
        payload: { task: agent.task_id, agent: agent.name, reason: (reason ?? '').slice(0, 2000) },
      },
      now,
    )
  }
}
