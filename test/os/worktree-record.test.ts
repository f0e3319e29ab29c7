import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { identify, run } from '../../src/os/process.ts'
import { recordWorktree, sweepDrafts } from '../../src/os/worktree-record.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('a draft whose maker is dead is swept, one that is being made stays, and so does all else', async () => {
  const dead = Number((await run(['sh', '-c', 'echo $$'])).stdout)
  expect(identify(dead)).toBeNull()
  const stays = [`ov-worktree-${process.pid}-a`, 'ov-worktree', 'worktrees']
  for (const name of [...stays, `ov-worktree-${dead}-b`]) mkdirSync(join(home.path, 'git', name), { recursive: true })
  sweepDrafts(join(home.path, 'git'))
  expect(readdirSync(join(home.path, 'git')).sort()).toEqual(stays.sort())
})

test('a worktree is recorded while git removes the folder of records again and again, as it does with the last of them', () => {
  const common = join(home.path, 'git')
  const records = join(common, 'worktrees')
  mkdirSync(common)
  const loop = 'const { rmdirSync } = require("node:fs"); for (;;) try { rmdirSync(process.argv[1]) } catch {}'
  const remover = spawn(process.execPath, ['-e', loop, records], { stdio: 'ignore' })
  try {
    for (let round = 0; round < 150; round++) {
      const path = join(home.path, 'trees', `t${round}`)
      const admin = recordWorktree(path, common, 'f'.repeat(40))
      expect(readdirSync(admin).sort()).toEqual(['HEAD', 'commondir', 'gitdir'])
      for (const gone of [admin, path]) rmSync(gone, { recursive: true })
    }
  } finally {
    remover.kill('SIGKILL')
  }
})
