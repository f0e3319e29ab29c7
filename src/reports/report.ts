import { leftInQueue } from '../agents/left.ts'
import { type Agent, agentsOfRun, getAgent } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import type {
  AgentStateName,
  Capability,
  MergeState,
  Mode,
  Protection,
  TaskState,
  WaitingOn,
} from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { listQuestions } from '../escalation/questions.ts'
import { type LimitReport, reportLimits } from '../limits/report.ts'
import { type ModeReport, modeNow } from '../load/mode.ts'
import { countWaiting } from '../mail/store.ts'
import { type Behind, behindTrain } from '../merge/behind.ts'
import { openMerges } from '../merge/store.ts'
import { trainRef } from '../merge/track.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { type Spent, spentBy } from '../spend/store.ts'
import { chosenRun, listRuns, type Run } from '../tasks/runs.ts'
import { getTask, type Task, tasksOfRun } from '../tasks/store.ts'
import { type BranchFacts, unmergedBranches } from '../worktrees/unmerged.ts'
import { type Condition, conditionOf, type RunnerSeen, urgency } from './condition.ts'
import { attention, type Problem } from './problems.ts'
import { look, type Sight } from './sight.ts'

/** One agent as `ov status --json` shows it. Times are ms since the epoch; null where nothing is known or applies. */
export interface AgentReport {
  readonly id: string
  readonly name: string
  readonly capability: Capability
  readonly runtime: string
  readonly model: string | null
  readonly mode: Mode
  /** What keeps it inside its worktree; null for agents from before this was noted. */
  readonly protection: Protection | null
  /** Name of the run it belongs to. */
  readonly run: string
  /** Name of the agent that slung it; null for the human. */
  readonly parent: string | null
  readonly depth: number
  /** It has no end of its own: the coordinator, a monitor agent. */
  readonly persistent: boolean
  /** What it is doing as far as can be seen: its recorded state, `runner_gone` or `ending`. */
  readonly condition: Condition
  /** What its row says. */
  readonly state: AgentStateName
  readonly since: number
  readonly waitingOn: WaitingOn | null
  readonly waitingUntil: number | null
  /** Why it failed or was stopped, or what a person is to do for whom it waits. */
  readonly reason: string | null
  /** Asked of the kernel for this report; null for an agent that has no runner. */
  readonly runner: { readonly seen: NonNullable<RunnerSeen>; readonly pid: number | null } | null
  /** When its runtime last printed anything. */
  readonly lastOutput: number | null
  readonly task: {
    readonly id: string
    readonly title: string
    readonly state: TaskState
    readonly attempts: number
    readonly mergedAs: string | null
  }
  /** `unmerged`: its commits that are not in the canonical branch nor on their way there. Null: the branch is gone. */
  readonly branch: { readonly name: string; readonly head: string | null; readonly unmerged: number | null }
  /** `null` counts: its runtime does not say. */
  readonly usage: Spent
  readonly createdAt: number
  readonly endedAt: number | null
}

/** One entry of the merge queue. */
export interface QueueReport {
  readonly agent: string
  readonly task: string
  readonly branch: string
  readonly commit: string
  readonly state: MergeState
  readonly since: number
}

/** The document of `ov status --json`. */
export interface StatusReport {
  readonly at: number
  readonly project: { readonly name: string; readonly root: string }
  /** The run shown; null when there has been none, or all are shown. */
  readonly run: {
    readonly id: string
    readonly name: string
    readonly createdAt: number
    readonly endedAt: number | null
  } | null
  /** How much the fleet does just now, and why. */
  readonly mode: ModeReport
  /** What needs a person, most urgent first. */
  readonly problems: readonly Problem[]
  /** What providers hold up just now, and who waits for it. */
  readonly limits: readonly LimitReport[]
  /** Who needs somebody first, who has ended last. */
  readonly agents: readonly AgentReport[]
  readonly queue: readonly QueueReport[]
  /** How far the checkout is behind what was merged; null when there is no canonical branch yet. */
  readonly landing: Behind | null
  /** Mail of the human's that waits. */
  readonly mail: { readonly unread: number; readonly questions: number }
}

/** What git says of a project. It is dear: every question to git is a process. */
export interface GitView {
  readonly landing: Behind | null
  /** Why nothing can land at all. */
  readonly noLanding: OvError | null
  /** By name. */
  readonly branches: ReadonlyMap<string, BranchFacts>
}

/** @param prefix of the branches: those of a run, or of all runs */
export async function viewGit(project: Project, prefix: string): Promise<GitView> {
  const [landing, noLanding] = await landingOf(project)
  return { landing, noLanding, branches: await branchesOf(project, prefix) }
}

/**
 * What is going on: facts, each read or asked for just now. Writes nothing, moves nothing, confirms no mail.
 *
 * @param options.run name or id of a run; without it the current or else the last one
 * @param options.all every agent of every run
 * @param options.git what git said, where that is known; else it is asked
 * @throws {OvError} `run.unknown`
 */
export async function reportStatus(
  project: Project,
  options: { readonly run?: string; readonly all?: boolean; readonly git?: GitView } = {},
): Promise<StatusReport> {
  const run = options.all ? null : await chosenRun(project.db, options.run)
  const shown = options.all ? await listRuns(project.db) : run === null ? [] : [run]
  const git = options.git ?? (await viewGit(project, run === null ? 'ov' : `ov/${run.name}`))
  const { landing, noLanding } = git
  const agents = (await Promise.all(shown.map((one) => reportRun(project, one, git.branches)))).flat()
  const questions = await listQuestions(project, 'human')
  const queue = await reportQueue(project)
  const unread = await countWaiting(project.db, HUMAN)
  const limits = await reportLimits(project)
  const mode = await modeNow(project)
  const at = project.clock.now()
  return {
    at,
    project: { name: project.name, root: project.root },
    run: run === null ? null : { id: run.id, name: run.name, createdAt: run.created_at, endedAt: run.ended_at },
    mode,
    problems: attention({
      agents,
      maxConcurrent: project.config.agents.maxConcurrent,
      merges: queue.length,
      questions,
      unread,
      landing,
      noLanding,
      limits,
      left: await leftInQueue(project.db, mode),
      at,
    }),
    limits,
    agents: agents.sort((a, b) => urgency(a.condition, a.waitingOn) - urgency(b.condition, b.waitingOn) || order(a, b)),
    queue,
    landing,
    mail: { unread, questions: questions.length },
  }
}

/** Among those at work the oldest first; among those that have ended the newest. */
function order(a: AgentReport, b: AgentReport): number {
  return a.endedAt !== null && b.endedAt !== null ? b.endedAt - a.endedAt : a.createdAt - b.createdAt
}

/** Without a canonical branch nothing can land, but everything else can still be seen. */
async function landingOf(project: Project): Promise<[Behind | null, OvError | null]> {
  try {
    return [await behindTrain(project), null]
  } catch (error) {
    if (error instanceof OvError) return [null, error]
    throw error
  }
}

/**
 * All agents of a run, in the order in which they were slung.
 * @param known their branches, where git was asked already
 */
export async function reportRun(
  project: Project,
  run: Run,
  known?: ReadonlyMap<string, BranchFacts>,
): Promise<AgentReport[]> {
  const agents = await agentsOfRun(project.db, run.id)
  const tasks = new Map((await tasksOfRun(project.db, run.id)).map((task) => [task.id, task]))
  const names = new Map(agents.map((agent) => [agent.id, agent.name]))
  const branches = known ?? (await branchesOf(project, `ov/${run.name}`))
  const spent = await spentBy(
    project.db,
    agents.map(({ id }) => id),
  )
  return agents.map((agent) => {
    const task = tasks.get(agent.task_id)
    if (!task) throw new Error(`agent ${agent.id} has no task`)
    return reportOf(agent, {
      task,
      run: run.name,
      parent: names.get(agent.parent_id ?? '') ?? null,
      sight: look(project, agent),
      branch: branches.get(agent.branch),
      spent: spent.get(agent.id),
    })
  })
}

async function branchesOf(project: Project, prefix: string): Promise<Map<string, BranchFacts>> {
  const branch = await canonicalBranch(project).catch((error: unknown) => {
    if (error instanceof OvError) return null
    throw error
  })
  return branch === null ? new Map() : unmergedBranches(project, prefix, [`refs/heads/${branch}`, trainRef(branch)])
}

interface Known {
  readonly task: Task
  readonly run: string
  readonly parent: string | null
  readonly sight: Sight
  readonly branch: BranchFacts | undefined
  readonly spent: Spent | undefined
}

function reportOf(agent: Agent, { task, run, parent, sight, branch, spent }: Known): AgentReport {
  return {
    id: agent.id,
    name: agent.name,
    capability: agent.capability,
    runtime: agent.runtime,
    model: agent.model,
    mode: agent.mode,
    protection: agent.protection,
    run,
    parent,
    depth: agent.depth,
    persistent: agent.persistent === 1,
    condition: conditionOf(agent, sight.runner, task.state),
    state: agent.state,
    since: agent.state_since,
    waitingOn: agent.state === 'waiting' ? agent.waiting_on : null,
    waitingUntil: agent.state === 'waiting' ? agent.waiting_until : null,
    reason: agent.reason ?? (task.state === 'failed' ? task.reason : null),
    runner: sight.runner === null ? null : { seen: sight.runner, pid: agent.owner_pid },
    lastOutput: sight.lastOutput,
    task: { id: task.id, title: task.title, state: task.state, attempts: task.attempts, mergedAs: task.merged_as },
    branch: { name: agent.branch, head: branch?.head ?? null, unmerged: branch?.unmerged ?? null },
    usage: spent ?? { input: null, output: null, costUsd: null },
    createdAt: agent.created_at,
    endedAt: agent.ended_at,
  }
}

async function reportQueue(project: Project): Promise<QueueReport[]> {
  const entries = await openMerges(project.db)
  return Promise.all(
    entries.map(async (entry) => ({
      agent: (await getAgent(project.db, entry.agent_id))?.name ?? entry.agent_id,
      task: (await getTask(project.db, entry.task_id))?.title ?? '',
      branch: entry.branch,
      commit: entry.head_sha,
      state: entry.state,
      since: entry.updated_at,
    })),
  )
}
