import { instructionsFile } from '../capabilities/instructions-file.ts'
import { COORDINATOR, HUMAN, isReservedName } from '../contract/mail.ts'
import { type Capability, NAME_PATTERN } from '../contract/states.ts'
import { write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { admissionNow, modeNow } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import { postMail } from '../mail/send.ts'
import { commitOf } from '../os/git.ts'
import { preflightSling } from '../preflight/sling.ts'
import type { Project } from '../project.ts'
import { type PassedOver, sayPassedOver } from '../runtimes/fallback.ts'
import { chooseRuntime } from '../runtimes/routing.ts'
import { step } from '../steps.ts'
import { beginRun, currentRun, endRun, type Run } from '../tasks/runs.ts'
import { digestOf, findOpenTwin, insertTask, moveTasks, type Task } from '../tasks/store.ts'
import { reconcileUnwatched } from '../watchdog/reconcile.ts'
import { branchOf, type Obstacle, vacancies } from '../worktrees/vacant.ts'
import { recordFor } from './record.ts'
import { mayStart } from './rules.ts'
import { dispatchQueued, launchRunner, lookBeforeStart, takeNext } from './start.ts'
import {
  type Agent,
  agentOfTask,
  agentsOfRun,
  countInRun,
  countLive,
  getAgent,
  insertAgent,
  isOpen,
  joinRun,
  usedNames,
} from './store.ts'

/** Longest task text, in characters: a prompt, not a data set. */
const MAX_TASK = 2 * 1024 * 1024

export interface SlingRequest {
  readonly capability: Capability
  readonly task: string
  readonly name?: string
  readonly runtime?: string
  readonly model?: string
  readonly base?: string
  readonly files?: readonly string[]
  readonly command?: string
  /** Whether it gets its CLI's own screen; unset: as configured. */
  readonly interactive?: boolean
  /** Makes it a new task even if the same one is open. */
  readonly again?: boolean
  /** False: refuse instead of queueing when no place is free. */
  readonly queue?: boolean
}

export interface Slung {
  readonly task: Task
  readonly agent: Agent
  readonly run: Run
  /** Whether it was started or waits. */
  readonly queued: boolean
  /** What it waits for; null when it does not, or for a place alone. */
  readonly waits: string | null
  /** Runtimes that would have been taken before its own, had nothing stood in their way. */
  readonly passedOver: readonly PassedOver[]
}

/**
 * Makes a task and an agent for it, and starts the agent when there is a place. Everything is decided and
 * reserved in one transaction; what comes later can fail, be killed and be taken up again.
 *
 * @param parent the agent that slings, null for the human
 */
export async function sling(project: Project, parent: Agent | null, request: SlingRequest): Promise<Slung> {
  const command = request.command ?? ''
  // As it was written: spaces at its beginning may be what it is about.
  const body = request.task.trim() === '' ? command : request.task
  if (body.trim() === '') {
    throw new OvError('user', 'sling.no-task', 'The task is empty.', {
      hint: 'ov sling --task "Implement user authentication"',
    })
  }
  if (body.includes('\0') || command.includes('\0')) {
    throw new OvError('user', 'sling.not-text', 'The task holds a NUL character, so it is no text.', {
      hint: 'Put what is not text into a file of the repository and name it in the task.',
    })
  }
  if (body.length > MAX_TASK) {
    throw new OvError('user', 'sling.task-too-long', `The task has ${body.length} characters, more than ${MAX_TASK}.`, {
      hint: 'Put the material into a file of the repository and name it in the task.',
    })
  }
  if (request.name !== undefined && !NAME_PATTERN.test(request.name)) {
    throw new OvError('user', 'sling.bad-name', `"${oneLine(request.name, 60)}" is not a name for an agent.`, {
      hint: 'Lower-case letters, digits and dashes, a letter first, at most 40: --name login-form',
    })
  }
  if (request.name !== undefined && isReservedName(request.name, request.capability)) {
    throw new OvError('user', 'sling.bad-name', `Mail from an agent called "${request.name}" would be misread.`, {
      hint: 'Take another name, or none: the next free one is chosen.',
    })
  }
  if (request.capability === COORDINATOR) {
    throw new OvError('user', 'sling.coordinator', 'A project has one coordinator, which has no task of its own.', {
      hint: 'ov coordinator "Build a login page"',
    })
  }
  const choice = await chooseRuntime(project, request)
  const { passedOver } = choice
  if (choice.runtime.can.prompts) instructionsFile(project, request.capability)
  if (request.base !== undefined && (await commitOf(project.git, request.base)) === null) {
    throw new OvError('user', 'sling.no-base', `There is no commit "${oneLine(request.base, 60)}" to start from.`, {
      hint: 'Give a branch, tag or commit: --base main',
    })
  }
  await preflightSling(project)
  // Places that the dead hold are freed first: perhaps nobody else is left to do so.
  await reconcileUnwatched(project)
  const obstacleTo = await vacancies(project)
  const outlook = await lookBeforeStart(project, { also: choice.runtime })

  step('sling.checked')
  const now = project.clock.now()
  const { own, ...slung } = await write(project.db, async (tx) => {
    const run = await runFor(tx, parent, now)
    const verdict = mayStart({
      parentDepth: parent?.depth ?? null,
      parentMaySpawn: parent === null || project.roles[parent.capability].maySpawn,
      inRun: await countInRun(tx, run.id),
      live: await countLive(tx),
      limits: project.config.agents,
      queue: request.queue ?? true,
    })
    if (!verdict.ok) throw new OvError('busy', verdict.code, verdict.message, { hint: verdict.hint })
    const held = request.queue === false ? (await admissionNow(tx, project)).why : null
    if (held !== null)
      throw new OvError('busy', 'sling.held', held, { hint: 'To have it wait: leave --no-queue out. More: ov mode' })
    const fresh = {
      runId: run.id,
      title: oneLine(body, 80),
      body,
      capability: request.capability,
      command: request.command ?? null,
      files: request.files ?? null,
      baseRef: request.base ?? null,
      again: request.again ?? false,
    }
    const twin = fresh.again ? undefined : await findOpenTwin(tx, digestOf(fresh))
    if (twin) {
      const worker = await agentOfTask(tx, twin.id)
      throw new OvError(
        'busy',
        'sling.twice',
        `The same task is already ${twin.state}${worker ? ` with ${worker.name}` : ''}.`,
        { hint: 'To have it done a second time all the same: --again' },
      )
    }
    const task = await insertTask(tx, fresh, now)
    const name = freeName(await usedNames(tx), request, (candidate) => obstacleTo(run.name, candidate))
    const agent = await insertAgent(
      tx,
      {
        runId: run.id,
        taskId: task.id,
        name,
        capability: request.capability,
        runtime: choice.runtime.id,
        model: choice.model,
        mode: choice.mode,
        protection: choice.protection,
        account: choice.account,
        pinned: request.runtime !== undefined,
        parentId: parent?.id ?? null,
        depth: verdict.depth,
        branch: branchOf(run.name, name),
        worktree: name,
      },
      now,
    )
    await postMail(
      tx,
      {
        from: parent?.id ?? HUMAN,
        to: agent.id,
        type: 'dispatch',
        subject: task.title,
        body: task.body,
        payload: { task: task.id, capability: agent.capability },
      },
      now,
    )
    await recordFor(tx, agent, now, 'agent.slung', {
      name,
      capability: agent.capability,
      runtime: agent.runtime,
      mode: agent.mode,
      by: parent?.name ?? HUMAN,
      instead: passedOver.length > 0 ? sayPassedOver(passedOver) : null,
    })
    step('sling.reserving')
    // Started by nobody else while there is a place: its login may be in this very environment.
    return { task, agent, run, passedOver, own: await takeNext(tx, project, outlook, agent.id) }
  })
  step('sling.reserved')
  if (own !== null) await launchRunner(project, own)
  const refused = (await dispatchQueued(project)).get(slung.agent.id)
  if (refused !== undefined) throw refused
  step('sling.dispatched')
  const queued = (await getAgent(project.db, slung.agent.id))?.state === 'queued'
  return { ...slung, queued, waits: queued ? (await modeNow(project)).holds : null }
}

/**
 * A child joins its parent's run; other tasks join the run that has somebody at work, or that has had nobody yet, else
 * they begin a new one. A persistent agent is no work: it goes along from run to run.
 */
async function runFor(tx: Parameters<typeof currentRun>[0], parent: Agent | null, now: number): Promise<Run> {
  const run = await currentRun(tx)
  if (run !== null) {
    const workers = (await agentsOfRun(tx, run.id)).filter(({ persistent }) => persistent === 0)
    const isParents = parent !== null && parent.persistent === 0 && parent.run_id === run.id
    if (isParents || workers.length === 0 || workers.some(isOpen)) return run
    await endRun(tx, run.id, now)
  }
  const next = await beginRun(tx, now)
  await moveTasks(tx, await joinRun(tx, next.id), next.id)
  return next
}

/** The wanted name, or the next free `builder-3`. Names are never used twice, so that mail and branches stay apart. */
function freeName(
  used: ReadonlySet<string>,
  { name, capability }: SlingRequest,
  obstacleTo: (name: string) => Obstacle | null,
): string {
  for (let number = 1; ; number++) {
    const next = `${capability}-${number}`
    const obstacle = used.has(next) ? null : obstacleTo(next)
    if (obstacle !== null && obstacle.anyName !== null) throw inTheWay(obstacle.anyName)
    if (obstacle !== null || used.has(next)) continue
    if (name === undefined) return next
    const why = used.has(name) ? `an agent "${name}"` : obstacleTo(name)?.what
    if (why === undefined) return name
    throw new OvError('user', 'sling.name-taken', `There is${used.has(name) ? ' or was' : ' already'} ${why}.`, {
      hint: `Take another name, or none: the next free one is ${next}.`,
    })
  }
}

function inTheWay(branch: string): OvError {
  const aside = `${branch.replaceAll('/', '-')}-mine`
  return new OvError('user', 'sling.branch-in-way', `The branch "${branch}" is where agents' branches should lie.`, {
    hint: `Give it another name, then try again: git branch -m ${branch} ${aside}`,
  })
}
