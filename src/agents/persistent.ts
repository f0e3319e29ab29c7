import { instructionsFile } from '../capabilities/instructions-file.ts'
import { type Capability, isFinal } from '../contract/states.ts'
import { untilFound } from '../db/changes.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { ownIdentity } from '../os/process.ts'
import { killSession } from '../os/tmux.ts'
import { requireLogin } from '../preflight/login.ts'
import { preflightSling } from '../preflight/sling.ts'
import type { Project } from '../project.ts'
import { isLive } from '../reports/condition.ts'
import { look } from '../reports/sight.ts'
import { type PassedOver, sayPassedOver } from '../runtimes/fallback.ts'
import { chooseRuntime } from '../runtimes/routing.ts'
import { beginRun, currentRun } from '../tasks/runs.ts'
import { getTask, insertTask, moveTasks } from '../tasks/store.ts'
import { branchOf } from '../worktrees/vacant.ts'
import { leaveWord } from './digest.ts'
import { endProcesses } from './end-processes.ts'
import { recordFor } from './record.ts'
import { launchRunner } from './start.ts'
import { type Agent, getAgent, insertAgent, persistentAgent, reopenAgent, type Stint, takeOver } from './store.ts'
import { sessionLeft } from './transcript.ts'

/*
 * A persistent agent has no end of its own: between its turns it waits for mail, which costs nothing, until somebody
 * stops it. There is at most one of a capability, and its row is the same for ever:
 *
 *   start ──► starting ──► waiting(mail) ◄──► working
 *     ▲                        │ stopped by the human, failed (not logged in, …)
 *     └────────────────────────┴──► stopped · failed          its mail bounces, its children report to the human
 *     ▲
 *     └── its runner died: the row stays as it is, mail waits for it
 *
 * From a start to a stop it has one task, its stint. A start takes up the runtime's own session where that is still
 * there; else the agent is told from the database how things stand. Which, is told to whoever starts it.
 */

/** What a persistent agent knows when it begins: it ran all the time, begins from nothing, has its whole conversation, or a digest. */
export type Context = 'running' | 'new' | 'resumed' | 'digest'

export interface Started {
  readonly agent: Agent
  readonly context: Context
  /** Runtimes that would have been taken before its own, had nothing stood in their way. */
  readonly passedOver: readonly PassedOver[]
}

export interface StartRequest {
  readonly capability: Capability
  /** One line: what it is there for. */
  readonly title: string
  /** Absent: those it had before, else as configured. */
  readonly runtime?: string
  readonly model?: string
  readonly interactive?: boolean
}

/** A start whose agent hasn't come up after so long goes on without us, in ms. */
const UP_MS = 20_000

/**
 * Starts the persistent agent of a capability, if it doesn't run already, and waits until it is up. Two at once make one.
 *
 * @throws {OvError} `persistent.no-prompts`, `persistent.ending`, `persistent.failed`, and what `chooseRuntime`,
 *   `requireLogin` and `preflightSling` throw
 */
export async function startPersistent(project: Project, request: StartRequest): Promise<Started> {
  const before = await persistentAgent(project.db, request.capability)
  if (before && isRunning(project, before)) return { agent: before, context: 'running', passedOver: [] }
  const choice = await chooseRuntime(project, {
    persistent: true,
    capability: request.capability,
    ...runtimeFor(request, before),
  })
  const { runtime } = choice
  if (!runtime.can.prompts) {
    throw new OvError('user', 'persistent.no-prompts', `${runtime.title} understands no prompt.`, {
      hint: `Choose another runtime: ov ${request.capability} start --runtime claude`,
    })
  }
  instructionsFile(project, request.capability)
  requireLogin(project.config, runtime, `ov ${request.capability} start`)
  await preflightSling(project)
  if (before) await clearAway(project, before)

  const session = before ? sessionLeft(project, before, choice) : null
  const opened = await write(project.db, async (tx) => {
    const now = project.clock.now()
    const current = await persistentAgent(tx, request.capability)
    // Somebody else was faster.
    if (current?.id !== before?.id || current?.fence !== before?.fence) return null
    const run = (await currentRun(tx)) ?? (await beginRun(tx, now))
    const taskId = (await openStint(tx, before, run.id)) ?? (await beginStint(tx, run.id, request, now))
    const { model, mode, protection, account } = choice
    const stint = { run_id: run.id, task_id: taskId, runtime: runtime.id, model, mode, protection, account, session }
    const agent = before
      ? await reopenAgent(tx, before, stint, ownIdentity(), now)
      : await makeAgent(tx, { ...stint, capability: request.capability, run: run.name }, now)
    if (agent === null) return null
    const since = session === null ? null : (before?.ended_at ?? before?.state_since ?? null)
    const told = before ? await leaveWord(tx, agent, { since, cutOff: before.mid_turn === 1 }, now) : false
    const context: Context = session !== null ? 'resumed' : told ? 'digest' : 'new'
    await recordFor(tx, agent, now, 'agent.starting', {
      context,
      runtime: runtime.id,
      instead: choice.passedOver.length > 0 ? sayPassedOver(choice.passedOver) : null,
    })
    return { agent, context }
  })
  if (opened === null) {
    const other = await persistentAgent(project.db, request.capability)
    if (!other) throw new Error(`the ${request.capability} that somebody else started is not there`)
    return { agent: await untilUp(project, other), context: 'running', passedOver: [] }
  }
  await launchRunner(project, opened.agent)
  return { agent: await untilUp(project, opened.agent), context: opened.context, passedOver: choice.passedOver }
}

/**
 * Whether it has, or is about to have, a runner. What can't be told counts as yes: two would be worse.
 * @throws {OvError} `persistent.ending` while somebody stops it
 */
function isRunning(project: Project, agent: Agent): boolean {
  if (!isLive(agent.state)) return false
  const { runner } = look(project, agent)
  if (runner === 'replaced') {
    throw new OvError('busy', 'persistent.ending', `${agent.name} is just being stopped.`, {
      hint: `Then: ov ${agent.capability} start`,
    })
  }
  return runner !== 'gone'
}

/** It keeps what it had, unless something else is asked for; model and mode go with the runtime they were chosen for. */
function runtimeFor(
  request: StartRequest,
  before: Agent | undefined,
): { runtime?: string; model?: string; interactive?: boolean } {
  const runtime = request.runtime ?? before?.runtime
  const same = before?.runtime === runtime ? before : undefined
  const model = request.model ?? same?.model ?? undefined
  const interactive = request.interactive ?? (same === undefined ? undefined : same.mode === 'interactive')
  return {
    ...(runtime === undefined ? {} : { runtime }),
    ...(model === undefined ? {} : { model }),
    ...(interactive === undefined ? {} : { interactive }),
  }
}

/** A runner that died may have left processes behind, and a screen. */
async function clearAway(project: Project, agent: Agent): Promise<void> {
  await endProcesses(project, agent)
  if (project.tmux !== null) await killSession(project.tmux, agent.name)
}

/** The task of an agent whose runner died goes on. */
async function openStint(tx: Db, agent: Agent | undefined, runId: string): Promise<string | null> {
  const task = agent && (await getTask(tx, agent.task_id))
  if (!task || isFinal(task.state)) return null
  await moveTasks(tx, [task.id], runId)
  return task.id
}

async function beginStint(tx: Db, runId: string, request: StartRequest, now: number): Promise<string> {
  const { capability, title } = request
  const task = await insertTask(
    tx,
    { runId, title, body: title, capability, command: null, files: null, baseRef: null, again: true },
    now,
  )
  return task.id
}

async function makeAgent(
  tx: Db,
  facts: Omit<Stint, 'session'> & { readonly capability: Capability; readonly run: string },
  now: number,
): Promise<Agent | null> {
  const name = facts.capability
  const agent = await insertAgent(
    tx,
    {
      runId: facts.run_id,
      taskId: facts.task_id,
      name,
      capability: facts.capability,
      runtime: facts.runtime,
      model: facts.model,
      mode: facts.mode,
      protection: facts.protection,
      account: facts.account,
      parentId: null,
      depth: 0,
      // Never made: it is on no branch.
      branch: branchOf(facts.run, name),
      worktree: name,
      persistent: true,
    },
    now,
  )
  return takeOver(tx, agent, ['queued'], ownIdentity(), 'starting', now)
}

/** Waits until a start has come through, and gives the agent's row. */
async function untilUp(project: Project, started: Agent): Promise<Agent> {
  const up = async () => {
    const agent = (await getAgent(project.db, started.id)) ?? started
    if (agent.state === 'failed') throw failedToStart(agent)
    return agent.state === 'starting' ? undefined : agent
  }
  return (await untilFound(project, up, { timeoutMs: UP_MS })) ?? (await getAgent(project.db, started.id)) ?? started
}

function failedToStart(agent: Agent): OvError {
  return new OvError('failed', 'persistent.failed', `${agent.name} could not start: ${agent.reason ?? ''}`, {
    hint: `ov inspect ${agent.name}`,
  })
}
