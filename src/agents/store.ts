import type { AgentState, Capability, Mode, Protection, WaitingOn } from '../contract/states.ts'
import { LIVE_STATES, OPEN_STATES } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { standingQuery } from '../db/standing.ts'
import { OvError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { ProcessIdentity } from '../os/process.ts'

export type Agent = Schema['agents']

export interface NewAgent {
  readonly runId: string
  readonly taskId: string
  readonly name: string
  readonly capability: Capability
  readonly runtime: string
  readonly model: string | null
  readonly mode: Mode
  /** Absent: not noted. */
  readonly protection?: Protection | null
  /** By which it would work for who slings it (`accountName`); absent: not noted. */
  readonly account?: string | null
  readonly parentId: string | null
  readonly depth: number
  readonly branch: string
  readonly worktree: string
  /** Its runtime was asked for by name. */
  readonly pinned?: boolean
  /** It has no end of its own: see `src/agents/persistent.ts`. */
  readonly persistent?: boolean
}

/** Inserts a queued agent. Unique indexes refuse a second open agent of one name, task or branch. */
export async function insertAgent(tx: Db, agent: NewAgent, now: number): Promise<Agent> {
  const row: Agent = {
    id: newId(),
    run_id: agent.runId,
    task_id: agent.taskId,
    name: agent.name,
    capability: agent.capability,
    runtime: agent.runtime,
    model: agent.model,
    mode: agent.mode,
    protection: agent.protection ?? null,
    parent_id: agent.parentId,
    depth: agent.depth,
    state: 'queued',
    waiting_on: null,
    waiting_until: null,
    reason: null,
    state_since: now,
    branch: agent.branch,
    base_sha: null,
    worktree: agent.worktree,
    fence: 0,
    owner_pid: null,
    owner_start: null,
    owner_boot: null,
    session: null,
    claimed_done: 0,
    reminded: 0,
    persistent: agent.persistent ? 1 : 0,
    account: agent.account ?? null,
    pinned: agent.pinned ? 1 : 0,
    mid_turn: 0,
    turns: 0,
    created_at: now,
    ended_at: null,
    last_event_at: null,
  }
  await tx.insertInto('agents').values(row).execute()
  return row
}

export function getAgent(db: Db, id: string): Promise<Agent | undefined> {
  return db.selectFrom('agents').selectAll().where('id', '=', id).executeTakeFirst()
}

/** The newest agent of this name: an open one wins over any that ended. */
export async function findAgent(db: Db, name: string): Promise<Agent | undefined> {
  const rows = await db
    .selectFrom('agents')
    .selectAll()
    .where('name', '=', name)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
  return rows.find(isOpen) ?? rows[0]
}

export function agentsOfRun(db: Db, runId: string): Promise<Agent[]> {
  return db.selectFrom('agents').selectAll().where('run_id', '=', runId).orderBy('created_at').orderBy('id').execute()
}

/** Everybody there has ever been, oldest first. */
export function allAgents(db: Db): Promise<Agent[]> {
  return db.selectFrom('agents').selectAll().orderBy('created_at').orderBy('id').execute()
}

export function agentOfTask(db: Db, taskId: string): Promise<Agent | undefined> {
  return db
    .selectFrom('agents')
    .selectAll()
    .where('task_id', '=', taskId)
    .orderBy('created_at', 'desc')
    .executeTakeFirst()
}

export function openAgents(db: Db): Promise<Agent[]> {
  return db
    .selectFrom('agents')
    .selectAll()
    .where('state', 'in', [...OPEN_STATES])
    .orderBy('created_at')
    .orderBy('id')
    .execute()
}

const WATCHED = [
  'id',
  'name',
  'capability',
  'task_id',
  'capability',
  'state',
  'waiting_on',
  'reason',
  'state_since',
  'fence',
  'owner_pid',
  'owner_start',
  'owner_boot',
  'mode',
  'persistent',
] as const satisfies readonly (keyof Agent)[]

/** What a watchdog has to know of an agent. */
export type WatchedAgent = Pick<Agent, (typeof WATCHED)[number]>

/** The same agents as `openAgents` gives, with little of each: they are read very often. */
export const watchedAgents: (db: Db) => Promise<WatchedAgent[]> = standingQuery((db) =>
  db
    .selectFrom('agents')
    .select(WATCHED)
    .where('state', 'in', [...OPEN_STATES])
    .orderBy('created_at')
    .orderBy('id'),
)

/** Agents that hold one of the `maxConcurrent` places. A persistent one holds none: it would keep its own workers out. */
export async function countLive(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('agents')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('state', 'in', [...LIVE_STATES])
    .where('persistent', '=', 0)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Agents a run has had, persistent ones aside. */
export async function countInRun(db: Db, runId: string): Promise<number> {
  const { count } = await db
    .selectFrom('agents')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('run_id', '=', runId)
    .where('persistent', '=', 0)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Agents with a place whose runner prepares their worktree: what they will use of the machine does not show yet. */
export async function countStarting(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('agents')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('state', '=', 'starting')
    .where('persistent', '=', 0)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Agents with a place that their provider holds back. */
export async function countParked(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom('agents')
    .select((is) => is.fn.countAll<number>().as('count'))
    .where('state', '=', 'waiting')
    .where('waiting_on', '=', 'rate_limit')
    .where('persistent', '=', 0)
    .executeTakeFirstOrThrow()
  return Number(count)
}

/** Runtimes whose account is held up, by their ids. */
export interface HeldRuntimes {
  /** Who starts would only wait: others go first. */
  readonly limited: readonly string[]
  /** Until a person has acted nobody starts. */
  readonly stopped: readonly string[]
}

const NOBODY_HELD: HeldRuntimes = { limited: [], stopped: [] }

/**
 * Who of the queue may start: anybody; those that had begun before they lost their runner, and persistent ones; or
 * persistent ones alone, which need no place.
 */
export type Admitted = 'anybody' | 'begun' | 'persistent'

export async function oldestQueued(
  db: Db,
  who: Admitted,
  held: HeldRuntimes = NOBODY_HELD,
  able: (agent: Agent) => boolean = () => true,
): Promise<Agent | undefined> {
  const first = await queued(db, who, held).executeTakeFirst()
  return first === undefined || able(first) ? first : (await queued(db, who, held).execute()).find(able)
}

/** Who of the queue may start, as far as places and providers go; who is to start first comes first. */
export function admittedQueued(db: Db, who: Admitted, held: HeldRuntimes): Promise<Agent[]> {
  return queued(db, who, held).execute()
}

function queued(db: Db, who: Admitted, held: HeldRuntimes) {
  const waiting = db
    .selectFrom('agents')
    .selectAll()
    .where('state', '=', 'queued')
    .where('runtime', 'not in', [...held.stopped])
    // Who would only wait for a limit takes no place from others.
    .orderBy((is) => is('runtime', 'in', [...held.limited]))
    .orderBy('created_at')
    .orderBy('id')
  return who === 'anybody'
    ? waiting
    : waiting.where((is) =>
        who === 'begun' ? is.or([is('persistent', '=', 1), is('turns', '>', 0)]) : is('persistent', '=', 1),
      )
}

export function openChildren(db: Db, parentId: string): Promise<Agent[]> {
  return db
    .selectFrom('agents')
    .selectAll()
    .where('parent_id', '=', parentId)
    .where('state', 'in', [...OPEN_STATES])
    .execute()
}

/** All it has ever slung, oldest first. */
export function childrenOf(db: Db, parentId: string): Promise<Agent[]> {
  return db
    .selectFrom('agents')
    .selectAll()
    .where('parent_id', '=', parentId)
    .orderBy('created_at')
    .orderBy('id')
    .execute()
}

/** The persistent agent of a capability, whatever its state; there is at most one. */
export function persistentAgent(db: Db, capability: Capability): Promise<Agent | undefined> {
  return db
    .selectFrom('agents')
    .selectAll()
    .where('capability', '=', capability)
    .where('persistent', '=', 1)
    .executeTakeFirst()
}

/** The runtimes of those that wait for a place. */
export async function queuedRuntimes(db: Db): Promise<string[]> {
  const rows = await db.selectFrom('agents').select('runtime').distinct().where('state', '=', 'queued').execute()
  return rows.map(({ runtime }) => runtime)
}

/** Takes the persistent agents that are open along into a new run. Gives the ids of their tasks, which go with them. */
export async function joinRun(tx: Db, runId: string): Promise<string[]> {
  const rows = await tx
    .updateTable('agents')
    .set({ run_id: runId })
    .where('persistent', '=', 1)
    .where('state', 'in', [...OPEN_STATES])
    .returning('task_id')
    .execute()
  return rows.map((row) => row.task_id)
}

/** The names of those ids that are agents'. */
export async function namesOf(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db.selectFrom('agents').select(['id', 'name']).where('id', 'in', ids).execute()
  return new Map(rows.map(({ id, name }) => [id, name]))
}

/** Every name ever used, so that a new agent gets a fresh one and old mail never finds a new reader. */
export async function usedNames(db: Db): Promise<Set<string>> {
  const rows = await db.selectFrom('agents').select('name').distinct().execute()
  return new Set(rows.map((row) => row.name))
}

/**
 * Takes an agent over for a new owner: the fence rises, and with it every write of the former owner is refused.
 * Null when it is not in one of the states it may be taken from, or somebody else was faster.
 */
export async function takeOver(
  tx: Db,
  agent: Pick<Agent, 'id' | 'fence'>,
  from: readonly Agent['state'][],
  owner: ProcessIdentity,
  state: Agent['state'],
  now: number,
): Promise<Agent | null> {
  const row = await tx
    .updateTable('agents')
    .set({
      fence: agent.fence + 1,
      owner_pid: owner.pid,
      owner_start: owner.start,
      owner_boot: owner.boot,
      state,
      state_since: now,
    })
    .where('id', '=', agent.id)
    .where('fence', '=', agent.fence)
    .where('state', 'in', [...from])
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** What an agent begins a new stint with. */
export type Stint = Pick<
  Agent,
  'run_id' | 'task_id' | 'runtime' | 'model' | 'mode' | 'protection' | 'account' | 'session'
>

/**
 * Opens an agent that has ended, or has lost its runner, for a new owner: the fence rises. Null when somebody else was faster.
 * @param state whether its owner starts it, or leaves it to whoever has a place for it
 */
export async function reopenAgent(
  tx: Db,
  agent: Pick<Agent, 'id' | 'fence'>,
  stint: Stint,
  owner: ProcessIdentity,
  now: number,
  state: 'starting' | 'queued' = 'starting',
): Promise<Agent | null> {
  const row = await tx
    .updateTable('agents')
    .set({
      ...stint,
      fence: agent.fence + 1,
      owner_pid: owner.pid,
      owner_start: owner.start,
      owner_boot: owner.boot,
      state,
      state_since: now,
      waiting_on: null,
      waiting_until: null,
      reason: null,
      ended_at: null,
      claimed_done: 0,
      reminded: 0,
    })
    .where('id', '=', agent.id)
    .where('fence', '=', agent.fence)
    .returningAll()
    .executeTakeFirst()
  return row ?? null
}

/** An owner's right to write: the agent's id and the fence it was given. */
export interface Ownership {
  readonly id: string
  readonly fence: number
}

type Patch = Partial<
  Pick<
    Agent,
    | 'runtime'
    | 'model'
    | 'mode'
    | 'protection'
    | 'account'
    | 'base_sha'
    | 'session'
    | 'claimed_done'
    | 'reminded'
    | 'mid_turn'
    | 'turns'
    | 'last_event_at'
  >
>

/**
 * Writes facts of an agent, as its owner.
 * @throws {OvError} `agent.fenced` when another owner has taken over.
 */
export async function updateAgent(tx: Db, own: Ownership, patch: Patch): Promise<void> {
  const result = await tx
    .updateTable('agents')
    .set(patch)
    .where('id', '=', own.id)
    .where('fence', '=', own.fence)
    .executeTakeFirst()
  if (result.numUpdatedRows !== 1n) throw fenced(own)
}

/**
 * Makes sure, inside a transaction, that an agent still has this owner.
 * @throws {OvError} `agent.fenced` when another owner has taken over.
 */
export async function assertOwned(tx: Db, own: Ownership): Promise<void> {
  if ((await getAgent(tx, own.id))?.fence !== own.fence) throw fenced(own)
}

/**
 * Moves an agent to a state, as its owner. An ended agent never moves again (only `reopenAgent` opens a persistent one).
 * @throws {OvError} `agent.fenced` when another owner has taken over or it has ended.
 */
export async function setAgentState(tx: Db, own: Ownership, state: AgentState, now: number): Promise<void> {
  const ended = state.name === 'done' || state.name === 'failed' || state.name === 'stopped'
  const result = await tx
    .updateTable('agents')
    .set({
      state: state.name,
      waiting_on: state.name === 'waiting' ? state.on : null,
      waiting_until: state.name === 'waiting' ? (state.until ?? null) : null,
      reason: reasonIn(state),
      state_since: now,
      ...(ended ? { ended_at: now } : {}),
    })
    .where('id', '=', own.id)
    .where('fence', '=', own.fence)
    .where('state', 'in', [...OPEN_STATES])
    .executeTakeFirst()
  if (result.numUpdatedRows !== 1n) throw fenced(own)
}

function reasonIn(state: AgentState): string | null {
  if (state.name === 'failed' || state.name === 'stopped') return state.reason
  return state.name === 'waiting' ? (state.why ?? null) : null
}

/** Takes back an agent's claim that it is done. The train does this, which owns the claim, not the agent. */
export async function reopenClaim(tx: Db, id: string): Promise<void> {
  await tx.updateTable('agents').set({ claimed_done: 0, reminded: 0 }).where('id', '=', id).execute()
}

function fenced(own: Ownership): OvError {
  return new OvError('busy', 'agent.fenced', `Agent ${own.id} has another owner by now, or has ended.`)
}

export function isFenced(error: unknown): boolean {
  return error instanceof OvError && error.code === 'agent.fenced'
}

/** Renames nothing and moves nothing: the state as a value, from its columns. */
export function stateOf(agent: Agent): AgentState {
  switch (agent.state) {
    case 'waiting':
      return {
        name: 'waiting',
        on: agent.waiting_on as WaitingOn,
        ...(agent.waiting_until === null ? {} : { until: agent.waiting_until }),
        ...(agent.reason === null ? {} : { why: agent.reason }),
      }
    case 'failed':
    case 'stopped':
      return { name: agent.state, reason: agent.reason ?? '' }
    default:
      return { name: agent.state }
  }
}

export function isOpen(agent: Pick<Agent, 'state'>): boolean {
  return (OPEN_STATES as readonly string[]).includes(agent.state)
}

/** Who owns an agent at present, or null when nobody does. */
export function ownerOf(agent: Pick<Agent, 'owner_pid' | 'owner_start' | 'owner_boot'>): ProcessIdentity | null {
  if (agent.owner_pid === null || agent.owner_start === null || agent.owner_boot === null) return null
  return { pid: agent.owner_pid, start: agent.owner_start, boot: agent.owner_boot }
}
