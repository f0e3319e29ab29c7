import { spawn } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeOver } from '../../src/agents/store.ts'
import { type Lease, releaseLease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { recentEvents, recordEvent } from '../../src/events/store.ts'
import { identify, ownIdentity, type ProcessIdentity } from '../../src/os/process.ts'
import { Eyes, INCURIOUS, type Place } from '../../src/watchdog/eyes.ts'
import { claimWatch } from '../../src/watchdog/lease.ts'
import type { Verdict } from '../../src/watchdog/rules.ts'
import { firstRound, type Round, tick } from '../../src/watchdog/tick.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
})
afterEach(() => room.dispose())

const PLACE = {
  stateDir: '/nowhere',
  maxConcurrent: 5,
  mergeAuto: true,
  answerWithin: 900_000,
  tells: false,
  loopAfter: 3,
  deadlines: {},
}
const LIMITS = { nudgeAfter: 120_000, nudgeEvery: 60_000, nudges: 3, toolLimit: 1_800_000 }

/** An agent whose owner is this process. */
async function owned(name: string, owner: ProcessIdentity): Promise<string> {
  const agent = await room.agent(name)
  await write(room.db, (tx) => takeOver(tx, agent, ['working'], owner, 'working', room.clock.now()))
  return agent.id
}

async function begin(): Promise<Round> {
  const lease = await claimWatch(room.db, room.clock)
  if ('pid' in lease) throw new Error('somebody watches')
  return firstRound(room.db, room.clock, lease, new Eyes(room.db, room.clock))
}

const look = (round: Round) => tick(round, PLACE, LIMITS, { read: true, due: room.clock.monotonic() + 60_000 })
const typesOf = async (id: string) => (await recentEvents(room.db, { agentId: id }, 50)).map(({ type }) => type)
const BOOT_BEFORE = { pid: 1, start: '1', boot: 'another boot' }

test('a runner that is gone is recorded once, at the second look; one that lives is not', async () => {
  const dead = await owned('dead', BOOT_BEFORE)
  const alive = await owned('alive', ownIdentity())
  const round = await begin()
  for (let time = 0; time < 5; time++) {
    await look(round)
    expect(await typesOf(dead)).toHaveLength(time === 0 ? 0 : 1)
    room.clock.advance(20)
  }
  expect(await typesOf(dead)).toEqual(['agent.runner-gone'])
  expect(await typesOf(alive)).toEqual([])
})

test('a process that ends while it is held is gone; one that is stopped lives', async () => {
  const child = spawn('sleep', ['1000'])
  const who = identify(child.pid ?? 0)
  if (who === null) throw new Error('no child')
  await owned('one', who)
  const round = await begin()
  const runner = async () => {
    await look(round)
    return round.eyes.look(PLACE, INCURIOUS).agents[0]?.runner
  }
  expect(await runner()).toBe('alive')
  process.kill(who.pid, 'SIGSTOP')
  expect(await runner()).toBe('alive')
  process.kill(who.pid, 'SIGKILL')
  await expect.poll(runner).toBe('gone')
})

test('who has lost the watch writes nothing more: two never both act', async () => {
  const dead = await owned('dead', BOOT_BEFORE)
  const round = await begin()
  await look(round)
  room.clock.advance(20)
  // Another has taken over meanwhile, which this one can't know yet.
  await room.db
    .updateTable('leases')
    .set({ fence: (round.lease as Lease).fence + 1 })
    .execute()
  await expect(look(round)).rejects.toMatchObject({ code: 'watch.lost' })
  expect(await typesOf(dead)).toEqual([])
})

test('whose row has a newer owner than was seen is not recorded as gone', async () => {
  const dead = await owned('dead', BOOT_BEFORE)
  const round = await begin()
  await look(round)
  room.clock.advance(20)
  const [agent] = round.eyes.agents
  if (agent === undefined) throw new Error('no agent')
  await write(room.db, (tx) => takeOver(tx, agent, ['working'], ownIdentity(), 'working', room.clock.now()))
  await tick(round, PLACE, LIMITS, { read: false, due: room.clock.monotonic() + 60_000 })
  expect(await typesOf(dead)).toEqual([])
})

test('the lease is renewed in time, and by nobody whose process is there it is taken', async () => {
  const round = await begin()
  room.clock.advance(9_000)
  await look(round)
  const row = () => room.db.selectFrom('leases').selectAll().executeTakeFirstOrThrow()
  const first = (await row()).expires_at
  room.clock.advance(2_000)
  await look(round)
  expect((await row()).expires_at).toBe((first ?? 0) + 11_000)
  room.clock.advance(3_600_000)
  expect(await claimWatch(room.db, room.clock)).toMatchObject({ pid: process.pid, late: true })
})

/** A round by round watch: nobody looks later than promised. */
async function pass(round: Round, ms: number, place: Place = PLACE): Promise<Verdict[]> {
  const found: Verdict[] = []
  for (let left = ms; left > 0; left -= 5_000) {
    room.clock.advance(Math.min(5_000, left))
    const due = room.clock.monotonic() + 60_000
    found.push(...(await tick(round, place, LIMITS, { read: true, due })).verdicts)
  }
  return found
}

const record = (agentId: string, type: string, data: Record<string, unknown> = {}) =>
  recordEvent(room.db, { at: room.clock.now(), type, agentId, data })

test('what was done about a silence is read from the records: another watcher goes on where this one was; life takes it back', async () => {
  const mute = await owned('mute', ownIdentity())
  const first = await begin()
  await look(first)
  expect(await pass(first, 120_000)).toMatchObject([{ do: 'nudge', agent: mute, nth: 1 }])
  await record(mute, 'agent.nudged', { about: 'silence', nth: 1, silentMs: 120_000, logSize: 0 })
  await write(room.db, (tx) => releaseLease(tx, first.lease))
  const second = await begin()
  await look(second)
  expect(await pass(second, 55_000)).toEqual([])
  expect(await pass(second, 5_000)).toMatchObject([{ do: 'nudge', nth: 2 }])
  await record(mute, 'agent.nudged', { about: 'silence', nth: 2, silentMs: 60_000, logSize: 0 })
  await record(mute, 'agent.committed')
  expect(await pass(second, 115_000)).toEqual([])
  expect(await pass(second, 10_000)).toMatchObject([{ do: 'nudge', nth: 1 }])
})

test('a deadline counts from the first start of the agent, whoever watches; a verdict moves it; who was asked is not asked again', async () => {
  const slow = await owned('slow', ownIdentity())
  await record(slow, 'agent.starting')
  room.clock.advance(3_000_000)
  await record(slow, 'agent.starting')
  const place = { ...PLACE, deadlines: { builder: 3_600_000 } }
  const round = await begin()
  const watch = async (ms: number) => (await pass(round, ms, place)).filter(({ do: what }) => what === 'raise')
  await tick(round, place, LIMITS, { read: true, due: room.clock.monotonic() + 60_000 })
  // It shows life all the while.
  const working = async (ms: number) => {
    const found: Verdict[] = []
    for (let left = ms; left > 0; left -= 100_000) {
      await record(slow, 'tool.end')
      found.push(...(await watch(Math.min(100_000, left))))
    }
    return found
  }
  expect(await working(500_000)).toEqual([])
  expect((await working(105_000))[0]).toMatchObject({ do: 'raise', about: 'deadline', ms: 3_600_000 })
  await record(slow, 'agent.triaged', { about: 'deadline', verdict: 'wait', waitMs: 300_000 })
  expect(await working(295_000)).toEqual([])
  expect((await working(10_000))[0]).toMatchObject({ about: 'deadline' })
  await record(slow, 'agent.escalated', { about: 'deadline' })
  expect(await working(300_000)).toEqual([])
})

test('the deadline of one that waited for a place when it was seen first counts from its start', async () => {
  const late = await owned('late', ownIdentity())
  const place = { ...PLACE, deadlines: { builder: 3_600_000 } }
  const round = await begin()
  await tick(round, place, LIMITS, { read: true, due: room.clock.monotonic() + 60_000 })
  await pass(round, 1_000_000, place)
  await record(late, 'agent.starting')
  const raised: Verdict[] = []
  for (let minute = 0; minute < 61; minute++) {
    await record(late, 'tool.end')
    raised.push(...(await pass(round, 60_000, place)).filter(({ do: what }) => what === 'raise'))
  }
  expect(raised[0]).toMatchObject({ do: 'raise', about: 'deadline', agent: late, ms: 3_600_000 })
})
