import { type Started, startPersistent } from '../agents/persistent.ts'
import { isResting } from '../agents/rules.ts'
import { type Stopped, stopAgents } from '../agents/stop.ts'
import { type Agent, openChildren, persistentAgent } from '../agents/store.ts'
import { COORDINATOR, HUMAN } from '../contract/mail.ts'
import { OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { sendMail } from '../mail/send.ts'
import { countWaiting, type Mail, openQuestions } from '../mail/store.ts'
import { headsOf, type MailHead } from '../mail/view.ts'
import type { Project } from '../project.ts'
import { lastEntries, wordsOf } from '../reports/output.ts'
import type { AgentReport } from '../reports/report.ts'
import { reportRun } from '../reports/report.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import { outputFile } from '../state-dir.ts'
import { step } from '../steps.ts'
import { getRun } from '../tasks/runs.ts'

/** What a coordinator may be started with; absent: what it had before, else what is configured. */
export interface Choice {
  readonly runtime?: string
  readonly model?: string
  readonly interactive?: boolean
}

/** Starts the coordinator, unless it runs. What `startPersistent` throws. */
export function startCoordinator(project: Project, choice: Choice = {}): Promise<Started> {
  return startPersistent(project, {
    ...choice,
    capability: COORDINATOR,
    title: 'Speak with the human and run the fleet',
  })
}

/** Stops the coordinator; what it knows is kept for its next start. Null when there has been none. */
export async function stopCoordinator(project: Project, reason: string): Promise<Stopped | null> {
  const agent = await persistentAgent(project.db, COORDINATOR)
  if (agent === undefined) return null
  const [stopped] = await stopAgents(project, [agent], { reason })
  return stopped ?? null
}

/**
 * The coordinator as somebody means it who wants to look at it.
 * @throws {OvError} `coordinator.none`
 */
export async function theCoordinator(project: Project): Promise<Agent> {
  const agent = await persistentAgent(project.db, COORDINATOR)
  if (agent) return agent
  throw new OvError('user', 'coordinator.none', 'There has been no coordinator in this project yet.', {
    hint: 'ov coordinator start, or give it work at once: ov coordinator "Build a login page"',
  })
}

/** What was said to the coordinator, which was started for it if need be. */
export interface Said extends Started {
  readonly mail: Mail
}

/**
 * Says something to the coordinator. It is started for that unless it runs; one that failed has to be started by hand,
 * for what it met has to be mended first.
 *
 * @param as `assign`: what is wanted of the fleet; `question`: an answer is
 * @throws {OvError} `coordinator.empty`, `coordinator.failed`, and what `startCoordinator` and `sendMail` throw
 */
export async function sayToCoordinator(
  project: Project,
  text: string,
  { as, ...choice }: { as: 'assign' | 'question' } & Choice,
): Promise<Said> {
  if (text.trim() === '') {
    throw new OvError('user', 'coordinator.empty', 'What is the coordinator to be told?', {
      hint: 'ov coordinator "Build a login page"',
    })
  }
  const before = await persistentAgent(project.db, COORDINATOR)
  if (before?.state === 'failed') {
    const why = oneLine(before.reason ?? '', 500)
    throw new OvError('failed', 'coordinator.failed', `The coordinator has failed, so nothing was sent. ${why}`, {
      hint: 'When that is mended: ov coordinator start',
    })
  }
  const started = await startCoordinator(project, choice)
  step('coordinator.started')
  const [mail] = await sendMail(project, {
    from: HUMAN,
    to: started.agent.id,
    type: as,
    priority: as === 'question' ? 'high' : 'normal',
    subject: oneLine(text, 120),
    body: text,
  })
  if (!mail) throw new Error('the mail to the coordinator reached nobody')
  return { ...started, mail }
}

/** The document of `ov coordinator status --json`. */
export interface CoordinatorReport {
  /** Null when there has been none. */
  readonly coordinator: AgentReport | null
  /** It runs, and waits for mail: nothing is under way. */
  readonly idle: boolean
  /** Mail that waits for it. */
  readonly unread: number
  /** Names of the agents it has slung that are still open. */
  readonly workers: readonly string[]
  /** What it waits to hear from the human. */
  readonly questions: readonly MailHead[]
  /** The last lines it said, oldest first. */
  readonly lastWords: readonly string[]
}

const WORDS = 6

/** How the coordinator stands. Looks only. */
export async function reportCoordinator(project: Project): Promise<CoordinatorReport> {
  const { db } = project
  const agent = await persistentAgent(db, COORDINATOR)
  if (agent === undefined)
    return { coordinator: null, idle: false, unread: 0, workers: [], questions: [], lastWords: [] }
  const run = await getRun(db, agent.run_id)
  const report = run && (await reportRun(project, run)).find(({ id }) => id === agent.id)
  if (!report) throw new Error('the coordinator is in no run')
  const runtime = await loadRuntime(agent.runtime)
  const said = lastEntries(outputFile(project, agent), WORDS, (entry) => wordsOf(entry, runtime))
  return {
    coordinator: report,
    idle: isResting(report),
    unread: await countWaiting(db, agent.id),
    workers: (await openChildren(db, agent.id)).map(({ name }) => name),
    questions: await headsOf(db, await openQuestions(db, { sender: agent.id, reader: HUMAN })),
    lastWords: said.flatMap((entry) => wordsOf(entry, runtime)).slice(-WORDS),
  }
}
