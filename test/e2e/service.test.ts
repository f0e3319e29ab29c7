import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

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
