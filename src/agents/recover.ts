import { isFinal } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { countEventsWithin } from '../events/store.ts'
import { ownIdentity } from '../os/process.ts'
import { killSession } from '../os/tmux.ts'
import type { Project } from '../project.ts'
import { type Lack, lackOf } from '../runtimes/lack.ts'
import { loadedRuntime, loadRuntime } from '../runtimes/registry.ts'
import type { RuntimeChoice } from '../runtimes/routing.ts'
import { step } from '../steps.ts'
import { getTask } from '../tasks/store.ts'
import { changesOf } from '../worktrees/changes.ts'
import { leaveWord } from './digest.ts'
import { recordFor } from './record.ts'
import { type AfterDeath, afterDeath, RESTART_WINDOW_MS } from './rules.ts'
import { type Agent, takeOver, updateAgent } from './store.ts'
import { sessionLeft } from './transcript.ts'

/** What counts against the number of times an agent is started again. */
const RESTARTS: readonly string[] = ['agent.requeued', 'agent.recovered']

/** What begins that count anew: a person wants it tried again, or another runtime has the task. */
const BEGIN_ANEW: readonly string[] = ['agent.retried', 'agent.reassigned']

/** How often an agent was started again lately. */
export function recentRestarts(
  { db, clock }: Pick<Project, 'db' | 'clock'>,
  agent: Pick<Agent, 'id'>,
): Promise<number> {
  const now = clock.now()
  return countEventsWithin(db, agent.id, RESTARTS, [now - RESTART_WINDOW_MS, now], BEGIN_ANEW)
}

/**
 * What becomes of an agent whose runner died, by the rule; and what this process lacks to bring it back, if anything.
 *
 * @param asked a person asked for it here: a persistent agent is to be brought back, too
 */
export async function judgeDeath(
  project: Project,
  agent: Agent,
  asked: boolean,
): Promise<AfterDeath & { readonly lack: Lack | null }> {
  const task = await getTask(project.db, agent.task_id)
  const runtime = await loadedRuntime(agent.runtime)
  const lack = runtime === null ? null : lackOf(project, runtime, agent, { asked })
  const next = afterDeath({
    taskFinal: !task || isFinal(task.state),
    turns: agent.turns,
    prompts: runtime?.can.prompts ?? true,
    restarts: await recentRestarts(project, agent),
    able: (agent.persistent === 0 || asked) && runtime !== null && lack === null,
  })
  return { ...next, lack: next.do === 'leave' ? lack : null }
}

/** What is different for an agent that goes on. */
export interface Change {
  /** Another runtime than it had: its conversation stays behind. */
  readonly choice?: Pick<RuntimeChoice, 'runtime' | 'model' | 'mode' | 'protection' | 'account'>
  /** It begins a conversation of its own, though its last one is there. */
  readonly fresh?: boolean
  /** What is recorded of it. */
  readonly event?: { readonly type: string; readonly data: Record<string, unknown> }
}

/**
 * Puts an agent that has lost its runner, and of which no process is left, back into the queue, so that its next runner goes on
 * where it was: with the runtime's own session where that is still there, else told from the records what it has done.
 * False when somebody else took it meanwhile.
 *
 * @param agent as the caller owns it
 */
export async function recover(
  project: Project,
  agent: Agent,
  why = 'its runner died',
  { choice, fresh = false, event }: Change = {},
): Promise<boolean> {
  const runtime = choice?.runtime ?? (await loadRuntime(agent.runtime))
  const mode = choice?.mode ?? agent.mode
  // Its screen shows a dead process, and has its name.
  if (project.tmux !== null) await killSession(project.tmux, agent.name)
  step('recover.screen-gone')
  const session = fresh ? null : sessionLeft(project, agent, { runtime, mode })
  const changes = await changesOf(project, agent, agent.base_sha)
  const queued = await write(project.db, async (tx) => {
    const now = project.clock.now()
    const taken = await takeOver(tx, agent, [agent.state], ownIdentity(), 'queued', now)
    if (taken === null) return false
    if (session !== agent.session) await updateAgent(tx, taken, { session })
    if (choice !== undefined) {
      const { model, protection, account } = choice
      await updateAgent(tx, taken, { runtime: runtime.id, model, mode, protection, account })
    }
    const cutOff = agent.mid_turn === 1
    // Who still has its conversation and waits for something is not woken for having been away. Who has not begun has its
    // task before it.
    if (agent.turns > 0 && (session === null || cutOff))
      await leaveWord(tx, taken, { since: session === null ? null : agent.state_since, cutOff, changes }, now)
    const data = { why, context: session === null ? 'digest' : 'resumed', cutOff, ...event?.data }
    await recordFor(tx, agent, now, event?.type ?? 'agent.recovered', data)
    return true
  })
  step('recover.queued')
  return queued
}
