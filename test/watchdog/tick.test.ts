import { spawn } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeOver } from '../../src/agents/store.ts'
import type { Lease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { recentEvents } from '../../src/events/store.ts'
import { identify, ownIdentity, type ProcessIdentity } from '../../src/os/process.ts'
import { Eyes, INCURIOUS } from '../../src/watchdog/eyes.ts'
import { claimWatch } from '../../src/watchdog/lease.ts'
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
