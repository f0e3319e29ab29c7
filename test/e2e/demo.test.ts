import { existsSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('the demo needs no agent, no key and no identity of git’s: three tasks land on main, one after its gate sent it back', async () => {
  const shown = await home.ov(home.path, ['demo'], { env: { GIT_CONFIG_GLOBAL: '/dev/null' } })
  expect(shown.output).toContain('shouter')
  expect(shown.output).toContain('merged as')
  expect(shown.output).toContain('after 2 attempts')
  expect(shown.code, shown.output).toBe(0)
  const repository = /A new repository: (.+)/.exec(shown.output)?.[1] ?? ''
  expect(git(home, repository, 'ls-files').split('\n')).toEqual(
    expect.arrayContaining(['POSTER.md', 'greetings.txt', 'shout.txt']),
  )
  expect(git(home, repository, 'show', 'main:POSTER.md')).toContain('bonjour')
  expect(git(home, repository, 'show', 'main:shout.txt')).toBe('HELLO WORLD')
  expect(git(home, repository, 'status', '--porcelain')).toBe('')
})

test('the demo removes its repository when asked to, and prints one document with --json', async () => {
  const shown = await home.ov(home.path, ['demo', '--remove', '--json'])
  const told = JSON.parse(shown.stdout) as { repository: string; merged: number }
  expect(told.merged).toBe(3)
  expect(existsSync(told.repository)).toBe(false)
})
