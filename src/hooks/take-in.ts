import { assertOwned } from '../agents/store.ts'
import type { AgentEvent } from '../contract/runtime.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import type { Call, Spool } from './spool.ts'
import { forgetCalls, knownCalls, rememberCalls } from './store.ts'

/** A call that has been taken in, and what it says. */
export interface TakenIn {
  readonly call: Call
  readonly events: readonly AgentEvent[]
}

/** What a call says, and what of that goes into the records. */
export interface Reading {
  readonly events: readonly AgentEvent[]
  readonly notes: readonly { readonly type: string; readonly data: Record<string, unknown> }[]
}

export interface Intake {
  readonly project: Pick<Project, 'db' | 'clock'>
  readonly agent: { readonly id: string; readonly fence: number; readonly run_id: string; readonly task_id: string }
  readonly spool: Spool
  readonly reading: (call: Call) => Reading
}

/** What was taken in by one transaction. */
export interface Batch {
  /** In order; without what had been taken in before. */
  readonly taken: readonly TakenIn[]
  /** More lies in the spool. */
  readonly more: boolean
  /** The next call was still being written. */
  readonly unfinished: boolean
}

/**
 * Takes in a batch of what lies in an agent's spool: what each call says, and that it has been taken in, are committed
 * together; then its file is removed. Killed in between, the next runner finds the name in the records, and only removes
 * the file.
 *
 * @throws {OvError} `agent.fenced` when the agent has another owner: its spool is theirs
 */
export async function takeIn(intake: Intake): Promise<Batch> {
  const { project, agent, spool } = intake
  const look = spool.look()
  const { more, unfinished } = look
  if (look.calls.length === 0 && look.lost === 0) return { taken: [], more, unfinished }
  step('hooks.looked')
  const fresh = await write(project.db, async (tx) => {
    await assertOwned(tx, agent)
    const at = project.clock.now()
    const note = (type: string, data: Record<string, unknown>) =>
      recordEvent(tx, { at, type, runId: agent.run_id, agentId: agent.id, taskId: agent.task_id, data })
    const known = await knownCalls(tx, agent.id)
    const counted = `lost-${look.lost}`
    await forgetCalls(
      tx,
      agent.id,
      [...known].filter((name) => name !== counted && !look.present.has(name)),
    )
    const calls = look.calls.filter(({ name }) => !known.has(name)).map((call) => ({ call, ...intake.reading(call) }))
    for (const { notes } of calls) for (const { type, data } of notes) await note(type, data)
    await rememberCalls(
      tx,
      agent.id,
      calls.map(({ call }) => call.name),
    )
    if (look.lost > 0 && !known.has(counted)) {
      await note('hook.lost', { inAll: look.lost })
      await rememberCalls(tx, agent.id, [counted])
    }
    return calls
  })
  step('hooks.recorded')
  spool.settle(look)
  step('hooks.settled')
  return { taken: fresh.map(({ call, events }) => ({ call, events })), more, unfinished }
}
