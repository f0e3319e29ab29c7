import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { run } from '../../src/os/process.ts'
import { withoutRootPowers } from '../rig/powers.ts'
import { git, type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'

/*
 * Go's module cache and many a build leave folders that nobody may write to. Root empties them all the same, nobody else
 * does: so these tests run without root's powers.
 */

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const CACHE = 'mkdir -p cache/mod && echo x > cache/mod/f && chmod -R a-w cache'

test.each([0, 2])(
  'folders that a gate and an agent closed hold nothing up, and nothing of them is left: a pool of %i',
  async (pool) => {
    const repo = makeRepo(home)
    writeFileSync(
      join(repo, 'overstory.yaml'),
      `project: { qualityGates: [{ name: cache, command: '${CACHE}' }] }\nworktrees: { pool: ${pool} }\n`,
    )
    writeFileSync(join(repo, '.gitignore'), 'cache/\n')
    git(home, repo, 'add', '--all')
    git(home, repo, 'commit', '--quiet', '--message', 'Configure ov')
    const ov = (...args: string[]) =>
      run(withoutRootPowers([process.execPath, OV, ...args]), { cwd: repo, env: home.env })
    expect((await ov('init')).code).toBe(0)
    const slung = await ov(...slingShell('builder', `${CACHE}; echo a > a.txt`, '--wait', '--json'))
    expect(JSON.parse(slung.stdout), slung.output).toMatchObject({ state: 'merged' })
    const state = join(repo, '.overstory')
    await expect.poll(() => existsSync(join(state, 'worktrees', 'builder'))).toBe(false)
    expect(readdirSync(join(state, 'scratch'))).toEqual([])
    expect((await ov('logs', 'builder', '--events')).stdout).not.toMatch(/merge\.trouble|pool\.removed/)
    const fsck = await ov('fsck')
    expect(fsck.code, fsck.output).toBe(0)
  },
)
