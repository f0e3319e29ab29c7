import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { identify, run } from '../../src/os/process.ts'
import { sweepDrafts } from '../../src/os/worktree-record.ts'
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
