import { judgeDeath } from '../agents/recover.ts'
import { allAgents, openAgents } from '../agents/store.ts'
import type { AgentStateName } from '../contract/states.ts'
import { untilFound } from '../db/changes.ts'
import { eventsBeyond, lastEventId } from '../events/store.ts'
import { openMerges } from '../merge/store.ts'
import { letServerEnd } from '../os/tmux.ts'
import { checkLeftovers } from '../preflight/checks/leftovers.ts'
import type { Project } from '../project.ts'
import { type Lack, lackOf } from '../runtimes/lack.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { step } from '../steps.ts'
import { isOrphaned, isStartInDoubt, reconcile } from './reconcile.ts'
import { tendMerges } from './tend.ts'
import { wordsFor } from './words.ts'

/** What is to be done for one agent whose runner is gone, or that waits for a place. */
export interface Planned {
  readonly agent: string
  readonly state: AgentStateName
  /** `leave`: its program or its login is not there for whoever asks. */
  readonly do: 'start' | 'recover' | 'end' | 'put-aside' | 'leave'
  /** What is missing here for one that is left. */
  readonly why?: string
}

export interface Up {
  /** What was to be done when it began. */
  readonly planned: readonly Planned[]
  /** Entries of the merge queue that waited. */
  readonly merges: number
  /** What killed processes had left, and can be cleared away without losing anything: a sentence each. */
  readonly leftovers: readonly string[]
  /** What was recorded while it was done, oldest first; empty for a dry run. */
  readonly did: readonly { readonly at: number; readonly type: string; readonly agent: string | null }[]
  /** The same in sentences. */
  readonly said: readonly string[]
  /** Agents that were to come up and have not yet. */
  readonly pending: readonly string[]
}

/** Longer than a start whose starter died is given, in ms. */
const START_DOUBT_MS = 5_000
/** So many events are told. */
const MANY = 1_000

/**
 * Brings a fleet back after whatever became of it (a reboot, `kill -9` of everything): what lost its runner goes on or
 * is ended, persistent agents too; landings, mail, pool and queue are put right, processes, locks and records that nobody
 * needs any more are cleared away, and what is ready is merged. Where all is in order it changes nothing.
 *
 * @param waitMs so long it waits for those that start
 */
export async function bringUp(
  project: Project,
  { dryRun, gone, waitMs }: { dryRun: boolean; gone: AbortSignal; waitMs: number },
): Promise<Up> {
  await untilStartsAreDecided(project, gone)
  const planned = await planOf(project)
  const merges = (await openMerges(project.db)).length
  const mendable = (await checkLeftovers(project)).found.filter(({ fix }) => fix !== undefined)
  const leftovers = mendable.map(({ message }) => message)
  if (dryRun) return { planned, merges, leftovers, did: [], said: [], pending: [] }
  const cleared: string[] = []
  for (const { fix } of mendable) if (fix !== undefined) cleared.push(await fix())
  const before = await lastEventId(project.db)
  await reconcile(project, { asked: true })
  step('up.reconciled')
  const wanted = planned.filter((one) => one.do === 'start' || one.do === 'recover').map(({ agent }) => agent)
  const pending = await untilUp(project, wanted, waitMs, gone)
  if (project.config.merge.auto) await tendMerges(project, gone)
  step('up.merged')
  // Whose work has been merged just now is at its end, whether or not it could be brought back.
  if (merges > 0) await reconcile(project, { asked: true })
  // A runner that was killed could not do it.
  if (project.tmux !== null && (await openAgents(project.db)).length === 0) await letServerEnd(project.tmux)
  const events = await eventsBeyond(project.db, before, MANY)
  const names = new Map((await allAgents(project.db)).map(({ id, name }) => [id, name]))
  const nameOf = (id: string) => names.get(id) ?? id
  return {
    planned,
    merges,
    leftovers,
    did: events.map(({ at, type, agent_id: agent }) => ({ at, type, agent: agent === null ? null : nameOf(agent) })),
    said: [...cleared, ...events.flatMap((event) => wordsFor(event, nameOf)?.text ?? [])],
    pending,
  }
}

/** A start that has just died may have a runner on its way: that is known within seconds, and nobody is to ask twice. */
async function untilStartsAreDecided(project: Project, gone: AbortSignal): Promise<void> {
  const decided = async () =>
    (await openAgents(project.db)).some((agent) => isStartInDoubt(project, agent)) ? undefined : true
  await untilFound(project, decided, { timeoutMs: START_DOUBT_MS, gone })
}

async function planOf(project: Project): Promise<Planned[]> {
  const planned: Planned[] = []
  for (const agent of await openAgents(project.db)) {
    const { name, state } = agent
    if (state === 'queued') {
      const runtime = await loadedRuntime(agent.runtime)
      const lack = runtime === null ? null : lackOf(project, runtime, agent, { asked: true })
      planned.push({ agent: name, state, do: lack === null ? 'start' : 'leave', ...because(lack) })
    } else if (isOrphaned(project, agent)) {
      const next = await judgeDeath(project, agent, true)
      planned.push({ agent: name, state, do: next.do, ...because(next.lack) })
    }
  }
  return planned
}

function because(lack: Lack | null): Pick<Planned, 'why'> {
  return lack === null ? {} : { why: lack.text }
}

/** Waits until those agents have a runner that is at work, and gives those that have none. */
async function untilUp(
  project: Project,
  names: readonly string[],
  timeoutMs: number,
  gone: AbortSignal,
): Promise<string[]> {
  const waiting = async () => {
    const open = await openAgents(project.db)
    return open.filter(({ name, state }) => names.includes(name) && (state === 'queued' || state === 'starting'))
  }
  const up = async () => {
    const left = await waiting()
    // What only waits for a place is looked after by whoever frees one.
    return left.some(({ state }) => state === 'starting') ? undefined : left
  }
  const left = (await untilFound(project, up, { timeoutMs, gone })) ?? (await waiting())
  return left.map(({ name }) => name)
}
