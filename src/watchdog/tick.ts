import type { Kysely } from 'kysely'
import { getAgent } from '../agents/store.ts'
import type { Clock } from '../clock.ts'
import { type Lease, ownsLease, renewLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { step } from '../steps.ts'
import type { Eyes, Place, Shown } from './eyes.ts'
import { WATCH_LEASE_MS } from './lease.ts'
import { asksCpu, judge, type Memory, NOTHING_YET, type Verdict } from './rules.ts'
import type { EventRow } from './signs.ts'
import type { Limits } from './silence.ts'

/** What one round of the watchdog needs, and what it keeps from round to round. */
export interface Round {
  readonly db: Kysely<Schema>
  readonly clock: Clock
  readonly lease: Lease
  readonly eyes: Eyes
  memory: Memory
  /** Monotonic ms at which the lease is to be renewed. */
  renewAt: number
}

export function firstRound(db: Kysely<Schema>, clock: Clock, lease: Lease, eyes: Eyes): Round {
  return { db, clock, lease, eyes, memory: NOTHING_YET, renewAt: clock.monotonic() + WATCH_LEASE_MS / 3 }
}

export interface Ticked {
  readonly verdicts: readonly Verdict[]
  /** What was committed since the last reading. */
  readonly events: readonly EventRow[]
  /** Monotonic ms at which time alone asks for the next round. */
  readonly next: number
}

/**
 * One round: reads the database where that is wanted, asks the kernel after everybody, judges, and records the verdicts
 * in one transaction that only the holder of the watch can commit. What is to be done about them is the caller's.
 *
 * @param due monotonic ms by which the next round comes at the latest
 * @throws {OvError} `watch.lost` when somebody else has the watch
 */
export async function tick(
  round: Round,
  place: Place,
  limits: Limits,
  { read, due, shown = null }: { read: boolean; due: number; shown?: Shown },
): Promise<Ticked> {
  const { eyes } = round
  const events = read ? await eyes.read(place) : []
  const now = round.clock.monotonic()
  const curiosity = { asksCpu: (id: string) => asksCpu(round.memory, id, now) }
  const { verdicts, memory, next } = judge(eyes.look(place, curiosity, shown), round.memory, limits, due)
  await record(round, verdicts)
  // What could not be recorded is concluded again.
  round.memory = memory
  return { verdicts, events, next: Math.min(next, round.renewAt) }
}

async function record(round: Round, verdicts: readonly Verdict[]): Promise<void> {
  const facts = verdicts.filter((verdict) => verdict.do === 'note-gap' || verdict.do === 'report-gone')
  const now = round.clock.monotonic()
  if (facts.length === 0 && now < round.renewAt) return
  await write(round.db, async (tx) => {
    if (!(await ownsLease(tx, round.lease))) throw lost()
    await renewLease(tx, round.lease, round.clock, WATCH_LEASE_MS)
    const at = round.clock.now()
    for (const fact of facts) {
      if (fact.do === 'note-gap') {
        await recordEvent(tx, { at, type: 'watch.gap', data: { ms: Math.round(fact.ms) } })
        continue
      }
      // Its row can be newer than our look: with another owner it is not this death any more.
      const agent = await getAgent(tx, fact.agent)
      if (agent?.fence !== fact.fence || agent.ended_at !== null) continue
      const { run_id: runId, id: agentId, task_id: taskId } = agent
      await recordEvent(tx, { at, type: 'agent.runner-gone', runId, agentId, taskId, data: { pid: agent.owner_pid } })
    }
  })
  if (facts.length > 0) step('tick.recorded')
  round.renewAt = now + WATCH_LEASE_MS / 3
}

function lost(): OvError {
  return new OvError('busy', 'watch.lost', 'Somebody else watches this fleet by now, so this watcher ends.', {
    hint: 'ov watch status',
  })
}
