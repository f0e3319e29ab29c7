import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('a shell agent’s work is committed, gated, merged and landed in the human’s clean checkout', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  expect((await home.ov(repo, ['init'])).output).toContain('set up')
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'Add a',
    '--command',
    'echo hi > a.txt',
    '--wait',
    '--json',
  ])
  expect(slung.output).toContain('"merged"')
  expect(slung.code).toBe(0)
  await expect.poll(() => existsSync(join(repo, 'a.txt')), { timeout: 10_000 }).toBe(true)
  expect(readFileSync(join(repo, 'a.txt'), 'utf8')).toBe('hi\n')
  expect(git(home, repo, 'log', '-1', '--format=%(trailers:key=Ov-Agent,valueonly)')).toBe('builder-1')
  expect(git(home, repo, 'status', '--porcelain')).toBe('')
})

test('a red gate sends the work back, with its output in the file OV_FEEDBACK names', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
  const command = 'if [ -n "$OV_FEEDBACK" ]; then cp "$OV_FEEDBACK" feedback.txt; rm -f bad; else touch bad; fi'
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'Learn',
    '--command',
    command,
    '--wait',
    '--json',
  ])
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'merged', attempts: 2 })
  expect(git(home, repo, 'show', 'refs/heads/main:feedback.txt')).toContain('test ! -f bad')
})

test('a command that fails is a failed task, told by the exit code', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'Break',
    '--command',
    'echo kaputt; exit 3',
    '--wait',
    '--json',
  ])
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'failed' })
  expect(slung.code).toBe(1)
})
