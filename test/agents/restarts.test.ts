import { afterEach, beforeEach, expect, test } from 'vitest'
import { recentRestarts } from '../../src/agents/recover.ts'
import { RESTART_WINDOW_MS } from '../../src/agents/rules.ts'
import { recordEvent } from '../../src/events/store.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
})
afterEach(() => room.dispose())

test('only restarts of the last ten minutes count, whatever is done to the clock', async () => {
  const agent = await room.agent('builder-1')
  const restarted = () =>
    recordEvent(room.db, { at: room.clock.now(), type: 'agent.recovered', agentId: agent.id, data: {} })
  for (let times = 1; times <= 3; times++) {
    await restarted()
    expect(await recentRestarts(room, agent)).toBe(times)
  }
  room.clock.advance(RESTART_WINDOW_MS + 1)
  expect(await recentRestarts(room, agent)).toBe(0)
  // What happened hours ago seems to lie ahead when the clock is set back.
  room.clock.advance(-2 * 60 * 60_000)
  expect(await recentRestarts(room, agent)).toBe(0)
  await restarted()
  expect(await recentRestarts(room, agent)).toBe(1)
})
