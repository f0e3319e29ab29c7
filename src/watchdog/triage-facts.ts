import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { recentRestarts } from '../agents/recover.ts'
import { MAX_RESTARTS } from '../agents/rules.ts'
import { type Agent, ownerOf } from '../agents/store.ts'
import { eventLine } from '../events/line.ts'
import { eventsOfKinds, recentEvents } from '../events/store.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import { sha256 } from '../os/digest.ts'
import { fileState } from '../os/files.ts'
import { cpuBelow, liveness, processesBelow } from '../os/process.ts'
import { viewPane } from '../os/tmux.ts'
import type { Project } from '../project.ts'
import { type Entry, lastEntries, wordsOf } from '../reports/output.ts'
import { redactorOf } from '../runner/redact.ts'
import { loadedRuntime, loadedRuntimes } from '../runtimes/registry.ts'
import { candidate } from '../runtimes/routing.ts'
import { outputFile } from '../state-dir.ts'
import { getTask } from '../tasks/store.ts'
import { changesOf } from '../worktrees/changes.ts'
import { grantedIn } from './judged.ts'
import { hasSpoken } from './log.ts'
import { toldOf } from './told.ts'
import type { CaseFacts, Standing } from './triage-rules.ts'
import { TROUBLES, type Trouble } from './trouble.ts'

/** So many events back is looked. */
const HISTORY = 200
/** Lines that a model is told of each, and most characters of a line. */
const EVENTS = 25
const SAID = 40
const COMMITS = 15
const UNCOMMITTED = 30
const WIDTH = 240

/** Whether processes compute is seen over at least so long, in ms; more than this part of the time on one core is work. */
const LOOK_MS = 1_500
const IDLE_SHARE = 0.1

/** What an agent had done by when it was looked at, to tell later whether it has done more. */
export interface Baseline {
  readonly logSize: number
  /** What its processes have computed, in ms; null where the kernel does not tell. */
  readonly cpuMs: number | null
  /** Monotonic ms. */
  readonly at: number
}

/** An agent in trouble, as it is found. */
export interface Case {
  readonly facts: CaseFacts
  /** The same for as long as nothing about it has changed. */
  readonly digest: string
  readonly baseline: Baseline
}

/** Gathers what is known of an agent in trouble: bounded, without control characters, secrets replaced by their names. */
export async function caseOf(project: Project, agent: Agent, trouble: Trouble): Promise<Case> {
  const baseline = baselineOf(project, agent)
  const [task, changes, runtime, { signs, events }, able, screen] = await Promise.all([
    getTask(project.db, agent.task_id),
    changesOf(project, agent, agent.base_sha),
    loadedRuntime(agent.runtime),
    toldOf(project.db, project, agent),
    ableRuntimes(project, agent),
    screenOf(project, agent),
  ])
  const said = (entry: Entry) => (runtime === null ? [] : wordsOf(entry, runtime))
  const words = lastEntries(outputFile(project, agent), SAID, said).flatMap(said).slice(-SAID)
  const clean = redactorOf(process.env)
  const line = (text: string) => clean(oneLine(text, WIDTH))
  const { commits = [], uncommitted = [], files = [] } = changes ?? {}
  const known = [
    `It was started again ${await recentRestarts(project, agent)} times in the last ten minutes.`,
    signs.tools > 0 ? 'A tool of its has begun and not ended.' : 'No tool of its runs.',
    ...(agent.claimed_done === 1 ? ['It has said that it is done.'] : []),
    `It has ${commits.length} commits, which change ${files.length} files.`,
  ]
  const facts: CaseFacts = {
    name: agent.name,
    capability: agent.capability,
    runtime: agent.runtime,
    model: agent.model === null ? null : line(agent.model),
    seen: line(trouble.seen),
    tried: trouble.tried.map(line),
    known: known.map(clean),
    able,
    task: clean(plainText(task?.body ?? '')),
    events: events.slice(-EVENTS).map((event) => line(eventLine(event))),
    said: words.map(line),
    screen: screen === null ? null : clean(plainText(screen)).trimEnd(),
    commits: commits.slice(0, COMMITS).map(({ sha, subject }) => line(`${sha.slice(0, 8)} ${subject}`)),
    uncommitted: uncommitted.slice(0, UNCOMMITTED).map(line),
  }
  const { nudged } = await grantedTo(project, agent, trouble)
  const same = [agent.id, agent.fence, trouble.about, nudged, signs.event, words, commits, uncommitted]
  return { facts, digest: sha256(JSON.stringify(same)), baseline }
}

/** What an agent has done by now. */
export function baselineOf(project: Project, agent: Agent): Baseline {
  return {
    logSize: fileState(outputFile(project, agent))?.size ?? 0,
    cpuMs: agent.owner_pid === null ? null : cpuBelow(agent.owner_pid),
    at: project.clock.monotonic(),
  }
}

/**
 * How an agent stands now, by the facts alone.
 *
 * @param closely whether it computes matters, which can only be seen over a while
 */
export async function standingOf(
  project: Project,
  agent: Agent,
  trouble: Trouble,
  { baseline, closely }: { baseline: Baseline; closely: boolean },
): Promise<Standing> {
  const { db, clock, config } = project
  if (closely) await delay(Math.max(0, LOOK_MS - (clock.monotonic() - baseline.at)))
  const { signs } = await toldOf(db, project, agent)
  const owner = ownerOf(agent)
  const runtime = await loadedRuntime(agent.runtime)
  const own = runtime === null ? null : await candidate(project, runtime.id, { capability: agent.capability })
  return {
    about: trouble.about,
    raised: signs.raised.includes(trouble.about),
    alive: owner !== null && liveness(owner) === 'alive',
    stirred: hasSaidMore(project, agent, baseline),
    tool: signs.tools > 0 && trouble.ms < config.watchdog.tier0.toolLimit,
    computes: computesNow(agent, baseline, clock.monotonic() - baseline.at),
    prompts: runtime?.can.prompts === true,
    persistent: agent.persistent === 1,
    mayRestart: own !== null && own.obstacle === null && (await recentRestarts(project, agent)) < MAX_RESTARTS,
    able: await ableRuntimes(project, agent),
    ...(await grantedTo(project, agent, trouble)),
  }
}

const raisedSchema = z.object({
  about: z.enum(TROUBLES),
  ms: z.number(),
  seen: z.string(),
  tried: z.array(z.string()),
})

/** A trouble that the mechanical tier has raised about this owner of an agent, and that is not over; null where there is none. */
export async function raisedTrouble(project: Project, agent: Agent): Promise<Trouble | null> {
  const { signs, events } = await toldOf(project.db, project, agent)
  const raised = events.findLast(({ type, data_json }) => {
    return type === 'agent.raised' && signs.raised.includes(JSON.parse(data_json).about)
  })
  if (raised === undefined) return null
  return { agent: agent.id, fence: agent.fence, ...raisedSchema.parse(JSON.parse(raised.data_json)) }
}

function hasSaidMore(project: Project, agent: Agent, { logSize }: Baseline): boolean {
  const path = outputFile(project, agent)
  return hasSpoken(path, logSize, fileState(path)?.size ?? 0)
}

/** Whether an agent's processes compute, or would if the machine let them. Where the kernel does not tell, they may. */
function computesNow(agent: Agent, { cpuMs: before }: Baseline, ms: number): boolean {
  const below = agent.owner_pid === null ? null : processesBelow(agent.owner_pid)
  if (below === null || before === null) return true
  const used = below.reduce((sum, { cpuMs }) => sum + cpuMs, 0) - before
  return used > ms * IDLE_SHARE || below.some(({ state }) => state === 'R' || state === 'D')
}

/** How long verdicts have let an agent wait in a trouble, in ms, and how often they have nudged it. A sign of life ends a silence. */
async function grantedTo(
  { db }: Pick<Project, 'db'>,
  agent: Agent,
  trouble: Trouble,
): Promise<Pick<Standing, 'waited' | 'nudged'>> {
  const [triaged, recent] = await Promise.all([
    eventsOfKinds(db, agent.id, ['agent.triaged'], HISTORY),
    recentEvents(db, { agentId: agent.id }, HISTORY),
  ])
  return grantedIn(triaged, recent, trouble)
}

/** Runtimes other than its own that could take an agent's task now; none where its own was asked for by name. */
async function ableRuntimes(project: Project, agent: Agent): Promise<string[]> {
  if (agent.persistent === 1 || agent.pinned === 1) return []
  const others = (await loadedRuntimes()).filter(({ id }) => id !== agent.runtime)
  const request = { capability: agent.capability, interactive: agent.mode === 'interactive' }
  const candidates = await Promise.all(others.map(({ id }) => candidate(project, id, request)))
  return candidates.filter(({ obstacle }) => obstacle === null).map(({ runtime }) => runtime)
}

async function screenOf({ tmux }: Pick<Project, 'tmux'>, agent: Agent): Promise<string | null> {
  if (tmux === null || agent.mode !== 'interactive') return null
  return (await viewPane(tmux, `=${agent.name}:`))?.text ?? null
}
