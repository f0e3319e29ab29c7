import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { gitAt, listWorktrees } from '../../src/os/git.ts'
import { type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('a worktree that another process is just making stops no git command of ours', async () => {
  const repo = makeRepo(home)
  const record = join(repo, '.git', 'worktrees', 'half-made')
  mkdirSync(record, { recursive: true })
  writeFileSync(join(record, 'gitdir'), `${join(home.path, 'elsewhere')}/.git\n`)
  writeFileSync(join(record, 'HEAD'), 'ref: refs/heads/main\n')
  writeFileSync(join(record, 'commondir'), '')
  const listed = listWorktrees(gitAt(repo))
  const settled = await Promise.race([listed.then(() => 'settled'), new Promise((done) => setTimeout(done, 60))])
  expect(settled).toBeUndefined()
  rmSync(record, { recursive: true })
  expect((await listed).map((tree) => tree.path)).toEqual([repo])
})
