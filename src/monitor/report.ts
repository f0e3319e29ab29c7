import { isOpen, namesOf } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import type { MergeState } from '../contract/states.ts'
import type { Schema } from '../db/schema.ts'
import { codeOf, OvError } from '../errors.ts'
import { eventLine, idsIn } from '../events/line.ts'
import { newEvents } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { findMail, type Mail, openQuestions } from '../mail/store.ts'
import { headsOf, type MailHead } from '../mail/view.ts'
import { openMerges, settledMerges } from '../merge/store.ts'
import type { Project } from '../project.ts'
import { lastEntries, wordsOf } from '../reports/output.ts'
import { type AgentReport, type GitView, reportStatus, type StatusReport, viewGit } from '../reports/report.ts'
import { loadRuntime } from '../runtimes/registry.ts'
import { outputFile } from '../state-dir.ts'
import { chosenRun } from '../tasks/runs.ts'
import { doingOf } from './doing.ts'
import { follow, type Gate, noTracks, type Tool, withPending } from './track.ts'
import { treeOf } from './tree.ts'

/** One agent as `ov monitor` shows it. */
export interface MonitoredAgent extends AgentReport {
  /** What it does, waits for or ended with, in a few words on one line; empty where nothing is known. */
  readonly doing: string
  /** What you are to decide about it, in a sentence without its name; null when nothing. */
  readonly decision: string | null
  /** The tool it uses just now. */
  readonly tool: Tool | null
  /** The last line it said. */
  readonly lastWords: string | null
}

/** An entry of the merge queue, or one that is settled. */
export interface MonitoredMerge {
  readonly id: string
  readonly agent: string
  readonly task: string
  readonly branch: string
  readonly commit: string
  readonly state: MergeState
  /** When it was put into this state, in ms since the epoch. */
  readonly since: number
  readonly mergedAs: string | null
  readonly reason: string | null
  /** In the order in which they run; none where they are not known (any more). */
  readonly gates: readonly Gate[]
}

export interface MonitoredEvent {
  readonly id: number
  readonly at: number
  /** Name of the agent it is about. */
  readonly agent: string | null
  readonly type: string
  /** Type and data on one line. */
  readonly line: string
}

/** The document of `ov monitor --once --json`: what the screen shows. */
export interface MonitorReport extends Omit<StatusReport, 'agents' | 'queue'> {
  /** The canonical branch; null when there is none yet. */
  readonly branch: string | null
  /** In the order of the tree: each below the one that slung it. */
  readonly agents: readonly MonitoredAgent[]
  /** What somebody waits to hear from the human. */
  readonly questions: readonly { readonly id: string; readonly from: string; readonly subject: string }[]
  /** The queue in its order, then what was settled last, newest first. */
  readonly merges: readonly MonitoredMerge[]
  /** Newest first. */
  readonly mails: readonly MailHead[]
  /** Oldest first. */
  readonly events: readonly MonitoredEvent[]
  /** By all agents shown. `null`: no runtime said. */
  readonly spent: { readonly tokens: number | null; readonly costUsd: number | null }
}

const EVENTS = 300
const MAILS = 100
const SETTLED = 30
/** So many logs are read at most for one report; the others' turn comes with the next. */
const LOGS_A_READ = 12
/** Milliseconds after which git is asked again without any sign that its answer changed: the human commits, too. */
const GIT_LASTS_MS = 60_000
/** Milliseconds between two questions to git, whatever happens; and a multiple of what the last one took. */
const GIT_PAUSE_MS = 5_000
const GIT_PAUSE_FACTOR = 50

type EventRow = Schema['events']

/** Reads the fleet again and again, and only what has changed since. */
export interface FleetReader {
  /** @throws {OvError} `run.unknown`, and what the database says */
  read(): Promise<MonitorReport>
}

/**
 * @param options.run name or id of a run; without it the current or else the last one, whichever that is at each read
 * @param options.later called when git has answered after a report was given, so that it is worth another
 */
export function fleetReader(project: Project, options: { run?: string; later?: () => void } = {}): FleetReader {
  return new Reader(project, options.run, options.later ?? null)
}

class Reader implements FleetReader {
  readonly #project: Project
  readonly #run: string | undefined
  readonly #later: (() => void) | null
  readonly #tracks = noTracks()
  readonly #lines = new Map<number, MonitoredEvent>()
  readonly #words = new Map<string, { at: number | null; text: string | null; turn: number }>()
  #turn = 0
  #events: EventRow[] = []
  #mails: MailHead[] | null = null
  #questions: Mail[] = []
  #git: { view: GitView; run: string | null; at: number; due: number } | null = null
  #asking = false
  #gitMayDiffer = false

  constructor(project: Project, run: string | undefined, later: (() => void) | null) {
    this.#project = project
    this.#run = run
    this.#later = later
  }

  async read(): Promise<MonitorReport> {
    const { db } = this.#project
    const run = await chosenRun(db, this.#run)
    await this.#takeEvents()
    const git = await this.#gitView(run?.name ?? null)
    const { queue, agents, ...status } = await reportStatus(this.#project, {
      git,
      ...(this.#run === undefined ? {} : { run: this.#run }),
    })
    await this.#readWords(agents)
    const fresh = this.#events.filter(({ id }) => !this.#lines.has(Number(id)))
    // Agents of former runs too.
    const names = await namesOf(db, idsIn(fresh))
    return {
      ...status,
      branch: git.landing?.branch ?? null,
      agents: treeOf(agents.map((agent) => this.#monitored(agent, agents, queue, status))).map(({ agent }) => agent),
      questions: this.#questions.flatMap(({ id, reader, sender, subject }) => {
        const asker = agents.find((agent) => agent.id === sender)
        return reader === HUMAN && asker !== undefined && isOpen(asker) ? [{ id, from: asker.name, subject }] : []
      }),
      merges: await this.#merges(run?.id ?? null, agents),
      mails: this.#mails ?? [],
      events: this.#events.map((event) => this.#monitoredEvent(event, names)),
      spent: {
        tokens: sum(agents.flatMap(({ usage: { input, output } }) => [input, output])),
        costUsd: sum(agents.map(({ usage }) => usage.costUsd)),
      },
    }
  }

  #monitoredEvent(event: EventRow, names: ReadonlyMap<string, string>): MonitoredEvent {
    const id = Number(event.id)
    const known = this.#lines.get(id)
    if (known !== undefined) return known
    const told = {
      id,
      at: event.at,
      agent: event.agent_id === null ? null : (names.get(event.agent_id) ?? null),
      type: event.type,
      line: eventLine({ type: event.type, data_json: withNames(event.data_json, names) }),
    }
    this.#lines.set(id, told)
    // Events come in their order, so the oldest go first.
    for (const old of this.#lines.keys()) {
      if (this.#lines.size <= 2 * EVENTS) break
      this.#lines.delete(old)
    }
    return told
  }

  /** Every change of state has its event, so that events tell what has to be read again. */
  async #takeEvents(): Promise<void> {
    const { db } = this.#project
    const fresh = await newEvents(db, Number(this.#events.at(-1)?.id ?? 0), EVENTS)
    for (const event of fresh) follow(this.#tracks, event)
    if (fresh.length > 0) this.#events = [...this.#events, ...fresh].slice(-EVENTS)
    const perhapsMissed = fresh.length === EVENTS
    if (perhapsMissed || fresh.some(({ type }) => !type.startsWith('tool.'))) this.#gitMayDiffer = true
    if (this.#mails !== null && !perhapsMissed && !fresh.some(({ type }) => MAIL_EVENT.test(type))) return
    this.#mails = await headsOf(db, await findMail(db, {}, MAILS))
    this.#questions = await openQuestions(db, {})
  }

  /** The first answer is waited for; later ones come when they come, and the last one holds meanwhile. */
  async #gitView(run: string | null): Promise<GitView> {
    const now = performance.now()
    const known = this.#git
    if (known === null || known.run !== run) return (await this.#askGit(run)).view
    const differs = this.#gitMayDiffer || now - known.at > GIT_LASTS_MS
    if (differs && now > known.due && !this.#asking && this.#later !== null) {
      this.#askGit(run).then(this.#later, () => {
        // The next report asks again, and says what is wrong where it still is.
        this.#git = null
      })
    }
    return known.view
  }

  async #askGit(run: string | null): Promise<{ view: GitView }> {
    this.#asking = true
    this.#gitMayDiffer = false
    const began = performance.now()
    try {
      const view = await viewGit(this.#project, run === null ? 'ov' : `ov/${run}`)
      const at = performance.now()
      this.#git = { view, run, at, due: at + Math.max(GIT_PAUSE_MS, GIT_PAUSE_FACTOR * (at - began)) }
      return { view }
    } finally {
      this.#asking = false
    }
  }

  #monitored(
    agent: AgentReport,
    all: readonly AgentReport[],
    queue: StatusReport['queue'],
    { at, mode, problems }: Pick<StatusReport, 'at' | 'mode' | 'problems'>,
  ): MonitoredAgent {
    const asked = problems.find(({ kind, agent: about }) => kind === 'escalation' && about === agent.name)
    const decision = asked === undefined ? null : asked.message.replace(`${agent.name} `, '')
    const tool = this.#toolOf(agent)
    const mergesBefore = queue.findIndex(({ branch }) => branch === agent.branch.name)
    const question = this.#questions.find(({ sender }) => sender === agent.id)
    const doing = doingOf(agent, {
      at,
      decision,
      tool,
      gates: this.#tracks.gates.get(agent.id) ?? [],
      mergesBefore: mergesBefore < 0 ? null : mergesBefore,
      queuedBefore: all.filter(({ state, createdAt }) => state === 'queued' && createdAt < agent.createdAt).length,
      holds: mode.holds,
      children: all.filter((other) => other.parent === agent.name && isOpen(other)).map(({ name }) => name),
      question:
        question === undefined
          ? null
          : {
              to: question.reader === HUMAN ? HUMAN : (all.find(({ id }) => id === question.reader)?.name ?? 'nobody'),
              subject: question.subject,
            },
    })
    return { ...agent, doing, decision, tool: tool ?? null, lastWords: this.#words.get(agent.id)?.text ?? null }
  }

  /** A tool that was begun before the agent came into its state was cut short. */
  #toolOf({ id, state, since }: AgentReport): Tool | undefined {
    const tool = this.#tracks.tools.get(id)
    return state === 'working' && tool !== undefined && tool.since >= since ? tool : undefined
  }

  async #merges(run: string | null, agents: readonly AgentReport[]): Promise<MonitoredMerge[]> {
    const { db, config } = this.#project
    const settled = run === null ? [] : await settledMerges(db, run, SETTLED)
    const configured = config.project.qualityGates.map((gate) => (typeof gate === 'string' ? gate : gate.name))
    const byId = new Map(agents.map((agent) => [agent.id, agent]))
    const latest = new Set<string>()
    return [...(await openMerges(db)), ...settled].map((entry) => {
      const { agent_id: id, state } = entry
      const agent = byId.get(id)
      // Only the gates of an agent's latest entry are known.
      const gates = state === 'ready' || latest.has(id) ? [] : (this.#tracks.gates.get(id) ?? [])
      latest.add(id)
      const open = state === 'ready' || state === 'merging'
      return {
        id: entry.id,
        agent: agent?.name ?? id,
        task: agent?.task.title ?? '',
        branch: entry.branch,
        commit: entry.head_sha,
        state,
        since: entry.updated_at,
        mergedAs: entry.merged_as,
        reason: entry.reason,
        gates: open ? withPending(gates, configured) : [...gates],
      }
    })
  }

  /** The last words of those whose log was written to since they were read, the longest ago first. */
  async #readWords(agents: readonly AgentReport[]): Promise<void> {
    const turn = ({ id }: AgentReport) => this.#words.get(id)?.turn ?? -1
    const stale = agents.filter(({ id, lastOutput }) => (this.#words.get(id)?.at ?? null) !== lastOutput)
    const now = this.#later === null ? stale : stale.sort((a, b) => turn(a) - turn(b)).slice(0, LOGS_A_READ)
    for (const agent of now) {
      const text = await this.#lastWordsOf(agent)
      this.#words.set(agent.id, { at: agent.lastOutput, text, turn: this.#turn })
    }
    this.#turn += 1
  }

  async #lastWordsOf(agent: AgentReport): Promise<string | null> {
    const last = (await lastLines(this.#project, agent, 1)).at(-1)
    return last === undefined ? null : oneLine(last, 300)
  }
}

/** The last `count` lines that an agent said, oldest first, without empty ones. */
export async function lastLines(
  project: Project,
  agent: Pick<AgentReport, 'id' | 'runtime'>,
  count: number,
): Promise<string[]> {
  try {
    const runtime = await loadRuntime(agent.runtime)
    const spoken = (entry: Parameters<typeof wordsOf>[0]) =>
      entry.stream === 'ov' ? [] : wordsOf(entry, runtime).filter((line) => line.trim() !== '')
    return lastEntries(outputFile(project, agent), count, spoken).flatMap(spoken).slice(-count)
  } catch (error) {
    // A log that was cleaned away or may not be read, or a runtime that is no more: then there are no words.
    if (error instanceof OvError || codeOf(error) !== undefined) return []
    throw error
  }
}

/** Events after which mail may look another way: its own, and answers that come with the end of an agent. */
const MAIL_EVENT = /^mail\.|^agent\.(?!reminded|containment)|^merge\.(merged|rejected)/

/** Agents by their names instead of their ids, commits by the beginning of theirs, and no ids of mail. */
function withNames(data: string, names: ReadonlyMap<string, string>): string {
  return data
    .replace(/"mail":("[^"]*"|\[[^\]]*\]),?/, '')
    .replace(/"priority":"normal",?/, '')
    .replace(/,}$/, '}')
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => names.get(id) ?? id)
    .replace(/\b([0-9a-f]{8})[0-9a-f]{32}\b/g, '$1')
}

function sum(counts: readonly (number | null)[]): number | null {
  const known = counts.filter((count) => count !== null)
  return known.length === 0 ? null : known.reduce((total, count) => total + count, 0)
}
