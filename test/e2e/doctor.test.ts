import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run } from '../../src/os/process.ts'
import { withoutRootPowers } from '../rig/powers.ts'
import { configure, type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
let env: Record<string, string>
beforeEach(async () => {
  home = makeHome()
  const bin = join(home.path, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'claude'), '#!/bin/sh\necho "2.1.328 (Claude Code)"\n', { mode: 0o755 })
  env = { PATH: `${bin}:${home.env.PATH}`, ANTHROPIC_API_KEY: 'none' }
  repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
})
afterEach(() => home.dispose())

test('a ready machine ends with 0, as a table for people and a document for scripts', async () => {
  const said = await home.ov(repo, ['doctor'], { env })
  expect(said.code).toBe(0)
  expect(said.stdout).toMatch(/✔\s+database\s+good/)
  expect(said.stdout.trimEnd()).toMatch(/Ready\.$/)
  const document = await home.ov(repo, ['doctor', '--json'], { env })
  expect(document.code).toBe(0)
  expect(JSON.parse(document.stdout)).toMatchObject({ ready: true, issues: [] })
})

test('what stands in the way ends with 1, each issue with its hint; --fix mends what it can', async () => {
  rmSync(join(repo, '.overstory', 'state.db-wal'), { force: true })
  rmSync(join(repo, '.overstory', 'state.db-shm'), { force: true })
  writeFileSync(join(repo, '.overstory', 'state.db'), 'garbage')
  const status = await home.ov(repo, ['status', '--json'], { env })
  expect(JSON.parse(status.stdout).error.hint).toContain('ov doctor --fix')
  const said = await home.ov(repo, ['doctor'], { env })
  expect(said.code).toBe(1)
  expect(said.stdout).toContain('(db.corrupt)')
  expect(said.stdout).toContain('Hint: ')
  expect(said.stdout).toContain('ov doctor --fix can mend 1 of this')
  const fixed = await home.ov(repo, ['doctor', '--fix'], { env })
  expect(fixed.code).toBe(0)
  expect(fixed.stdout).toContain('Fixed:')
  expect((await home.ov(repo, ['status'], { env })).code).toBe(0)
})

test('state that can’t be written to is an honest error for doctor and sling', async () => {
  chmodSync(join(repo, '.overstory'), 0o500)
  try {
    const ov = (...args: string[]) =>
      run(withoutRootPowers([process.execPath, OV, ...args, '--json']), { cwd: repo, env: { ...home.env, ...env } })
    const doctor = await ov('doctor')
    expect(doctor.code).toBe(1)
    expect(JSON.parse(doctor.stdout).issues[0]).toMatchObject({ code: 'state.read-only', severity: 'error' })
    const sling = await ov('sling', '--runtime', 'shell', '--task', 'T', '--command', 'true')
    expect(sling.code).toBe(1)
    expect(JSON.parse(sling.stdout).error.hint).toContain('ov doctor')
  } finally {
    chmodSync(join(repo, '.overstory'), 0o700)
  }
})

test('the machine of others is not looked after by an agent', async () => {
  const outcome = await home.ov(repo, ['doctor', '--json'], { env: { ...env, OV_BROKER: join(home.path, 'no.sock') } })
  expect(JSON.parse(outcome.stdout).error.code).toBe('broker.humans-only')
})
