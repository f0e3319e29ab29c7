import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ownerOf } from '../../src/agents/store.ts'
import { liveness } from '../../src/os/process.ts'
import { type FakeSystemctl, fakeSystemctl } from '../rig/fake-systemctl.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'

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

describe('with a service manager', () => {
  let systemctl: FakeSystemctl
  beforeEach(() => {
    systemctl = fakeSystemctl(home)
  })

  async function ov(...args: string[]) {
    const outcome = await home.ov(fleet.repo, args, { env: systemctl.env })
    expect(outcome.code, outcome.output).toBe(0)
    return outcome.stdout
  }
  const service = async () => JSON.parse(await ov('service', 'status', '--json')).service

  test('installed it watches, again changes nothing, changed it is restarted, uninstalled nothing is left', async () => {
    expect(await ov('service', 'install')).toMatch(/^Installed: ov-repo-[0-9a-f]{12} watches, as process \d+\.\n$/)
    const first = await service()
    expect(first).toMatchObject({ installed: 'current', enabled: true, state: 'active', restarts: 0 })
    expect(first.watcher.pid).toBe(first.pid)
    const unit = `${first.name}.service`
    expect(systemctl.asked()).toEqual(['daemon-reload', `enable --now ${unit}`])
    expect(await ov('service', 'install')).toBe(
      `Is installed already: ${first.name} watches, as process ${first.pid}.\n`,
    )
    expect(systemctl.asked()).toHaveLength(2)
    writeFileSync(first.path, readFileSync(first.path, 'utf8').replace('KillMode=process', 'KillMode=mixed'))
    expect((await service()).installed).toBe('outdated')
    await ov('service', 'install')
    expect(systemctl.asked().slice(2)).toEqual(['daemon-reload', `enable --now ${unit}`, `restart ${unit}`])
    const second = await service()
    expect(second.installed).toBe('current')
    expect(second.watcher.pid).not.toBe(first.pid)
    expect(await ov('service', 'uninstall')).toBe(`Removed: ${first.name}.\n`)
    expect(systemctl.asked().slice(5)).toEqual([`disable --now ${unit}`, `reset-failed ${unit}`, 'daemon-reload'])
    expect(readdirSync(units(), { recursive: true })).toEqual(['default.target.wants'])
    expect(await service()).toMatchObject({ installed: 'no', enabled: false, pid: null, watcher: null })
  })

  test('where somebody watches already it is refused, with what to type', async () => {
    await ov('watch', '--background')
    const refused = await home.ov(fleet.repo, ['service', 'install'], { env: systemctl.env })
    expect(refused.output).toMatch(
      /^✖ Process \d+ watches this project already\.\nHint: ov watch stop && ov service install\n$/,
    )
    expect(refused.code).toBe(4)
    expect(existsSync(units())).toBe(false)
    expect(systemctl.asked()).toEqual([])
  })

  test('an agent that the service has started lives on without it', async () => {
    await ov('service', 'install')
    await ov('mode', 'minimal', '--for', '1h')
    await ov(...slingShell('worker', 'sleep 1000'))
    expect((await fleet.agent('worker')).state).toBe('queued')
    // The hour is over: of all processes only the service's watcher is there to see it.
    await fleet.db.updateTable('modes').set({ until: 1 }).execute()
    await fleet.expectState('worker', 'working')
    await ov('service', 'uninstall')
    const runner = ownerOf(await fleet.agent('worker'))
    expect(runner && liveness(runner)).toBe('alive')
  })
})
