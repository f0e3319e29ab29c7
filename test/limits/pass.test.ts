import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, type HeldRuntimes, oldestQueued, setAgentState, updateAgent } from '../../src/agents/store.ts'
import type { Account } from '../../src/limits/account.ts'
import { clearLimits } from '../../src/limits/clear.ts'
import { askPass, giveUpProbe, liftLimit, meetLimit, type Pass, stateOf } from '../../src/limits/pass.ts'
import { reportLimits } from '../../src/limits/report.ts'
import { sayLimit } from '../../src/limits/words.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const ACCOUNT: Account = { provider: 'anthropic', account: '$ANTHROPIC_API_KEY 00c0ffee', evidence: null }
const OTHER = { ...ACCOUNT, account: '$ANTHROPIC_API_KEY 5ea1ed00' }

let room: Mailroom
let project: Mailroom & {
  config: { limits: { backoff: number; longest: number; spacing: number; fallbackAfter: number } }
}
let agents: Agent[]
beforeEach(async () => {
  room = await mailroom()
  const limits = { backoff: MINUTE, longest: 30 * MINUTE, spacing: 5 * SECOND, fallbackAfter: 10 * MINUTE }
  project = { ...room, config: { limits } }
  agents = [await room.agent('one'), await room.agent('two'), await room.agent('three')]
  for (const agent of agents) await updateAgent(room.db, agent, { account: 'anthropic $ANTHROPIC_API_KEY 00c0ffee' })
})
afterEach(() => room.dispose())

const nth = (index: number): Agent => {
  const agent = agents[index]
  if (!agent) throw new Error(`no agent ${index}`)
  return agent
}
const ask = (index: number, { waited = true, account = ACCOUNT } = {}) => askPass(project, account, nth(index), waited)
const meet = (
  index: number,
  { resetAt = null as number | null, pass = null as Pass | null, cause = 'rate_limit' as const } = {},
) =>
  meetLimit(project, ACCOUNT, nth(index), {
    cause,
    resetAt,
    said: 'Enough',
    probe: pass?.may === 'begin' ? pass.probe : null,
  })
const events = async () =>
  (await room.db.selectFrom('events').select('type').where('type', 'like', 'limit.%').orderBy('id').execute()).map(
    ({ type }) => type,
  )

test('what one agent meets holds up all of its account, and nobody of another', async () => {
  const resetAt = room.clock.now() + 10 * MINUTE
  await meet(0, { resetAt })
  for (const waited of [true, false])
    expect(await ask(1, { waited })).toMatchObject({
      may: 'wait',
      until: resetAt,
      cause: 'rate_limit',
      said: 'Enough',
      inLine: false,
    })
  expect(await ask(1, { waited: false, account: OTHER })).toEqual({ may: 'begin', probe: null })
  expect(await events()).toEqual(['limit.hit'])
})

test('when it is time exactly one asks, however many want to; the others wait for what it meets', async () => {
  await meet(0, { resetAt: room.clock.now() + MINUTE })
  room.clock.advance(MINUTE)
  const passes = await Promise.all([0, 1, 2].map((index) => ask(index)))
  expect(passes.filter(({ may }) => may === 'begin')).toHaveLength(1)
  expect(await events()).toEqual(['limit.hit', 'limit.probed'])
  const [report] = await reportLimits(project)
  expect([report?.probe]).toEqual([nth(passes.findIndex(({ may }) => may === 'begin')).name])
})

test('when the one that asks works, the others go on one by one; whoever has not waited, at once', async () => {
  await meet(0, { resetAt: room.clock.now() + MINUTE })
  room.clock.advance(MINUTE)
  const first = await ask(0)
  if (first.may !== 'begin' || first.probe === null) throw new Error('nobody asks')
  await liftLimit(project, ACCOUNT, nth(0), first.probe)
  expect(await ask(0, { waited: false })).toEqual({ may: 'begin', probe: null })
  const [second, third] = [await ask(1), await ask(2)]
  const waits = [second, third].map((pass) =>
    pass.may === 'wait' && pass.inLine ? (pass.until ?? 0) - room.clock.now() : 0,
  )
  expect(waits[0]).toBeLessThanOrEqual(1.25 * SECOND)
  expect((waits[1] ?? 0) - (waits[0] ?? 0)).toBeGreaterThanOrEqual(5 * SECOND)
  expect(await events()).toEqual(['limit.hit', 'limit.probed', 'limit.lifted'])
  expect(await reportLimits(project)).toEqual([])
})

test('when the one that asks meets it again, it moves on, twice as far each time, and all wait', async () => {
  await meet(0)
  const gaps: number[] = []
  for (let time = 0; time < 3; time++) {
    const [before] = await reportLimits(project)
    gaps.push(Math.round(((before?.until ?? 0) - room.clock.now()) / MINUTE))
    room.clock.advance((before?.until ?? 0) - room.clock.now())
    await meet(1, { pass: await ask(1) })
    expect(await ask(2)).toMatchObject({ may: 'wait' })
  }
  expect(gaps).toEqual([1, 2, expect.closeTo(4.5, -0.5)])
  expect((await reportLimits(project))[0]).toMatchObject({ setbacks: 4, estimated: true })
})

test('the one that asks died, hung, or failed for another reason: another one asks', async () => {
  await meet(0, { resetAt: room.clock.now() + MINUTE })
  room.clock.advance(MINUTE)
  const failed = await ask(0)
  if (failed.may !== 'begin' || failed.probe === null) throw new Error('nobody asks')
  await giveUpProbe(project, ACCOUNT, failed.probe)

  expect(await ask(1)).toMatchObject({ may: 'begin', probe: { seized: false } })
  expect(await ask(2)).toMatchObject({ may: 'wait' })
  // Its process is no more: no such pid, or another process's.
  await room.db.updateTable('leases').set({ owner_start: '1' }).execute()
  expect(await ask(2)).toMatchObject({ may: 'begin', probe: { seized: true } })

  expect(await ask(0)).toMatchObject({ may: 'wait' })
  room.clock.advance(5 * MINUTE)
  expect(await ask(0)).toMatchObject({ may: 'begin', probe: { seized: true } })
})

test('one that asked and was given up for dead lifts the limit all the same, and leaves the right of the next alone', async () => {
  await meet(0, { resetAt: room.clock.now() + MINUTE })
  room.clock.advance(MINUTE)
  const slow = await ask(0)
  room.clock.advance(5 * MINUTE)
  const next = await ask(1)
  if (slow.may !== 'begin' || slow.probe === null || next.may !== 'begin') throw new Error('nobody asks')
  await giveUpProbe(project, ACCOUNT, slow.probe)
  expect(await ask(2)).toMatchObject({ may: 'wait' })
  await liftLimit(project, ACCOUNT, nth(0), slow.probe)
  expect(await stateOf(project, ACCOUNT)).toBe('free')
})

test('a refused login stops all until it looks different, or a person says that it is mended', async () => {
  await meetLimit(project, { ...ACCOUNT, evidence: '1:9' }, nth(0), {
    cause: 'auth',
    resetAt: null,
    said: 'No',
    probe: null,
  })
  const stopped = { ...ACCOUNT, evidence: '1:9' }
  expect(await ask(1, { account: stopped })).toMatchObject({ may: 'wait', until: null, cause: 'auth' })
  room.clock.advance(100 * 60 * MINUTE)
  expect(await stateOf(project, stopped)).toBe('stopped')
  expect(await stateOf(project, { ...ACCOUNT, evidence: '2:9' })).toBe('due')
  expect(await clearLimits(project, 'codex')).toEqual([])
  await expect(clearLimits(project, 'antropic')).rejects.toMatchObject({ hint: 'Did you mean anthropic?' })
  expect(await clearLimits(project, 'anthropic')).toEqual([{ provider: ACCOUNT.provider, account: ACCOUNT.account }])
  expect(await stateOf(project, stopped)).toBe('free')
})

test('a limit is told in one line: who, until when, who waits', async () => {
  const resetAt = room.clock.now() + 90 * MINUTE
  await meet(0, { resetAt })
  for (const agent of agents)
    await setAgentState(room.db, agent, { name: 'waiting', on: 'rate_limit', until: resetAt }, 1)
  const [report] = await reportLimits(project)
  if (!report) throw new Error('no limit')
  expect(report).toMatchObject({ waiting: ['one', 'two', 'three'], cause: 'rate_limit', estimated: false })
  const time = new Date(resetAt).toTimeString().slice(0, 5)
  expect(sayLimit(report, room.clock.now())).toMatch(new RegExp(`^anthropic limited until .*${time}, 3 agents wait$`))
})

test('who would only wait for a limit takes no place from others, and nobody starts whose login was refused', async () => {
  for (const [index, runtime] of ['claude', 'codex', 'claude'].entries())
    await room.db
      .updateTable('agents')
      .set({ state: 'queued', runtime, created_at: index })
      .where('id', '=', nth(index).id)
      .execute()
  const first = async (held: HeldRuntimes) => (await oldestQueued(room.db, 'anybody', held))?.name
  expect(await first({ limited: [], stopped: [] })).toBe('one')
  expect(await first({ limited: ['claude'], stopped: [] })).toBe('two')
  expect(await first({ limited: ['claude', 'codex'], stopped: [] })).toBe('one')
  expect(await first({ limited: [], stopped: ['claude'] })).toBe('two')
  expect(await first({ limited: [], stopped: ['claude', 'codex'] })).toBeUndefined()
})
