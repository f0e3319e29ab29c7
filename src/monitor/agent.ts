import { type Started, type StartRequest, startPersistent } from '../agents/persistent.ts'
import { isResting } from '../agents/rules.ts'
import { type Stopped, stopAgents } from '../agents/stop.ts'
import { persistentAgent } from '../agents/store.ts'
import { countWaiting } from '../mail/store.ts'
import type { Project } from '../project.ts'
import { type AgentReport, reportRun } from '../reports/report.ts'
import { getRun } from '../tasks/runs.ts'
import { lastLines } from './report.ts'

const MONITOR = 'monitor'

/** Starts the agent that watches the fleet with judgement, unless it runs. What `startPersistent` throws. */
export function startMonitor(
  project: Project,
  choice: Pick<StartRequest, 'runtime' | 'model' | 'interactive'> = {},
): Promise<Started> {
  return startPersistent(project, { ...choice, capability: MONITOR, title: 'Watch over the fleet' })
}

/** Stops it; what it knows is kept for its next start. Null when there has been none. */
export async function stopMonitor(project: Project, reason: string): Promise<Stopped | null> {
  const agent = await persistentAgent(project.db, MONITOR)
  if (agent === undefined) return null
  const [stopped] = await stopAgents(project, [agent], { reason })
  return stopped ?? null
}

/** The document of `ov monitor status --json`. */
export interface MonitorAgentReport {
  /** Null when there has been none. */
  readonly monitor: AgentReport | null
  /** As far as can be seen. */
  readonly running: boolean
  /** It runs, and waits for mail. */
  readonly idle: boolean
  /** Mail that waits for it. */
  readonly unread: number
  /** The last lines it said, oldest first. */
  readonly lastWords: readonly string[]
}

const WORDS = 6

/** How the monitor agent stands. Looks only. */
export async function reportMonitor(project: Project): Promise<MonitorAgentReport> {
  const { db } = project
  const agent = await persistentAgent(db, MONITOR)
  const run = agent && (await getRun(db, agent.run_id))
  const report = run && (await reportRun(project, run)).find(({ id }) => id === agent.id)
  if (!agent || !report) return { monitor: null, running: false, idle: false, unread: 0, lastWords: [] }
  return {
    monitor: report,
    running: ['starting', 'working', 'waiting'].includes(report.condition),
    idle: isResting(report),
    unread: await countWaiting(db, agent.id),
    lastWords: await lastLines(project, report, WORDS),
  }
}
