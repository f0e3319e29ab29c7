import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import type { Project } from '../../src/project.ts'
import { parkingOf } from '../../src/runner/parking.ts'
import { loadRuntime } from '../../src/runtimes/registry.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'
import { inHome } from '../rig/project.ts'
import { type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

const HOUR = 60 * 60_000

let home: Home
let room: Mailroom
beforeEach(async () => {
  home = makeHome()
  room = await mailroom()
})
afterEach(async () => {
  await room.dispose()
  await home.dispose()
})

test('who waits for a limit after the clock was set back waits until one time, however often it asks', () =>
  inHome(home, async () => {
    let time = 1_700_000_000_000
    let setBack = 0
    // Two clocks, neither of which ticks with the other.
    const clock = { now: () => Math.floor(time + 0.6) - setBack, monotonic: () => Math.floor(time) }
    const { config } = await loadConfig(makeRepo(home))
    // Limits need no more of a project than this.
    const project = { ...room, clock, config } as unknown as Project
    const parking = parkingOf(project, await room.agent('builder-1'), await loadRuntime('claude'))
    await parking.meet('rate_limit', clock.now() + HOUR, 'Enough')
    setBack = 2 * HOUR
    const told = new Set<number | null>()
    for (let asked = 0; asked < 20; asked++) {
      told.add((await parking.ask())?.until ?? null)
      time += 0.5
    }
    const [until = null] = told
    expect(told.size).toBe(1)
    expect(Math.abs((until ?? 0) - (clock.now() + HOUR))).toBeLessThan(1_000)
    time += HOUR
    expect(await parking.ask()).toBeNull()
  }))
