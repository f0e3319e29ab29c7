import { HUMAN, SYSTEM } from '../contract/mail.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { accountHere } from '../limits/account.ts'
import { oneLine } from '../mail/frame.ts'
import { postMail } from '../mail/send.ts'
import { findMail } from '../mail/store.ts'
import { commitOf } from '../os/git.ts'
import { ownIdentity } from '../os/process.ts'
import { requireLogin } from '../preflight/login.ts'
import { preflightSling } from '../preflight/sling.ts'
import type { Project } from '../project.ts'
import { look } from '../reports/sight.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import type { RuntimeChoice } from '../runtimes/routing.ts'
import { step } from '../steps.ts'
import { beginRun, currentRun } from '../tasks/runs.ts'
import { findOpenTwin, getTask, moveTasks, reopenTask, type Task } from '../tasks/store.ts'
import { changesOf } from '../worktrees/changes.ts'
import { leaveWord } from './digest.ts'
import { endProcesses } from './end-processes.ts'
import { keepWork } from './keep-work.ts'
import { namedAgent } from './named.ts'
import { giveTo, successorOf } from './reassign.ts'
import { recordFor } from './record.ts'
import { recover } from './recover.ts'
import { dispatchQueued } from './start.ts'
import { type Agent, agentOfTask, getAgent, isOpen, reopenAgent, takeOver, updateAgent } from './store.ts'
import { sessionLeft } from './transcript.ts'

export interface RetryRequest {
  /** The name of an agent, or the id of a task. */
  readonly what: string
  /** Another runtime than it had. */
  readonly runtime?: string
  readonly model?: string
  /** It begins a conversation of its own, told from the records what was done. */
  readonly fresh?: boolean
}

export interface Retried {
  readonly agent: string
  readonly task: string
  readonly runtime: string
  readonly branch: string
  /** Whether it goes on in its runtime's own conversation, or is told from the records. */
  readonly context: 'resumed' | 'digest'
  /** It waits for a place. */
  readonly queued: boolean
}

/**
 * Has an agent go on with its task that failed, was stopped or put aside, or that it can't go on with by itself just now: on
 * the same branch, in the same worktree, as it lies. How often it was started again is forgotten, and so are the attempts of
 * its task.
 *
 * @throws {OvError} `retry.done`, `retry.at-work`, `retry.persistent`, `retry.no-branch`, `retry.twin`, `retry.taken`, and what
 *   `namedAgent`, `successorOf`, `requireLogin`, `preflightSling` and `launchRunner` throw
 */
export async function retry(project: Project, request: RetryRequest): Promise<Retried> {
  const agent = (await agentOfTask(project.db, request.what)) ?? (await namedAgent(project, request.what))
  const task = await getTask(project.db, agent.task_id)
  if (!task) throw new Error(`agent ${agent.id} has no task`)
  await refuseUnfit(project, agent, task)
  const choice = await choiceOf(project, agent, request)
  await preflightSling(project)
  const fresh = request.fresh === true
  const again = isOpen(agent)
    ? await restart(project, agent, choice, fresh)
    : await reopen(project, agent, task, choice, fresh)
  if (!again) {
    throw new OvError('busy', 'retry.taken', `Somebody else has taken ${agent.name} up just now.`, {
      hint: `See how it stands: ov inspect ${agent.name}`,
    })
  }
  step('retry.queued')
  const refused = (await dispatchQueued(project)).get(agent.id)
  if (refused !== undefined) throw refused
  const now = await getAgent(project.db, agent.id)
  return {
    agent: agent.name,
    task: task.id,
    runtime: now?.runtime ?? agent.runtime,
    branch: agent.branch,
    context: now?.session == null ? 'digest' : 'resumed',
    queued: now?.state === 'queued',
  }
}

async function refuseUnfit(project: Project, agent: Agent, task: Task): Promise<void> {
  const { name } = agent
  if (agent.persistent === 1) {
    throw new OvError('user', 'retry.persistent', `The ${agent.capability} has no task that could be tried again.`, {
      hint: `ov ${agent.capability} start`,
    })
  }
  if (task.state === 'merged' || task.state === 'done') {
    const how = task.merged_as === null ? 'done' : `merged as ${task.merged_as.slice(0, 8)}`
    throw new OvError('user', 'retry.done', `The task of ${name} is ${how}.`, {
      hint: 'To have more done: ov sling --task "…"',
    })
  }
  if (isOpen(agent) && !isStuck(project, agent)) {
    const how = agent.state === 'queued' ? 'waits for a place' : agent.state === 'waiting' ? 'waits' : 'is at work'
    throw new OvError('busy', 'retry.at-work', `${name} ${how}; nothing of it has failed.`, {
      hint: `Say something to it: ov nudge ${name} "…". To begin again all the same: ov stop ${name}, then ov retry ${name}`,
    })
  }
  if (isOpen(agent)) return
  if (agent.base_sha !== null && (await commitOf(project.git, `refs/heads/${agent.branch}`)) === null) {
    throw new OvError('user', 'retry.no-branch', `The branch of ${name}, ${agent.branch}, is gone.`, {
      hint: 'Sling its task again: ov sling --again --task "…"',
    })
  }
  const twin = await findOpenTwin(project.db, task.digest)
  if (twin) {
    const worker = await agentOfTask(project.db, twin.id)
    throw new OvError(
      'busy',
      'retry.twin',
      `The same task is already ${twin.state}${worker ? ` with ${worker.name}` : ''}.`,
      {
        hint: worker ? `ov inspect ${worker.name}` : 'ov status',
      },
    )
  }
}

/** An open agent that does not go on by itself, or only later: its account's limit, its login, a runner that is gone. */
function isStuck(project: Project, agent: Agent): boolean {
  if (look(project, agent).runner === 'gone') return true
  return agent.state === 'waiting' && (agent.waiting_on === 'rate_limit' || agent.reason !== null)
}

/** The other runtime that is wanted, or undefined where it keeps its own. */
async function choiceOf(
  project: Project,
  agent: Agent,
  { what, runtime, model }: RetryRequest,
): Promise<RuntimeChoice | undefined> {
  if (runtime !== undefined || model !== undefined)
    return successorOf(project, agent, { runtime: runtime ?? agent.runtime, ...(model === undefined ? {} : { model }) })
  requireLogin(project.config, await loadRuntime(agent.runtime), `ov retry ${oneLine(what, 60)}`)
  return undefined
}

/** Ends whatever runs of an open agent, and puts it back into the queue. */
async function restart(
  project: Project,
  agent: Agent,
  choice: RuntimeChoice | undefined,
  fresh: boolean,
): Promise<boolean> {
  const account = await accountFor(project, agent, choice)
  const taken = await write(project.db, async (tx) => {
    const own = await takeOver(tx, agent, [agent.state], ownIdentity(), agent.state, project.clock.now())
    if (own !== null) await updateAgent(tx, own, { account })
    return own
  })
  if (taken === null) return false
  step('retry.taken')
  await endProcesses(project, agent)
  await keepWork(project, agent)
  step('retry.kept')
  if (choice !== undefined && choice.runtime.id !== agent.runtime) return giveTo(project, taken, choice, BY_HUMAN)
  const event = { type: 'agent.retried', data: { by: HUMAN } }
  return recover(project, taken, BY_HUMAN, { fresh, event, ...(choice === undefined ? {} : { choice }) })
}

/** By which account it goes on: that of who wants it tried again. */
async function accountFor(
  { config }: Project,
  { runtime, model }: Agent,
  choice: RuntimeChoice | undefined,
): Promise<string | null> {
  return choice === undefined ? accountHere(config, await loadRuntime(runtime), model) : choice.account
}

/** Opens an agent that has ended, and its task with it. */
async function reopen(
  project: Project,
  agent: Agent,
  task: Task,
  choice: RuntimeChoice | undefined,
  fresh: boolean,
): Promise<boolean> {
  const runtime = choice?.runtime ?? (await loadRuntime(agent.runtime))
  const { model, mode, protection } = choice ?? agent
  const account = await accountFor(project, agent, choice)
  const session = fresh ? null : sessionLeft(project, agent, { runtime, mode })
  const changes = await changesOf(project, agent, agent.base_sha)
  return write(project.db, async (tx) => {
    const now = project.clock.now()
    const run = await runFor(tx, agent, now)
    if (!(await reopenTask(tx, task.id, run, now))) return false
    const stint = { run_id: run, task_id: task.id, runtime: runtime.id, model, mode, protection, account, session }
    const opened = await reopenAgent(tx, agent, stint, ownIdentity(), now, 'queued')
    if (opened === null) throw new OvError('busy', 'retry.taken', `Somebody else has taken ${agent.name} up just now.`)
    const [dispatch] = await findMail(tx, { reader: agent.id, types: ['dispatch'] }, 1)
    if (dispatch === undefined || dispatch.delivered_at === null || !runtime.can.prompts) {
      const payload = { task: task.id, capability: agent.capability }
      const from = dispatch?.sender ?? HUMAN
      await postMail(tx, { from, to: agent.id, type: 'dispatch', subject: task.title, body: task.body, payload }, now)
    } else {
      const absence = { since: session === null ? null : agent.ended_at, cutOff: agent.mid_turn === 1, changes }
      await leaveWord(tx, opened, absence, now)
      await postMail(tx, { ...tryAgain(task, agent), from: SYSTEM, to: agent.id, priority: 'high' }, now)
    }
    const context = session === null ? 'digest' : 'resumed'
    await recordFor(tx, opened, now, 'agent.retried', { by: HUMAN, was: agent.state, runtime: runtime.id, context })
    return true
  })
}

const BY_HUMAN = 'the human wants it tried again'

function tryAgain(task: Task, agent: Agent) {
  const why = task.reason ?? agent.reason
  return {
    type: 'status',
    subject: 'You are to try again',
    body: `Your task ${task.state === 'failed' ? 'has failed' : `was ${task.state}`}${why ? `: ${oneLine(why, 1000)}` : '.'}\nThe human wants you to go on with it. Look how things stand (\`git status\`), then finish it.`,
  } as const
}

/** The run that is going on takes the agent along, so that it is seen. */
async function runFor(tx: Db, agent: Agent, now: number): Promise<string> {
  const run = (await currentRun(tx)) ?? (await beginRun(tx, now))
  if (run.id !== agent.run_id) await moveTasks(tx, [agent.task_id], run.id)
  return run.id
}
