import { existsSync, readFileSync, writeFileSync } from 'node:fs'
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
  await expect.poll(() => existsSync(join(repo, 'a.txt'))).toBe(true)
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

test('where only a human can let the work be merged, who waits is told what to do, exit 6, and the work stays in the queue', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
  const sling = (name: string) => {
    const command = `echo ${name} > ${name}.txt`
    return home.ov(repo, ['sling', '--runtime', 'shell', '--task', name, '--command', command, '--wait', '--json'])
  }
  // It can't land here, and then the human writes something else into the same file.
  writeFileSync(join(repo, 'README.md'), '# Toy, by hand\n')
  expect((await sling('a')).code).toBe(0)
  writeFileSync(join(repo, 'a.txt'), 'mine\n')
  git(home, repo, 'add', '--all')
  git(home, repo, 'commit', '--quiet', '--message', 'By hand')
  const blocked = await sling('b')
  expect(blocked.code, blocked.output).toBe(6)
  expect(JSON.parse(blocked.stdout)).toMatchObject({
    error: {
      code: 'task.blocked',
      message: expect.stringContaining('a.txt'),
      hint: expect.stringContaining('ov merge'),
    },
  })
  expect(readFileSync(join(repo, 'a.txt'), 'utf8')).toBe('mine\n')
  // As the hint says: the human resolves it, and what waited goes through.
  expect(() => git(home, repo, 'merge', 'refs/ov/train/main')).toThrow()
  git(home, repo, 'checkout', '--ours', 'a.txt')
  git(home, repo, 'commit', '--quiet', '--all', '--no-edit')
  expect((await home.ov(repo, ['merge'])).code).toBe(0)
  expect(readFileSync(join(repo, 'b.txt'), 'utf8')).toBe('b\n')
})
