import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { oldestQueued, takeOver } from '../../src/agents/store.ts'
import { write } from '../../src/db/open.ts'
import { eventsOfKinds } from '../../src/events/store.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { logFolder } from '../../src/state-dir.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

/*
 * A runner looks after the rest of the fleet too: it starts what waits for a place, and brings back what has lost its own. What
 * goes wrong with those is theirs.
 */

let home: Home
let fleet: Fleet
beforeEach(() => {
  home = makeHome()
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

/** A command that goes on until a file of this name lies in the home. */
const until = (name: string) => `while [ ! -e '${join(home.path, name)}' ]; do sleep 0.05; done`
const allow = (name: string) => writeFileSync(join(home.path, name), '')

test('an agent whose runner cannot be started fails alone: who starts it works on, and who waits behind it starts', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('worker', until('go'))
  await fleet.expectState('worker', 'working')
  const held = await home.ov(fleet.repo, ['mode', 'minimal', '--for', '1h'])
  expect(held.code, held.output).toBe(0)
  for (const name of ['broken', 'behind']) await fleet.sling(name, 'true')
  const { id } = await fleet.agent('broken')
  const folder = logFolder({ stateDir: join(fleet.repo, '.overstory') }, { id })
  mkdirSync(dirname(folder), { recursive: true })
  writeFileSync(folder, 'a file where its folder should be')
  // The wish ends, and the worker's runner starts who waits.
  await fleet.db.updateTable('modes').set({ until: 1 }).execute()
  expect((await fleet.expectState('broken', 'failed')).reason).toMatch(/^Its runner could not be started: /)
  await fleet.expectState('behind', 'done')
  expect((await fleet.agent('worker')).state).toBe('working')
  allow('go')
  await fleet.expectState('worker', 'done')
})

test('a start that came to nothing is made again, though whoever made it lives on', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('worker', until('go'))
  await fleet.expectState('worker', 'working')
  expect((await home.ov(fleet.repo, ['mode', 'minimal'])).code).toBe(0)
  await fleet.sling('lost', 'true')
  // This process takes it from the queue, and what it starts dies before it has taken the agent over.
  await write(fleet.db, async (tx) => {
    const queued = await oldestQueued(tx, 'anybody')
    if (queued === undefined) throw new Error('nobody waits')
    await takeOver(tx, queued, ['queued'], ownIdentity(), 'starting', Date.now() - 60_000)
  })
  expect((await home.ov(fleet.repo, ['mode', 'auto'])).code).toBe(0)
  expect((await home.ov(fleet.repo, ['up'])).code).toBe(0)
  await fleet.expectState('lost', 'done')
  allow('go')
  await fleet.expectState('worker', 'done')
})

test('an agent whose worktree git cannot read does not keep another from being brought back, nor fails who looks', async () => {
  fleet = await makeFleet(home)
  const claude = talkingClaude(home, `touch '${home.path}/begun'; sleep 600`)
  const broken = ['sling', '--runtime', 'claude', '--name', 'broken', '--task', 'Work']
  for (const args of [slingShell('worker', until('go')), broken]) {
    const slung = await home.ov(fleet.repo, args, { env: claude.env })
    expect(slung.code, slung.output).toBe(0)
  }
  await fleet.expectState('worker', 'working')
  await expect.poll(() => existsSync(join(home.path, 'begun'))).toBe(true)
  const { id, worktree, owner_pid: runner } = await fleet.agent('broken')
  const index = git(home, join(fleet.repo, '.overstory', 'worktrees', worktree), 'rev-parse', '--git-path', 'index')
  writeFileSync(index, 'no index at all')
  if (runner === null) throw new Error('it has no runner')
  process.kill(runner, 'SIGKILL')
  const requeued = async () => (await eventsOfKinds(fleet.db, id, ['agent.requeued'], 1)).length
  await expect.poll(requeued).toBe(1)
  expect((await fleet.agent('worker')).state).toBe('working')
  allow('go')
  await fleet.expectState('worker', 'done')
})
