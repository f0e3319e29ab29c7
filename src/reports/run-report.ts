import type { Project } from '../project.ts'
import { chosenRun, listRuns, type Run } from '../tasks/runs.ts'
import { type AgentReport, reportRun } from './report.ts'

/** A run in numbers. Times are ms since the epoch. */
export interface RunReport {
  readonly id: string
  readonly name: string
  readonly createdAt: number
  /** When the last of its agents ended, or null while one is open. */
  readonly endedAt: number | null
  readonly agents: number
  readonly open: number
  readonly merged: number
  readonly failed: number
  readonly stopped: number
  /** Null where no runtime said. */
  readonly usage: { readonly input: number | null; readonly output: number | null; readonly costUsd: number | null }
}

/** All runs, newest first. */
export async function reportRuns(project: Project): Promise<RunReport[]> {
  const runs = await listRuns(project.db)
  const reports = await Promise.all(runs.map(async (run) => summaryOf(run, await reportRun(project, run))))
  return reports.reverse()
}

/**
 * One run with all its agents, oldest first; the current or else the last one when none is named.
 * @throws {OvError} `run.unknown`
 */
export async function reportOneRun(
  project: Project,
  name: string | undefined,
): Promise<{ run: RunReport; agents: AgentReport[] } | null> {
  const run = await chosenRun(project.db, name)
  if (run === null) return null
  const agents = await reportRun(project, run)
  return { run: summaryOf(run, agents), agents }
}

function summaryOf(run: Run, agents: readonly AgentReport[]): RunReport {
  const count = (is: (agent: AgentReport) => boolean) => agents.filter(is).length
  const open = count(({ endedAt, persistent }) => endedAt === null && !persistent)
  return {
    id: run.id,
    name: run.name,
    createdAt: run.created_at,
    endedAt: open > 0 ? null : agents.reduce((last, { endedAt }) => Math.max(last, endedAt ?? 0), run.created_at),
    agents: agents.length,
    open,
    merged: count(({ task }) => task.state === 'merged'),
    failed: count(({ condition }) => condition === 'failed'),
    stopped: count(({ condition }) => condition === 'stopped'),
    usage: {
      input: sum(agents.map(({ usage }) => usage.input)),
      output: sum(agents.map(({ usage }) => usage.output)),
      costUsd: sum(agents.map(({ usage }) => usage.costUsd)),
    },
  }
}

/** The sum of what is known; null when nothing is. */
function sum(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((number) => number !== null)
  return known.length === 0 ? null : known.reduce((total, number) => total + number, 0)
}
