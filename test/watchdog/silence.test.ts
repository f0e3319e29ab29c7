import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, getAgent, setAgentState, takeOver } from '../../src/agents/store.ts'
import { claimLease, type Lease, releaseLease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { recentEvents, recordEvent } from '../../src/events/store.ts'
import { ownIdentity } from '../../src/os/process.ts'
import type { Project } from '../../src/project.ts'
import { Eyes, type Place } from '../../src/watchdog/eyes.ts'
import { claimWatch } from '../../src/watchdog/lease.ts'
import { nudge } from '../../src/watchdog/nudge.ts'
import { type Raise, raise } from '../../src/watchdog/raise.ts'
import type { Verdict } from '../../src/watchdog/rules.ts'
import { firstRound, type Round, tick } from '../../src/watchdog/tick.ts'
import { toldOf } from '../../src/watchdog/told.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

/*
 * Who hangs is acted upon, and who works is not, whatever the clocks do, however long the records are, and whoever watches:
 * the watcher and those who act for it, with a real database and real logs.
 */

const HOUR = 3_600_000
const LIMITS = { nudgeAfter: 120_000, nudgeEvery: 60_000, nudges: 2, toolLimit: 1_800_000 }

let room: Mailroom
let lease: Lease
let round: Round
beforeEach(async () => {
  room = await mailroom()
})
afterEach(() => room.dispose())

const place = (more: Partial<Place> = {}): Place => ({
  stateDir: dirname(room.databasePath),
  maxConcurrent: 5,
  mergeAuto: true,
  answerWithin: 900_000,
  tells: false,
  loopAfter: 3,
  deadlines: {},
  ...more,
})

/** What of a project those use who act for the watcher. */
function project({ deadlines }: Pick<Place, 'deadlines'> = { deadlines: {} }): Project {
  const tier0 = { enabled: true, loopAfter: 3, nudges: LIMITS.nudges }
  const config = { watchdog: { tier0, deadlines } }
  return { ...room, config, stateDir: dirname(room.databasePath) } as unknown as Project
}

/** An agent that works, with this process as its owner. */
async function working(name: string): Promise<Agent> {
  const { id } = await room.agent(name)
  await room.db.updateTable('agents').set({ runtime: 'claude' }).where('id', '=', id).execute()
  await room.db.updateTable('tasks').set({ command: null }).execute()
  const agent = await row(id)
  await write(room.db, (tx) => takeOver(tx, agent, ['working'], ownIdentity(), 'working', room.clock.now()))
  return row(id)
}

async function row(id: string): Promise<Agent> {
  const agent = await getAgent(room.db, id)
  if (agent === undefined) throw new Error('no agent')
  return agent
}

/** Another watcher than before. */
async function watch(at: Place = place()): Promise<void> {
  if (lease !== undefined) await write(room.db, (tx) => releaseLease(tx, lease))
  const claimed = await claimWatch(room.db, room.clock)
  if ('pid' in claimed) throw new Error('somebody watches')
  lease = claimed
  round = firstRound(room.db, room.clock, lease, new Eyes(room.db, room.clock))
  await look(at)
}

async function look(at: Place): Promise<readonly Verdict[]> {
  const due = room.clock.monotonic() + 60_000
  return (await tick(round, at, LIMITS, { read: true, due })).verdicts
}

/** Time passes, and what the watcher asks for is done; gives what was, in its order: what is raised again and again once. */
async function pass(
  ms: number,
  { at = place(), each = () => undefined as unknown, fails = (): boolean => false } = {},
): Promise<string[]> {
  const did: string[] = []
  for (let left = ms; left > 0; left -= 5_000) {
    room.clock.advance(5_000)
    await each()
    for (const verdict of await look(at)) {
      if (fails()) continue
      if (verdict.do === 'nudge' && (await nudge(project(at), lease, verdict))) did.push(`nudge ${verdict.about}`)
      if (verdict.do === 'raise' && (await raise(project(at), lease, verdict)) !== null)
        did.push(`raise ${verdict.about}`)
    }
  }
  return did.filter((one, index) => one !== did[index - 1] || one.startsWith('nudge'))
}

/** Lines in the log of an agent. */
function logged(id: string, stream: string, text = 'x'): void {
  const folder = join(dirname(room.databasePath), 'logs', id)
  mkdirSync(folder, { recursive: true })
  appendFileSync(join(folder, 'output.ndjson'), `${JSON.stringify({ at: 1, stream, text })}\n`)
}

const record = (agentId: string, type: string, data: Record<string, unknown> = {}) =>
  recordEvent(room.db, { at: room.clock.now(), type, agentId, data })

test('who hangs is nudged and raised though it is written to all the while, and its CLI replies to each word', async () => {
  const { id } = await working('mute')
  await watch()
  const written = () => {
    logged(id, 'in', 'are you there?')
    logged(id, 'reply', '{"id":"ov-prompt-1","type":"response","success":true}')
  }
  expect(await pass(250_000, { each: written })).toEqual(['nudge silence', 'nudge silence', 'raise silence'])
})

test('who was to be nudged by somebody who was killed is nudged in the end, and raised', async () => {
  await working('mute')
  await watch()
  let sent = 0
  const killed = () => {
    sent += 1
    return sent === 1 || sent === 3
  }
  const did = await pass(500_000, { fails: killed })
  expect(did.slice(0, 3)).toEqual(['nudge silence', 'nudge silence', 'raise silence'])
})

test('who says something is left alone: on pipes, or on a screen of its own, also after a nudge', async () => {
  for (const stream of ['out', 'told']) {
    const { id } = await working(stream)
    await watch()
    expect(await pass(150_000)).toEqual(['nudge silence'])
    logged(id, stream)
    expect(await pass(100_000)).toEqual([])
    await room.end(stream)
  }
})

test('a clock that was set back between the begin of a turn and its silence lets nobody hang unheard', async () => {
  await working('mute')
  room.clock.set(-2 * HOUR)
  await watch()
  expect(await pass(250_000)).toEqual(['nudge silence', 'nudge silence', 'raise silence'])
})

test('what was done about a turn is not about the next one, whatever the clock was set to in between', async () => {
  const agent = await working('mute')
  await watch()
  expect(await pass(200_000)).toEqual(['nudge silence', 'nudge silence'])
  room.clock.set(-2 * HOUR)
  for (const state of ['waiting', 'working'] as const) {
    room.clock.advance(1_000)
    const to = state === 'waiting' ? ({ name: state, on: 'mail' } as const) : { name: state }
    await setAgentState(room.db, agent, to, room.clock.now())
  }
  expect((await toldOf(room.db, project(), await row(agent.id))).signs.tried.silence.nudges).toBe(0)
  await watch()
  expect(await pass(200_000)).toEqual(['nudge silence', 'nudge silence'])
})

test('who was asked about a deadline is not asked again by the next watcher, however much has happened since', async () => {
  const at = place({ deadlines: { builder: HOUR } })
  const { id } = await working('slow')
  await record(id, 'agent.starting')
  room.clock.advance(HOUR)
  const busy = () => record(id, 'tool.end')
  await watch(at)
  expect(await pass(5_000, { at, each: busy })).toEqual(['raise deadline'])
  await record(id, 'agent.escalated', { about: 'deadline' })
  for (let event = 0; event < 300; event++) await busy()
  await watch(at)
  expect(await pass(60_000, { at, each: busy })).toEqual([])
  await record(id, 'agent.triaged', { about: 'deadline', verdict: 'wait', waitMs: 600_000 })
  for (let event = 0; event < 300; event++) await busy()
  await watch(at)
  expect(await pass(500_000, { at, each: busy })).toEqual([])
  expect((await pass(110_000, { at, each: busy }))[0]).toBe('raise deadline')
})

test('who is told to raise what has been judged meanwhile does not', async () => {
  const at = place({ deadlines: { builder: HOUR } })
  const { id, fence } = await working('slow')
  await record(id, 'agent.starting')
  const mine = await write(room.db, (tx) => claimLease(tx, 'watch', ownIdentity(), room.clock, HOUR))
  if (mine === null) throw new Error('somebody watches')
  const late: Raise = { agent: id, fence, about: 'deadline', ms: HOUR, knows: 0 }
  expect(await raise(project(at), mine, late)).not.toBeNull()
  await record(id, 'agent.triaged', { about: 'deadline', verdict: 'wait', waitMs: 600_000 })
  expect(await raise(project(at), mine, late)).toBeNull()
  const [verdict] = (await recentEvents(room.db, { agentId: id }, 1)).map((event) => Number(event.id))
  expect(await raise(project(at), mine, { ...late, knows: verdict ?? 0 })).not.toBeNull()
})
