import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { span } from '../../src/cli/ages.ts'
import { statusScreen } from '../../src/cli/status-screen.ts'
import { widthOf } from '../../src/cli/width.ts'
import { OvError } from '../../src/errors.ts'
import { attention } from '../../src/reports/problems.ts'
import type { AgentReport, StatusReport } from '../../src/reports/report.ts'

const NOW = Date.UTC(2026, 0, 1, 12)
const MINUTE = 60_000

function agent(name: string, more: Partial<AgentReport> = {}): AgentReport {
  const condition = more.condition ?? 'working'
  const ended = ['done', 'failed', 'stopped'].includes(condition)
  return {
    id: `id-of-${name}`,
    name,
    capability: 'builder',
    runtime: 'claude',
    model: null,
    protection: 'guarded',
    mode: 'structured',
    run: 'run-1',
    parent: null,
    persistent: false,
    depth: 0,
    condition,
    state: condition === 'runner_gone' || condition === 'ending' ? 'working' : condition,
    since: NOW - 4 * MINUTE,
    waitingOn: null,
    waitingUntil: null,
    reason: null,
    runner:
      ended || condition === 'queued' ? null : { seen: condition === 'runner_gone' ? 'gone' : 'alive', pid: 4711 },
    lastOutput: NOW - 3_000,
    task: { id: `task-of-${name}`, title: `Task of ${name}`, state: 'running', attempts: 1, mergedAs: null },
    branch: { name: `ov/run-1/${name}`, head: 'a'.repeat(40), unmerged: 2 },
    usage: { input: 12_345, output: 678, costUsd: 0.42 },
    createdAt: NOW - 10 * MINUTE,
    endedAt: ended ? NOW - 4 * MINUTE : null,
    ...more,
  }
}

const AGENTS = [
  agent('lost', { condition: 'runner_gone' }),
  agent('asker', { condition: 'waiting', waitingOn: 'human' }),
  agent('builder-1', {
    task: {
      id: 't',
      title: 'Implement user authentication with sessions',
      state: 'running',
      attempts: 2,
      mergedAs: null,
    },
  }),
  agent('unseen', { runner: { seen: 'unknown', pid: 12 }, usage: { input: null, output: null, costUsd: null } }),
  agent('merging', { condition: 'waiting', waitingOn: 'merge' }),
  agent('parked', { condition: 'waiting', waitingOn: 'rate_limit', waitingUntil: NOW + 25 * MINUTE }),
  agent('next', {
    condition: 'queued',
    lastOutput: null,
    branch: { name: 'ov/run-1/next', head: null, unmerged: null },
  }),
  agent('broken', {
    condition: 'failed',
    reason: 'Gate tests-pass is red after 3 attempts.\nlong output',
    task: { id: 't', title: 'Fix it', state: 'failed', attempts: 3, mergedAs: null },
  }),
  agent('ready', {
    condition: 'done',
    task: { id: 't', title: 'Add a form', state: 'merged', attempts: 1, mergedAs: '0123456789abcdef' },
  }),
  agent('halted', { condition: 'stopped', reason: 'Stopped by the human.' }),
]

const LANDING = {
  branch: 'main',
  commits: 3,
  checkout: '/home/me/shop',
  changedFiles: 2,
  diverged: false,
  blocked: null,
}

function report(more: Partial<StatusReport> = {}): StatusReport {
  const agents = more.agents ?? AGENTS
  return {
    at: NOW,
    project: { name: 'shop', root: '/home/me/shop' },
    run: { id: 'r', name: 'run-1', createdAt: NOW - 10 * MINUTE, endedAt: null },
    mode: { level: 'full', by: 'ov', why: '', since: null, until: null, places: 5, holds: null },
    problems: attention({
      agents,
      maxConcurrent: 10,
      merges: 0,
      questions: [
        {
          id: '0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001',
          kind: 'question',
          agent: 'asker',
          subject: 'Which database?',
          options: [],
        },
      ],
      unread: 2,
      landing: LANDING,
      noLanding: null,
      limits: more.limits ?? [],
      left: [],
      at: NOW,
    }),
    limits: [],
    agents,
    queue: [
      {
        agent: 'merging',
        task: 'Task of merging',
        branch: 'ov/run-1/merging',
        commit: 'b'.repeat(40),
        state: 'merging',
        since: NOW - 5_000,
      },
    ],
    landing: LANDING,
    mail: { unread: 2, questions: 1 },
    ...more,
  }
}

const screen = (width: number, shown = report()) => statusScreen(shown, width).map(stripVTControlCharacters)

test('a wide screen shows problems first, each with what to type, then everybody, then the queue', () => {
  expect(`\n${screen(140).join('\n')}\n`).toMatchInlineSnapshot(`
    "
    shop · run-1, 10m ago · 2 at work · 3 waiting · 1 queued · 1 without runner · 1 merged · 1 failed · 1 stopped

    ! lost has lost its runner and does nothing. What it has done is kept.  → ov up
    ! asker asks: Which database?  → ov ask answer ffff0001 "…"
    ! broken failed: Gate tests-pass is red after 3 attempts.  → ov inspect broken
    ! main is 3 commits behind what was merged: 2 tracked files are changed in your checkout.  → Commit or stash, then: ov land
    ! You have 2 unread mails.  → ov mail check

    AGENT      STATE                        FOR  SEEN  TRY  ROLE     RUNTIME  COMMITS    TOKENS   COST  TASK
    lost       runner gone                   4m    3s       builder  claude   +2        12k/678  $0.42  Task of lost
    asker      waiting on human              4m    3s       builder  claude   +2        12k/678  $0.42  Task of asker
    builder-1  working                       4m    3s    2  builder  claude   +2        12k/678  $0.42  Implement user authentication with sess…
    unseen     working                       4m     ?       builder  claude   +2                        Task of unseen
    merging    waiting on merge              4m    3s       builder  claude   +2        12k/678  $0.42  Task of merging
    parked     waiting on rate limit (25m)   4m    3s       builder  claude   +2        12k/678  $0.42  Task of parked
    next       queued                        4m             builder  claude             12k/678  $0.42  Task of next
    broken     failed                        4m          3  builder  claude   +2        12k/678  $0.42  Fix it
    ready      merged                        4m             builder  claude   01234567  12k/678  $0.42  Add a form
    halted     stopped                       4m             builder  claude   +2        12k/678  $0.42  Task of halted

    Merge queue (1)
    BRANCH            STATE    FOR  COMMIT    TASK
    ov/run-1/merging  merging   5s  bbbbbbbb  Task of merging
    "
  `)
})

test('80 columns keep what matters', () => {
  expect(`\n${screen(80).join('\n')}\n`).toMatchInlineSnapshot(`
    "
    shop · run-1, 10m ago · 2 at work · 3 waiting · 1 queued · 1 without runner
    1 merged · 1 failed · 1 stopped

    ! lost has lost its runner and does nothing. What it has done is kept.  → ov up
    ! asker asks: Which database?  → ov ask answer ffff0001 "…"
    ! broken failed: Gate tests-pass is red after 3 attempts.  → ov inspect broken
    ! main is 3 commits behind what was merged: 2 tracked files are changed in your
      checkout.
      → Commit or stash, then: ov land
    ! You have 2 unread mails.  → ov mail check

    AGENT      STATE             FOR  SEEN  TRY  COMMITS    COST  TASK
    lost       runner gone        4m    3s       +2        $0.42  Task of lost
    asker      waiting on human   4m    3s       +2        $0.42  Task of asker
    builder-1  working            4m    3s    2  +2        $0.42  Implement user au…
    unseen     working            4m     ?       +2               Task of unseen
    merging    waiting on merge   4m    3s       +2        $0.42  Task of merging
    parked     rate limit         4m    3s       +2        $0.42  Task of parked
    next       queued             4m                       $0.42  Task of next
    broken     failed             4m          3  +2        $0.42  Fix it
    ready      merged             4m             01234567  $0.42  Add a form
    halted     stopped            4m             +2        $0.42  Task of halted

    Merge queue (1)
    BRANCH            STATE    FOR  COMMIT    TASK
    ov/run-1/merging  merging   5s  bbbbbbbb  Task of merging
    "
  `)
})

test('40 columns keep who does what', () => {
  expect(`\n${screen(40).join('\n')}\n`).toMatchInlineSnapshot(`
    "
    shop · run-1, 10m ago · 2 at work
    3 waiting · 1 queued
    1 without runner · 1 merged
    1 failed · 1 stopped

    ! lost has lost its runner and does
      nothing. What it has done is kept.
      → ov up
    ! asker asks: Which database?
      → ov ask answer ffff0001 "…"
    ! broken failed: Gate tests-pass is red
      after 3 attempts.
      → ov inspect broken
    ! main is 3 commits behind what was
      merged: 2 tracked files are changed in
      your checkout.
      → Commit or stash, then: ov land
    ! You have 2 unread mails.
      → ov mail check

    AGENT      STATE          TASK
    lost       runner gone    Task of lost
    asker      for human      Task of asker
    builder-1  working        Implement use…
    unseen     working        Task of unseen
    merging    for merge      Task of mergi…
    parked     rate limit     Task of parked
    next       queued         Task of next
    broken     failed         Fix it
    ready      merged         Add a form
    halted     stopped        Task of halted

    Merge queue (1)
    BRANCH       STATE    FOR  TASK
    ov/run-1/m…  merging   5s  Task of merg…
    "
  `)
})

test('20 columns keep names and states', () => {
  expect(`\n${screen(20).join('\n')}\n`).toMatchInlineSnapshot(`
    "
    shop
    run-1, 10m ago
    2 at work
    3 waiting
    1 queued
    1 without runner
    1 merged
    1 failed
    1 stopped

    ! lost has lost its
      runner and does
      nothing. What it
      has done is kept.
      → ov up
    ! asker asks: Which
      database?
      → ov ask answer
        ffff0001 "…"
    ! broken failed:
      Gate tests-pass is
      red after 3
      attempts.
      → ov inspect
        broken
    ! main is 3 commits
      behind what was
      merged: 2 tracked
      files are changed
      in your checkout.
      → Commit or stash,
        then: ov land
    ! You have 2 unread
      mails.
      → ov mail check

    lost
      runner gone
    asker
      waiting on human
    builder-1
      working
    unseen
      working
    merging
      waiting on merge
    parked
      rate limit
    next
      queued
    broken
      failed
    ready
      merged
    halted
      stopped

    Merge queue (1)
    BRANCH       STATE
    ov/run-1/m…  merging
    "
  `)
})

test.each([8, 12, 20, 33, 40, 60, 80, 100, 140])('no line is wider than a screen of %i columns', (width) => {
  for (const line of screen(width)) expect(widthOf(line)).toBeLessThanOrEqual(width)
})

test('a dead runner is never shown as working', () => {
  const lines = screen(100, report({ agents: [agent('lost', { condition: 'runner_gone' })] }))
  expect(lines.join('\n')).not.toContain('working')
  expect(lines.join('\n')).toContain('runner gone')
})

test('what comes from agents and repositories can move no cursor and break no line', () => {
  const evil = agent('a', { reason: '\x1b[2J\x07gone\nsecond', condition: 'failed', model: 'x\x1b]0;t\x07y' })
  const shown = statusScreen(
    report({
      project: { name: 'evil\x1b[2J\nname', root: '/' },
      agents: [{ ...evil, task: { ...evil.task, title: 'task\r\n\x1b[31mred' } }],
      queue: [],
    }),
    200,
  ).map(stripVTControlCharacters)
  for (const line of shown) expect(line).not.toMatch(/\p{Cc}/u)
})

test('an empty fleet says what to do next', () => {
  const empty = report({ run: null, problems: [], agents: [], queue: [], mail: { unread: 0, questions: 0 } })
  expect(screen(80, empty)).toEqual([
    'shop',
    '',
    'Nobody is at work. Give an agent a task:',
    '  ov sling --task "Implement user authentication"',
  ])
})

test('when all is done the next task is asked for', () => {
  const done = report({ problems: [], agents: [agent('ready', { condition: 'done' })], queue: [] })
  expect(screen(80, done).slice(-2)).toEqual(['Everything is done. Give the next task:', '  ov sling --task "…"'])
})

test('of many that ended well only the last are shown, and the rest is counted', () => {
  const agents = Array.from({ length: 30 }, (_, index) => agent(`ended-${index}`, { condition: 'done' }))
  const lines = screen(80, report({ problems: [], agents, queue: [] }))
  expect(lines.filter((line) => line.startsWith('ended-'))).toHaveLength(10)
  expect(lines).toContain('… and 20 more that have ended: ov run show')
})

test('without a canonical branch the reason is a problem, and everything else is still told', () => {
  const noLanding = new OvError('user', 'project.no-commits', 'The repository has no commit yet.', {
    hint: 'git commit',
  })
  expect(
    attention({
      agents: [],
      maxConcurrent: 1,
      merges: 0,
      questions: [],
      unread: 0,
      landing: null,
      noLanding,
      limits: [],
      left: [],
      at: NOW,
    }),
  ).toEqual([
    {
      kind: 'branch',
      agent: null,
      message: 'The repository has no commit yet.',
      hint: 'git commit',
      blocks: { agents: [], tasks: 0, merges: 0 },
    },
  ])
})

test.each([
  [-5, '0s'],
  [999, '0s'],
  [59_999, '59s'],
  [61_000, '1m'],
  [3_600_000, '1h'],
  [3_900_000, '1h 5m'],
  [86_400_000 * 3, '3d'],
])('%i ms are %s', (ms, text) => {
  expect(span(ms)).toBe(text)
})
