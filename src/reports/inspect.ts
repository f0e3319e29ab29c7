import { existsSync } from 'node:fs'
import { type Agent, namesOf, openChildren } from '../agents/store.ts'
import { eventLine, idsIn } from '../events/line.ts'
import { recentEvents } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { findMail } from '../mail/store.ts'
import { headsOf, type MailHead } from '../mail/view.ts'
import { argumentsOf } from '../os/process.ts'
import { processesOf } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { outputFile } from '../state-dir.ts'
import { getRun } from '../tasks/runs.ts'
import { getTask } from '../tasks/store.ts'
import { type Changes, changesOn } from '../worktrees/changes.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import { type Failure, failuresOf } from './failures.ts'
import { type Entry, lastEntries, wordsOf } from './output.ts'
import { type AgentReport, reportRun } from './report.ts'
import { type Why, whyOf } from './why.ts'
import { whyFacts } from './why-facts.ts'

/** Everything about one agent: the document of `ov inspect --json`. */
export interface Inspection {
  readonly at: number
  readonly agent: AgentReport
  readonly why: Why
  readonly task: {
    readonly body: string
    readonly command: string | null
    /** Paths it may change; empty: all. */
    readonly files: readonly string[]
    readonly baseCommit: string | null
  }
  readonly worktree: { readonly path: string; readonly exists: boolean }
  readonly changes: Changes
  /** Its last turns that failed, oldest first. */
  readonly failures: readonly Failure[]
  /** Live processes, its runner aside. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[]
  /** Open agents it has slung. */
  readonly children: readonly string[]
  /** Mail it has not got yet. */
  readonly mail: readonly MailHead[]
  /** The newest things `ov` recorded, oldest first. */
  readonly events: readonly { readonly at: number; readonly type: string; readonly line: string }[]
  /** The last lines it said, oldest first. */
  readonly lastWords: readonly string[]
}

const EVENTS = 12
const FAILURES = 5
const WORDS = 10
const MAILS = 50

/** Reads and looks; changes nothing, delivers no mail. */
export async function inspectAgent(project: Project, agent: Agent): Promise<Inspection> {
  const { db } = project
  const task = await getTask(db, agent.task_id)
  const run = await getRun(db, agent.run_id)
  if (!task || !run) throw new Error(`agent ${agent.id} has no task or no run`)
  const worktree = worktreePath(project, agent.worktree)
  const [reports, changes, runtime] = await Promise.all([
    reportRun(project, run),
    changesOn(project, { branch: agent.branch, base: agent.base_sha, worktree }),
    loadedRuntime(agent.runtime),
  ])
  const report = reports.find(({ id }) => id === agent.id)
  if (!report) throw new Error(`agent ${agent.id} is not in its run`)
  const children = (await openChildren(db, agent.id)).map(({ name }) => name)
  const events = await recentEvents(db, { agentId: agent.id }, EVENTS)
  const names = await namesOf(db, idsIn(events))
  const said = (entry: Entry) => (runtime === null ? [] : wordsOf(entry, runtime))
  const words = lastEntries(outputFile(project, agent), WORDS, said)
  return {
    at: project.clock.now(),
    agent: report,
    why: whyOf(await whyFacts(project, agent, report, children)),
    task: {
      body: task.body,
      command: task.command,
      files: task.files_json === null ? [] : JSON.parse(task.files_json),
      baseCommit: agent.base_sha,
    },
    worktree: { path: worktree, exists: existsSync(worktree) },
    changes,
    failures: await failuresOf(db, agent.id, FAILURES),
    processes: processesOf(agent.id).map(({ pid }) => ({ pid, command: oneLine(argumentsOf(pid).join(' '), 200) })),
    children,
    mail: await headsOf(db, await findMail(db, { reader: agent.id, unread: true }, MAILS)),
    events: events.map((event) => ({ at: event.at, type: event.type, line: eventLine(event, names) })),
    lastWords: words.flatMap(said).slice(-WORDS),
  }
}
