import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownerOf } from '../../src/agents/store.ts'
import { liveness } from '../../src/os/process.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import type { MountSpace } from '../rig/mount-space.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'
import { hasUserManager, userManager } from '../rig/user-manager.ts'

let home: Home
let fleet: Fleet
beforeEach(async () => {
  home = makeHome()
  fleet = await makeFleet(home)
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

const units = () => join(home.env.HOME ?? home.path, '.config', 'systemd', 'user')

describe('without a service manager', () => {
  test('install says so, offers what there is, and writes nothing; the rest works', async () => {
    const refused = await home.ov(fleet.repo, ['service', 'install'])
    expect(refused.output).toBe(
      '✖ No systemd of yours can be reached from here: there is none, or this terminal is not in a session of it.\nHint: ov watch --background\n',
    )
    expect(refused.code).toBe(1)
    const dry = await home.ov(fleet.repo, ['service', 'install', '--dry-run'], {
      env: { ANTHROPIC_API_KEY: 'sk-ant-0123456789' },
    })
    expect(dry.code).toBe(0)
    expect(dry.stdout).toContain('KillMode=process')
    expect(dry.stdout).not.toContain('sk-ant')
    expect(existsSync(units())).toBe(false)
    expect((await home.ov(fleet.repo, ['service', 'status'])).stdout).toBe('There is no service for this project.\n')
    expect((await home.ov(fleet.repo, ['service', 'uninstall'])).stdout).toBe('There was no service.\n')
  })

  test('a file that ov did not write is neither replaced nor removed; one that it wrote is removed all the same', async () => {
    const { service } = JSON.parse((await home.ov(fleet.repo, ['service', 'status', '--json'])).stdout)
    mkdirSync(units(), { recursive: true })
    writeFileSync(service.path, '[Service]\nExecStart=/bin/mine\n')
    const kept = await home.ov(fleet.repo, ['service', 'uninstall'])
    expect(kept.code).toBe(3)
    expect(readFileSync(service.path, 'utf8')).toContain('/bin/mine')
    const dry = await home.ov(fleet.repo, ['service', 'install', '--dry-run'])
    writeFileSync(service.path, dry.stdout)
    expect((await home.ov(fleet.repo, ['service', 'status'])).stdout).toContain(`Installed: ${service.path}\n`)
    expect((await home.ov(fleet.repo, ['service', 'uninstall'])).code).toBe(0)
    expect(readdirSync(units())).toEqual([])
  })
})

describe.skipIf(!hasUserManager())('with a systemd of its own', () => {
  let space: MountSpace
  beforeEach(async () => {
    space = await userManager(home)
  })

  async function ov(...args: string[]) {
    const outcome = await space.ov(fleet.repo, args)
    expect(outcome.code, outcome.output).toBe(0)
    return outcome.stdout
  }
  const service = async () => JSON.parse(await ov('service', 'status', '--json')).service

  test('installed it watches, again changes nothing, killed it is started again, uninstalled nothing is left', async () => {
    expect(await ov('service', 'install')).toMatch(/^Installed: ov-repo-[0-9a-f]{12} watches, as process \d+\.\n$/)
    const first = await service()
    expect(first).toMatchObject({ installed: 'current', enabled: true, state: 'active', restarts: 0 })
    expect(first.watcher.pid).toBe(first.pid)
    expect(await ov('service', 'install')).toBe(
      `Is installed already: ${first.name} watches, as process ${first.pid}.\n`,
    )
    expect((await service()).pid).toBe(first.pid)
    process.kill(first.pid, 'SIGKILL')
    await expect.poll(async () => (await service()).watcher?.pid ?? first.pid, { timeout: 40_000 }).not.toBe(first.pid)
    expect(await service()).toMatchObject({ state: 'active', restarts: 1 })
    expect(await ov('service', 'uninstall')).toBe(`Removed: ${first.name}.\n`)
    expect(readdirSync(units())).toEqual([])
    expect(await service()).toMatchObject({ installed: 'no', enabled: false, pid: null, watcher: null })
  })

  test('agents that the service has started live on when it ends, and ov watch stop is no failure to it', async () => {
    await ov('service', 'install')
    await ov('mode', 'minimal', '--for', '1h')
    await ov(...slingShell('worker', 'sleep 1000'))
    expect((await fleet.agent('worker')).state).toBe('queued')
    // The hour is over: of all processes only the service's watcher is there to see it.
    await fleet.db.updateTable('modes').set({ until: 1 }).execute()
    await fleet.expectState('worker', 'working')
    const runner = ownerOf(await fleet.agent('worker'))
    if (runner === null) throw new Error('no runner')
    const group = (await space.sh(`cat /proc/${runner.pid}/cgroup`)).stdout
    expect(group).toContain((await service()).name)
    await ov('watch', 'stop')
    await expect.poll(async () => (await service()).state, { timeout: 20_000 }).toBe('inactive')
    expect(liveness(runner)).toBe('alive')
    await ov('service', 'install')
    await ov('service', 'uninstall')
    expect(liveness(runner)).toBe('alive')
    expect((await fleet.agent('worker')).state).toBe('working')
  })

  test('where somebody watches already it is refused, with what to type', async () => {
    await ov('watch', '--background')
    const refused = await space.ov(fleet.repo, ['service', 'install'])
    expect(refused.output).toMatch(
      /^✖ Process \d+ watches this project already\.\nHint: ov watch stop && ov service install\n$/,
    )
    expect(refused.code).toBe(4)
    expect(existsSync(units())).toBe(false)
  })
})
