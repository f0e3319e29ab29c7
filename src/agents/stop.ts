import { type AgentStateName, isFinal, OPEN_STATES } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { settleFallen } from '../mail/deliver.ts'
import { oneLine } from '../mail/frame.ts'
import { dropMerges } from '../merge/store.ts'
import { argumentsOf, ownIdentity, type ProcessIdentity } from '../os/process.ts'
import { killSession, letServerEnd } from '../os/tmux.ts'
import { straysIn } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { step } from '../steps.ts'
import { getTask, setTaskState } from '../tasks/store.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import { endProcesses } from './end-processes.ts'
import { endAgent, recordEnd } from './finish.ts'
import { keepWork } from './keep-work.ts'
import { namedAgent } from './named.ts'
import { recordFor } from './record.ts'
import { endOf } from './rules.ts'
import { dispatchQueued } from './start.ts'
import { type Agent, getAgent, isFenced, isOpen, openAgents, takeOver } from './store.ts'
import { conversationsOf, transcriptOf } from './transcript.ts'

/** A process that is still there. */
export interface Survivor {
  readonly pid: number
  /** Its command line, as text for a person. */
  readonly command: string
  /** False: it works in the agent's worktree and was left behind there, but may be somebody else's. It got no signal. */
  readonly certain: boolean
}

/** What became of one agent that was to be stopped. */
export interface Stopped {
  readonly agent: string
  /** Its state before; one of the end states when there was nothing left to stop but stray processes. */
  readonly was: AgentStateName
  readonly state: AgentStateName
  readonly branch: string
  /** Commits of its that are kept by a ref of their own. */
  readonly kept: readonly string[]
  readonly survivors: readonly Survivor[]
}

/** Which agents a speaker wants stopped, and why. */
export interface StopRequest {
  readonly agents: readonly string[]
  readonly all: boolean
  readonly tree: boolean
  readonly reason?: string | undefined
}

/**
 * Stops the agents that are meant. The human may stop anybody; an agent only those it or its own have slung.
 *
 * @param by the agent that asks, null for the human
 * @throws {OvError} what `chooseToStop` throws
 */
export async function stopChosen(
  project: Project,
  by: Agent | null,
  request: StopRequest,
): Promise<{ stopped: Stopped[] }> {
  const chosen = await chooseToStop(project, by, request)
  const reason = request.reason ?? `Stopped by ${by === null ? 'the human' : by.name}.`
  return { stopped: await stopAgents(project, chosen, { reason, all: request.all && by === null }) }
}

/**
 * Stops agents: first each is fenced and its task is stopped, so that its runner can't write any more; then all its
 * processes are ended, its commits kept, its mail bounced. What fails for one does not keep the others running. A stop
 * that is killed in the middle is finished by whoever looks after the fleet next.
 *
 * @param all also what is slung meanwhile, and nothing that waits is started instead
 */
export async function stopAgents(
  project: Project,
  agents: readonly Agent[],
  { reason, all = false }: { reason: string; all?: boolean },
): Promise<Stopped[]> {
  const stopped: Stopped[] = []
  let batch = [...agents]
  // With nobody else at work the tmux server may end meanwhile: whoever is started after this keeps it again.
  const ending = (await othersAtWork(project, agents)) ? null : letServerEndOf(project)
  // What it throws is thrown where it is awaited.
  ending?.catch(() => undefined)
  while (batch.length > 0) {
    const claimed = await Promise.all(batch.map((agent) => claim(project, agent, reason)))
    step('stop.claimed')
    stopped.push(...(await Promise.all(claimed.map((one) => stopOne(project, one, reason)))))
    const seen = new Set(stopped.map(({ agent }) => agent))
    batch = all ? (await openAgents(project.db)).filter((agent) => !seen.has(agent.name)) : []
  }
  if (!all) await dispatchQueued(project)
  if (ending !== null) await ending
  else if (!(await othersAtWork(project, []))) await letServerEndOf(project)
  return stopped
}

async function othersAtWork(project: Project, agents: readonly Agent[]): Promise<boolean> {
  const ids = new Set(agents.map(({ id }) => id))
  return (await openAgents(project.db)).some(({ id }) => !ids.has(id))
}

async function letServerEndOf({ tmux }: Project): Promise<void> {
  if (tmux !== null) await letServerEnd(tmux)
}

/**
 * Which agents are meant: those named, with `tree` also all below them, with `all` everybody.
 *
 * @param by the agent that asks, which may stop only what is below itself; null for the human
 * @throws {OvError} `stop.nobody`, `stop.not-yours`, and what `namedAgent` throws
 */
export async function chooseToStop(
  project: Project,
  by: Agent | null,
  { agents, all, tree }: Pick<StopRequest, 'agents' | 'all' | 'tree'>,
): Promise<Agent[]> {
  if (all === agents.length > 0) {
    throw new OvError('user', 'stop.nobody', all ? 'Name agents, or say --all, not both.' : 'Which agent is to stop?', {
      hint: 'ov stop NAME, or everybody: ov stop --all',
    })
  }
  const open = await openAgents(project.db)
  if (all) return by === null ? open : below([by], open)
  const named = await Promise.all([...new Set(agents)].map((name) => namedAgent(project, name)))
  const stranger = by === null ? undefined : named.find((agent) => !below([by], [...open, agent]).includes(agent))
  if (stranger) {
    throw new OvError('user', 'stop.not-yours', `${stranger.name} was not slung by you or yours.`, {
      hint: 'Ask for it: ov ask "…"',
    })
  }
  return tree ? [...new Set([...named, ...below(named, open)])] : named
}

/** Those of `agents` that were slung by `roots`, or by those, and so on. */
function below(roots: readonly Agent[], agents: readonly Agent[]): Agent[] {
  const found = new Set<string>(roots.map(({ id }) => id))
  const children: Agent[] = []
  for (let grown = true; grown; ) {
    const fresh = agents.filter(({ id, parent_id }) => parent_id !== null && found.has(parent_id) && !found.has(id))
    grown = fresh.length > 0
    for (const agent of fresh) found.add(agent.id)
    children.push(...fresh)
  }
  return children
}

/** An agent to be stopped: its row before, and its row as ours; null when it had ended. */
interface Claimed {
  readonly before: Agent
  readonly own: Agent | null
}

/** Makes this process the owner of an agent and says in the same transaction that its task is to end. */
async function claim(project: Project, agent: Agent, reason: string): Promise<Claimed> {
  return write(project.db, async (tx) => {
    const before = (await getAgent(tx, agent.id)) ?? agent
    const now = project.clock.now()
    if (!isOpen(before)) return { before, own: null }
    const own = await takeOver(tx, before, OPEN_STATES, ownIdentity(), before.state, now)
    if (own === null) return { before, own }
    if (before.state === 'queued') {
      await recordEnd(tx, own, { name: 'stopped', reason }, now)
      return { before, own: null }
    }
    await setTaskState(tx, own.task_id, 'stopped', now, { reason })
    await dropMerges(tx, own.task_id, reason, now)
    await recordFor(tx, own, now, 'agent.stopping', { reason })
    return { before, own }
  })
}

async function stopOne(project: Project, { before, own }: Claimed, reason: string): Promise<Stopped> {
  const left = await endProcesses(project, before)
  step('stop.stopped')
  const [, kept, survivors] = await Promise.all([
    // Its screen goes with its runner; one that stays for whatever reason must not. First, so that it runs beside the rest.
    project.tmux === null ? null : killSession(project.tmux, before.name),
    keepWork(project, before),
    nameSurvivors(project, before, left),
  ])
  if (own !== null) {
    await settle(project, own)
    step('stop.settled')
    await end(project, own, reason)
    step('stop.ended')
  }
  const after = await getAgent(project.db, before.id)
  return {
    agent: before.name,
    was: before.state,
    state: after?.state ?? before.state,
    branch: before.branch,
    kept,
    survivors,
  }
}

async function nameSurvivors(project: Project, agent: Agent, left: readonly ProcessIdentity[]): Promise<Survivor[]> {
  const strays = straysIn(worktreePath(project, agent.worktree), agent.created_at)
  const survivors = [
    ...left.map((who) => describe(who, true)),
    ...strays.filter(({ pid }) => !left.some((who) => who.pid === pid)).map((who) => describe(who, false)),
  ]
  if (survivors.length > 0) await note(project, agent, 'agent.survivors', { survivors })
  return survivors
}

function describe({ pid }: ProcessIdentity, certain: boolean): Survivor {
  return { pid, command: oneLine(argumentsOf(pid).join(' '), 200), certain }
}

/** What was handed to it and stands in its conversation has been delivered: it does not bounce. */
async function settle(project: Project, agent: Agent): Promise<void> {
  const runtime = await loadedRuntime(agent.runtime)
  if (runtime === null) return
  const transcript = transcriptOf(runtime, conversationsOf(project, agent, runtime), () => agent.session ?? undefined)
  if (transcript === undefined) return
  try {
    await settleFallen(project, { id: agent.id, transcript })
  } catch (error) {
    // A conversation that can't be read must not keep the agent from its end.
    await note(project, agent, 'mail.unsettled', { why: messageOf(error) })
  }
}

/** A task that was merged just before is merged: then its agent is done, not stopped. */
async function end(project: Project, own: Agent, reason: string): Promise<void> {
  const task = await getTask(project.db, own.task_id)
  try {
    await endAgent(project, own, task && isFinal(task.state) ? endOf(task) : { name: 'stopped', reason })
  } catch (error) {
    // Somebody else stops it too and was faster; it ends all the same.
    if (!isFenced(error)) throw error
  }
}

function note({ db, clock }: Project, agent: Agent, type: string, data: Record<string, unknown>): Promise<void> {
  return recordFor(db, agent, clock.now(), type, data)
}
