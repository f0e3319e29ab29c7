import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Cleaned } from '../../src/worktrees/clean.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { herd } from '../rig/processes.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const worktreeOf = (fleet: Fleet, name: string) => join(fleet.repo, '.overstory', 'worktrees', name)

async function clean(fleet: Fleet, ...args: string[]): Promise<Cleaned> {
  const outcome = await home.ov(fleet.repo, ['clean', '--json', ...args])
  expect(outcome.code, outcome.output).toBe(0)
  return JSON.parse(outcome.stdout)
}

/** All that could be removed, as `kind agent`. */
const names = (things: Cleaned['removed']) => things.map(({ kind, agent }) => `${kind} ${agent}`).sort()

const commitsThere = (fleet: Fleet) => new Set(git(home, fleet.repo, 'rev-list', '--all').split('\n'))

test('what ended agents left goes, at any time; what is not merged or not committed stays, and says how to look at it', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('merged', 'echo m > m.txt', '--wait')
  await fleet.sling('failed', 'git commit --quiet --allow-empty --message Try; exit 3')
  await fleet.expectState('failed', 'failed')
  await fleet.sling('dirty', 'git commit --quiet --allow-empty --message Work; echo x > new.txt; exit 3')
  await fleet.expectState('dirty', 'failed')
  await fleet.sling('busy', 'sleep 600')
  await fleet.expectState('busy', 'working')

  const planned = await clean(fleet, '--dry-run', '--log-days', '0')
  expect(existsSync(worktreeOf(fleet, 'failed'))).toBe(true)
  const cleaned = await clean(fleet, '--yes', '--log-days', '0')
  expect(cleaned.removed).toEqual(planned.removed)
  expect(names(cleaned.removed)).toEqual([
    'branch merged',
    'folder dirty',
    'folder failed',
    'log dirty',
    'log failed',
    'log merged',
    'worktree failed',
  ])
  expect(cleaned.spared.map(({ kind, agent, why, hint }) => [kind, agent, why, hint])).toEqual([
    ['worktree', 'dirty', '1 uncommitted file', `git -C ${worktreeOf(fleet, 'dirty')} status`],
    ['branch', 'failed', 'has commits that are not merged', 'git log ov/run-2/failed'],
    ['branch', 'dirty', 'has commits that are not merged', 'git log ov/run-3/dirty'],
  ])
  expect(existsSync(worktreeOf(fleet, 'failed'))).toBe(false)
  expect(existsSync(join(worktreeOf(fleet, 'dirty'), 'new.txt'))).toBe(true)
  expect(existsSync(worktreeOf(fleet, 'busy'))).toBe(true)
  const there = commitsThere(fleet)
  expect((await clean(fleet, '--yes', '--log-days', '0')).removed).toEqual([])
  expect(commitsThere(fleet)).toEqual(there)
})

test('no commit is lost, whatever the agent did to its history', async () => {
  const fleet = await makeFleet(home)
  const command = [
    'git commit --quiet --allow-empty --message one; git rev-parse HEAD',
    'git commit --quiet --allow-empty --amend --message two; git rev-parse HEAD',
    'git commit --quiet --allow-empty --message three; git rev-parse HEAD',
    'git reset --quiet --hard HEAD~1',
    'git checkout --quiet --detach; git commit --quiet --allow-empty --message four; git rev-parse HEAD',
    'exit 3',
  ].join('; ')
  await fleet.sling('wild', command)
  await fleet.expectState('wild', 'failed')
  const logs = await home.ov(fleet.repo, ['logs', 'wild'])
  const made = logs.stdout.split('\n').filter((line) => /^[0-9a-f]{40}$/.test(line))
  expect(made).toHaveLength(4)
  const cleaned = await clean(fleet, '--yes')
  expect(names(cleaned.removed)).toContain('worktree wild')
  git(home, fleet.repo, 'reflog', 'expire', '--expire=now', '--all')
  git(home, fleet.repo, 'gc', '--quiet', '--prune=now')
  const there = commitsThere(fleet)
  for (const sha of made) expect(there.has(sha)).toBe(true)
})

test('where nobody can be asked nothing is removed without --yes', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('failed', 'exit 3')
  await fleet.expectState('failed', 'failed')
  for (const command of [['clean'], ['worktree', 'clean'], ['clean', '--json']]) {
    const outcome = await home.ov(fleet.repo, command)
    expect(outcome.code).toBe(2)
    expect(outcome.output).toContain('--yes')
  }
  expect(existsSync(worktreeOf(fleet, 'failed'))).toBe(true)
  expect(readdirSync(join(fleet.repo, '.overstory', 'agents'))).toHaveLength(1)
})

test('a worktree in which somebody works stays, and so does one that became dirty meanwhile', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('failed', 'exit 3')
  await fleet.expectState('failed', 'failed')
  const others = herd()
  try {
    others.start('sleep $T; :', { cwd: worktreeOf(fleet, 'failed') })
    await others.expectSleepers(1)
    const cleaned = await home.ov(fleet.repo, ['worktree', 'clean', '--yes', '--json'])
    expect(JSON.parse(cleaned.stdout)).toMatchObject({ removed: [], spared: [{ why: 'somebody works in it' }] })
  } finally {
    others.end()
  }
  writeFileSync(join(worktreeOf(fleet, 'failed'), 'README.md'), 'changed\n')
  const cleaned = await home.ov(fleet.repo, ['worktree', 'clean', '--yes'])
  expect(cleaned.output).toContain('1 uncommitted file')
  expect(existsSync(worktreeOf(fleet, 'failed'))).toBe(true)
})

test('worktrees are listed with who has them and what in them is not committed', async () => {
  const fleet = await makeFleet(home)
  const none = await home.ov(fleet.repo, ['worktree', 'list'])
  expect([none.code, none.output]).toEqual([0, 'No agent has a worktree.\n'])
  await fleet.sling('messy', 'echo x > new.txt; sleep 600')
  await expect.poll(() => existsSync(join(worktreeOf(fleet, 'messy'), 'new.txt'))).toBe(true)
  const listed = await home.ov(fleet.repo, ['worktree', 'list', '--json'])
  expect(JSON.parse(listed.stdout)).toEqual({
    pool: { ready: 0, wanted: 0 },
    worktrees: [
      {
        agent: 'messy',
        state: 'working',
        path: worktreeOf(fleet, 'messy'),
        branch: 'ov/run-1/messy',
        head: git(home, fleet.repo, 'rev-parse', 'main'),
        uncommitted: ['?? new.txt'],
        processes: expect.arrayContaining([expect.objectContaining({ command: 'sleep 600' })]),
      },
    ],
  })
})
