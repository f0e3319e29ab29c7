import type { Config } from '../config/schema.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import { claimLease, type Lease, releaseLease } from '../db/lease.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { bootId, ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { type Account, accountName, accountOf } from './account.ts'
import {
  afterHit,
  type Hit,
  type Limit,
  type LimitCause,
  type LimitState,
  type Moment,
  placeInLine,
  stateOfLimit,
  timeLeft,
} from './rules.ts'
import { findLimit, limitIn, markLifted, moveLine, noteProbe, putLimit } from './store.ts'

/*
 * An account's limit, shared by all agents that work by that account:
 *
 *   free ──(somebody meets it)──► held until T ──(T)──► due ──► one asks ──(it works)──► lifted: the others go on, one by one
 *                                    ▲                            │
 *                                    └────────(it is met again)───┘
 *   auth: stopped until a person has acted, or the login looks different; then due
 *
 * Who asks has a lease: when it dies, another one asks.
 */

type Held = Pick<Project, 'db' | 'clock'> & { readonly config: Pick<Config, 'limits'> }

/** The agent that wants to begin a turn. */
export interface Asker {
  readonly id: string
  readonly fence: number
  readonly run_id: string
  readonly task_id: string
}

/** Whether a turn may begin. */
export type Pass =
  | { readonly may: 'begin'; readonly probe: Lease | null }
  /** It waits: until then, ms since the epoch (null: for a person); `inLine`: the limit is over, and its turn comes at that time. */
  | {
      readonly may: 'wait'
      readonly until: number | null
      readonly cause: LimitCause
      readonly said: string
      readonly inLine: boolean
    }

/** So long one that asks may take until it has shown whether it works; then another asks, too. */
const PROBE_MS = 5 * 60_000

export function momentOf({ clock }: Pick<Project, 'clock'>): Moment {
  return { now: clock.now(), monotonic: clock.monotonic(), boot: bootId() }
}

/** What holds an account up: until when, ms since the epoch (null: until a person has acted), and why. */
export interface HeldUp {
  readonly until: number | null
  readonly cause: LimitCause
  readonly said: string
}

/** What holds a runtime's account up, for who is started with this process's environment; null for nothing. */
export async function heldUp(
  project: Pick<Project, 'db' | 'clock' | 'config'>,
  runtime: AgentRuntime,
  model: string | null,
): Promise<HeldUp | null> {
  const account = accountOf(project.config, runtime, model)
  if (account === null) return null
  const row = await findLimit(project.db, account)
  const state = stateOfLimit(limitIn(row), momentOf(project), account.evidence)
  return row !== null && (state === 'held' || state === 'stopped')
    ? { until: row.until, cause: row.cause as LimitCause, said: row.said }
    : null
}

/** How the limit of an account stands, if it has one. */
export async function stateOf(project: Held, account: Account): Promise<LimitState> {
  return stateOfLimit(limitIn(await findLimit(project.db, account)), momentOf(project), account.evidence)
}

/**
 * Asks whether a turn may begin. Where it is time to see whether a limit is over, the first that asks is the one that tries,
 * decided in one transaction.
 *
 * @param waited it has waited for this limit: it takes its place in the line of those that go on
 */
export async function askPass(project: Held, account: Account, asker: Asker, waited: boolean): Promise<Pass> {
  const row = await findLimit(project.db, account)
  const state = stateOfLimit(limitIn(row), momentOf(project), account.evidence)
  if (row === null || (state === 'free' && !waited)) return { may: 'begin', probe: null }
  if (state === 'held' || state === 'stopped') return waitFor(project, limitIn(row), row.said)
  return write(project.db, async (tx) => {
    const latest = await findLimit(tx, account)
    const limit = limitIn(latest)
    const moment = momentOf(project)
    if (latest === null || limit === null) return { may: 'begin', probe: null }
    switch (stateOfLimit(limit, moment, account.evidence)) {
      case 'held':
      case 'stopped':
        return waitFor(project, limit, latest.said)
      case 'free': {
        const { wait, next } = placeInLine(limit, moment, project.config.limits, Math.random())
        await moveLine(tx, account, { monotonic: next, boot: moment.boot })
        if (wait === 0) return { may: 'begin', probe: null }
        return { may: 'wait', until: moment.now + wait, cause: limit.cause, said: latest.said, inLine: true }
      }
      case 'due': {
        const probe = await claimLease(tx, leaseOf(account), ownIdentity(), project.clock, PROBE_MS)
        if (probe === null) return waitFor(project, limit, latest.said)
        await noteProbe(tx, account, asker)
        await note(tx, project, asker, 'limit.probed', account, { cause: limit.cause })
        step('limit.probing')
        return { may: 'begin', probe }
      }
    }
  })
}

function waitFor(project: Held, limit: Limit | null, said: string): Pass {
  if (limit === null) return { may: 'begin', probe: null }
  const moment = momentOf(project)
  const soonest = moment.now + timeLeft(limit, moment)
  // The wall clock was set back: it ends by the other one.
  const until = limit.until !== null && limit.until - soonest > 1_000 ? soonest : limit.until
  return { may: 'wait', until, cause: limit.cause, said, inLine: false }
}

/**
 * Records that an agent met a limit, for all of its account. Gives the limit as it holds now.
 *
 * @param said what the runtime said, for people; no secrets
 * @param probe the agent was the one that asked
 */
export function meetLimit(
  project: Held,
  account: Account,
  asker: Asker & { readonly runtime: string },
  hit: Omit<Hit, 'byProbe' | 'evidence'> & { readonly said: string; readonly probe: Lease | null },
): Promise<Limit> {
  return write(project.db, async (tx) => {
    const row = await findLimit(tx, account)
    const before = limitIn(row)
    const facts = { ...hit, byProbe: hit.probe !== null, evidence: account.evidence }
    const limit = afterHit(before, facts, momentOf(project), project.config.limits, Math.random())
    if (hit.probe !== null) await releaseLease(tx, hit.probe)
    if (limit === before) return limit
    await putLimit(tx, account, limit, { runtime: asker.runtime, said: hit.said })
    const { cause, until, estimated, setbacks } = limit
    await note(tx, project, asker, 'limit.hit', account, { cause, until, estimated, setbacks })
    step('limit.meeting')
    return limit
  })
}

/** The one that was sent to ask works: the limit is over, for all. */
export function liftLimit(project: Held, account: Account, asker: Asker, probe: Lease): Promise<void> {
  return write(project.db, async (tx) => {
    await releaseLease(tx, probe)
    if (await markLifted(tx, account, project.clock.now())) await note(tx, project, asker, 'limit.lifted', account, {})
    step('limit.lifting')
  })
}

/** The one that was sent to ask failed for a reason of its own: another one asks. */
export function giveUpProbe(project: Held, account: Account, probe: Lease): Promise<void> {
  return write(project.db, async (tx) => {
    await releaseLease(tx, probe)
    await noteProbe(tx, account, null)
    step('limit.unproved')
  })
}

/** Whoever asks has this right. */
export function leaseOf(account: Pick<Account, 'provider' | 'account'>): string {
  return `limit ${accountName(account)}`
}

async function note(
  tx: Db,
  { clock }: Pick<Project, 'clock'>,
  { id, run_id, task_id }: Asker,
  type: string,
  { provider, account }: Account,
  data: Record<string, unknown>,
): Promise<void> {
  const event = { at: clock.now(), type, runId: run_id, agentId: id, taskId: task_id }
  await recordEvent(tx, { ...event, data: { provider, account, ...data } })
}
