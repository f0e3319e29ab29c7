import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const sling = (task: string, ...more: string[]) => ['sling', '--runtime', 'shell', '--task', task, ...more]

/** What a person types who does not know yet that it can't work here. */
const COMMANDS = [
  sling('Say hello', '--command', 'echo hello'),
  ['status'],
  ['mail', 'list'],
  ['mail', 'send', '--to', 'human', '--subject', 'Hello'],
  ['stop', '--all'],
]

describe('a place where ov cannot work', () => {
  test('outside git every command says so, what to type, and makes nothing', async () => {
    const folder = join(home.path, 'nowhere')
    mkdirSync(folder)
    for (const args of [...COMMANDS, ['init'], ['config', 'validate']]) {
      const { code, output } = await home.ov(folder, args)
      expect(output).toBe(
        `✖ ${folder} is not inside a git repository.\nHint: Go to your repository, or make one: git init && ov init\n`,
      )
      expect(code).toBe(2)
    }
    expect(readdirSync(folder)).toEqual([])
  })

  test('without ov init every command names it and makes nothing', async () => {
    const repo = makeRepo(home)
    const before = readdirSync(repo)
    for (const args of COMMANDS) {
      const { code, output } = await home.ov(repo, args)
      expect(output).toBe(`✖ ${repo} is not set up for ov yet.\nHint: ov init\n`)
      expect(code).toBe(2)
    }
    expect(readdirSync(repo)).toEqual(before)
  })
})
