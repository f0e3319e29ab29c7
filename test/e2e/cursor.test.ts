import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Outcome } from '../../src/tasks/outcome.ts'
import { type FakeTurn, fakeCursor } from '../rig/fake-cursor.ts'
import { herd } from '../rig/processes.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

/*
 * What `ov` does with a CLI that behaves as Cursor's documentation says its CLI does. The CLI is a FAKE in every case
 * (test/rig/fake-cursor.ts).
 */

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  repo = await readyRepo(home)
})
afterEach(() => home.dispose())

const DONE = 'ov done --summary "Wrote it"'
const commit = (file: string) => `echo hi > ${file} && git add ${file} && git commit -q -m "Add ${file}"`

async function sling(turns: readonly FakeTurn[], ...args: string[]) {
  const { env, prompts } = fakeCursor(home, turns)
  const { code, stdout, output } = await home.ov(
    repo,
    ['sling', '--runtime', 'cursor', '--task', 'Write a "file"\n', ...args, '--wait', '--json'],
    { env },
  )
  expect(stdout, output).not.toBe('')
  return { code, outcome: JSON.parse(stdout) as Outcome, prompts: prompts() }
}

test('it does a whole job; a red gate sends the work back into the same chat', async () => {
  const { code, outcome, prompts } = await sling([
    { tools: [`${commit('bad')} && ${DONE}`] },
    { tools: [`git rm -q bad && git commit -q -m Mend && ${commit('good')} && ${DONE}`] },
  ])
  expect(outcome).toMatchObject({ state: 'merged', attempts: 2 })
  expect(code).toBe(0)
  expect(git(home, repo, 'show', 'main:good')).toBe('hi')
  const [first, second] = prompts
  expect(first?.prompt).toContain('You are `builder-1`')
  expect(first?.prompt).toContain('\n\nWrite a "file"\n')
  expect(second?.chat).toBe(first?.chat)
  expect(second?.prompt).toContain('type="merge_failed"')
  expect(second?.prompt).not.toContain('You are `builder-1`')
})

test('a worker that lingers after the result is ended, and the turn counts', async () => {
  const own = herd()
  try {
    const { outcome } = await sling([{ tools: [`${commit('file')} && ${DONE}`], linger: `sleep ${own.token}` }])
    expect(outcome.state).toBe('merged')
    await expect.poll(() => own.sleepers()).toEqual([])
  } finally {
    own.end()
  }
})

test('by its newer name it is found too, and another program of that name is not taken for it', async () => {
  const listed = async (path: string) => {
    const { stdout } = await home.ov(repo, ['runtime', 'list', '--json'], { env: { PATH: path } })
    const { runtimes } = JSON.parse(stdout) as {
      runtimes: { id: string; version: string | null; said: string | null }[]
    }
    return runtimes.find(({ id }) => id === 'cursor')
  }
  const { env } = fakeCursor(home, [], 'agent')
  expect(await listed(env.PATH)).toMatchObject({ version: '2026.07.20' })
  const other = join(home.path, 'other')
  mkdirSync(other)
  writeFileSync(join(other, 'agent'), '#!/bin/sh\necho "agent version 1.4.2"\n', { mode: 0o755 })
  expect(await listed(`${other}:${home.env.PATH}`)).toMatchObject({ version: null, said: 'agent version 1.4.2' })
})

test.each([
  ['a refused key', { code: 1, stderr: 'Error: Invalid API key' }, 'Invalid API key'],
  ['an end with 0 and no result', { code: 0, stderr: '' }, 'ended without a result (exit code 0)'],
  ['a model that is not there', { code: 1, stderr: 'Cannot use this model: x' }, 'Cannot use this model'],
])('%s is a failed task, with what it said', async (_, fail, reason) => {
  const { code, outcome } = await sling([{ fail }])
  expect(code).toBe(1)
  expect(outcome).toMatchObject({ state: 'failed', reason: expect.stringContaining(reason) })
})

test('its guard, where it asks, refuses a file outside the worktree and lets one inside be written', async () => {
  const outside = join(home.path, 'outside.txt')
  const { outcome } = await sling([
    {
      tools: [
        { path: outside, content: 'no' },
        { path: 'inside.txt', content: 'yes\n' },
        `git add inside.txt && git commit -q -m Inside && ${DONE}`,
      ],
    },
  ])
  expect(outcome.state).toBe('merged')
  expect(existsSync(outside)).toBe(false)
  expect(git(home, repo, 'show', 'main:inside.txt')).toBe('yes')
})
