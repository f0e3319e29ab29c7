import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Inspection } from '../../src/reports/inspect.ts'
import { makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

/** Where a document has what: each path with the type found there. */
function shapeOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [`${path}[]`] : shapeOf(value[0], `${path}[]`)
  if (value === null || typeof value !== 'object') return [path]
  return Object.entries(value).flatMap(([key, one]) => shapeOf(one, `${path}.${key}`))
}

test('ov status --json has exactly the fields that the documentation shows', async () => {
  const page = readFileSync(resolve(import.meta.dirname, '..', '..', 'docs', 'commands.md'), 'utf8')
  const example = /### ov status --json\n\n```json\n(.*?)\n```/s.exec(page)?.[1] ?? ''
  const fleet = await makeFleet(home, { config: 'merge: { auto: false }' })
  await fleet.sling('asker', 'ov ask "Which database?" --wait')
  await fleet.expectState('asker', 'waiting')
  await fleet.sling('merging', 'echo hi > hi.txt')
  await fleet.expectState('merging', 'waiting')
  const status = await fleet.status()
  expect(shapeOf(status).sort()).toEqual(shapeOf(JSON.parse(example)).sort())
  expect(status.problems[0]).toMatchObject({ kind: 'question', agent: 'asker' })
  expect(status.agents[0]).toMatchObject({
    name: 'asker',
    condition: 'waiting',
    waitingOn: 'human',
    runner: { seen: 'alive' },
  })
  expect(status.queue).toMatchObject([{ agent: 'merging', state: 'ready' }])
})

test('an empty fleet says what to do next, on the screen and as a document', async () => {
  const fleet = await makeFleet(home)
  const screen = await home.ov(fleet.repo, ['status'])
  expect([screen.code, screen.stdout]).toEqual([0, expect.stringContaining('ov sling --task')])
  expect(await fleet.status()).toMatchObject({
    run: null,
    problems: [],
    agents: [],
    queue: [],
    mail: { unread: 0, questions: 0 },
  })
  expect(JSON.parse((await home.ov(fleet.repo, ['run', 'list', '--json'])).stdout)).toEqual({ runs: [] })
  expect(JSON.parse((await home.ov(fleet.repo, ['run', 'show', '--json'])).stdout)).toEqual({ run: null, agents: [] })
})

test('a repository without a commit can be looked at', async () => {
  const repo = join(home.path, 'empty')
  git(home, home.path, 'init', '--quiet', repo)
  await home.ov(repo, ['init', '--yes'])
  const status = await home.ov(repo, ['status'])
  expect(status.code, status.output).toBe(0)
  expect(status.stdout).toContain('no commit')
})

test('looking changes nothing: no row, no ref, no mail', async () => {
  const fleet = await makeFleet(home, { config: 'merge: { auto: false }' })
  await fleet.sling('asker', 'ov ask "Which?" --wait')
  await fleet.expectState('asker', 'waiting')
  await fleet.sling('failed', 'exit 3')
  await fleet.expectState('failed', 'failed')
  const { owner_pid } = await fleet.agent('asker')
  process.kill(owner_pid ?? 0, 'SIGKILL')
  const state = async () => ({
    agents: await fleet.db.selectFrom('agents').selectAll().execute(),
    tasks: await fleet.db.selectFrom('tasks').selectAll().execute(),
    mail: await fleet.db.selectFrom('mail').selectAll().execute(),
    events: await fleet.db.selectFrom('events').selectAll().execute(),
    refs: git(home, fleet.repo, 'for-each-ref'),
  })
  const before = await state()
  for (const args of [
    ['status'],
    ['status', '--all', '--json'],
    ['inspect', 'asker'],
    ['inspect', 'failed', '--json'],
    ['logs', 'failed'],
    ['run', 'show'],
    ['run', 'list'],
    ['worktree', 'list'],
    ['clean', '--dry-run'],
  ])
    expect((await home.ov(fleet.repo, args)).code, args.join(' ')).toBe(0)
  expect(await state()).toEqual(before)
})

test('an agent whose runner was killed is shown as that, never as working, with what to type', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('lost', 'sleep 600')
  const { owner_pid } = await fleet.expectState('lost', 'working')
  process.kill(owner_pid ?? 0, 'SIGKILL')
  await expect.poll(async () => (await fleet.status()).agents[0]?.condition).toBe('runner_gone')
  const screen = await home.ov(fleet.repo, ['status'])
  expect(screen.stdout).toContain('runner gone')
  expect(screen.stdout).toContain('ov up')
  expect(screen.stdout).not.toContain('working')
  const { why } = JSON.parse((await home.ov(fleet.repo, ['inspect', 'lost', '--json'])).stdout) as Inspection
  expect(why).toEqual({ text: expect.stringContaining('runner is gone'), hint: 'ov up' })
})

test('a checkout with changes is said to be behind, and why it does not land', async () => {
  const fleet = await makeFleet(home)
  writeFileSync(join(fleet.repo, 'README.md'), 'mine\n')
  await fleet.sling('worker', 'echo hi > hi.txt', '--wait')
  const { landing, problems } = await fleet.status()
  expect(landing).toMatchObject({ branch: 'main', commits: expect.any(Number), changedFiles: 1 })
  expect(landing?.commits).toBeGreaterThan(0)
  expect(problems.map(({ kind }) => kind)).toContain('landing')
  expect(readFileSync(join(fleet.repo, 'README.md'), 'utf8')).toBe('mine\n')
})

test('inspect shows what an agent did, what it said, what waits for it, and why it is in its state', async () => {
  const fleet = await makeFleet(home, { config: 'agents: { maxConcurrent: 1 }' })
  const command =
    'echo a > a.txt; git add a.txt; git commit --quiet --message "Add a"; echo b > b.txt; echo "I am here"; sleep 600'
  await fleet.sling('worker', command, '--files', 'a.txt')
  await fleet.sling('next', 'true')
  await expect.poll(async () => (await home.ov(fleet.repo, ['logs', 'worker'])).stdout).toContain('I am here')
  expect((await home.ov(fleet.repo, ['nudge', 'worker', 'Hurry up\nplease'])).output).toContain('only if it asks')
  const seen = JSON.parse((await home.ov(fleet.repo, ['inspect', 'worker', '--json'])).stdout) as Inspection
  expect(seen).toMatchObject({
    agent: { name: 'worker', condition: 'working', branch: { unmerged: 1 } },
    why: { text: 'It is in the middle of a turn.', hint: 'ov logs worker -f' },
    task: { body: 'Task of worker', command, files: ['a.txt'] },
    worktree: { exists: true },
    changes: {
      commits: [{ subject: 'Add a' }],
      files: [{ path: 'a.txt', added: 1, removed: 0 }],
      uncommitted: ['?? b.txt'],
    },
    children: [],
    mail: [{ from: 'human', type: 'status', priority: 'urgent', subject: 'Hurry up please', state: 'unread' }],
    lastWords: ['I am here'],
  })
  expect(seen.processes.map((one) => one.command)).toContain('sleep 600')
  expect(seen.events.map(({ type }) => type)).toContain('agent.slung')
  const waiting = JSON.parse((await home.ov(fleet.repo, ['inspect', 'next', '--json'])).stdout) as Inspection
  expect(waiting.why.text).toBe('All 1 places are taken (agents.maxConcurrent). It is the next.')
  const narrow = await home.ov(fleet.repo, ['inspect', 'worker'], { env: { COLUMNS: '40' } })
  for (const line of narrow.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(40)
})

test('logs follow an agent to its end, each line once, and what came before them', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling(
    'counter',
    'for i in $(seq 1 30); do echo "line $i"; sleep 0.05; done; printf "\\033[31mred\\033[0m\\n"',
  )
  const followed = await home.ov(fleet.repo, ['logs', 'counter', '-f', '-n', '1000'])
  expect(followed.code).toBe(0)
  const lines = [...Array.from({ length: 30 }, (_, index) => `line ${index + 1}`), 'red']
  expect(followed.stdout.trim().split('\n')).toEqual(lines)
  const raw = await home.ov(fleet.repo, ['logs', 'counter', '--raw', '-n', '1'])
  expect(raw.stdout).toBe('\x1b[31mred\x1b[0m\n')
  const streamed = await home.ov(fleet.repo, ['logs', 'counter', '-f', '--json', '-n', '2'])
  expect(
    streamed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).text),
  ).toEqual(['line 30', '\x1b[31mred\x1b[0m'])
  const recorded = await home.ov(fleet.repo, ['logs', 'counter', '--events'])
  expect(recorded.stdout).toMatch(/mail\.sent .*from=human to=counter/)
  const events = await home.ov(fleet.repo, ['logs', 'counter', '--events', '--json', '-n', '1'])
  expect(JSON.parse(events.stdout)).toMatchObject({ agent: 'counter', entries: [{ type: 'agent.done' }] })
  expect((await home.ov(fleet.repo, ['logs', 'counter', '-n', '0'])).output).toBe('')
})

test('a run is shown with all its agents, and all runs in numbers', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('one', 'echo 1 > one.txt', '--wait')
  await fleet.sling('two', 'exit 3')
  await fleet.expectState('two', 'failed')
  const { runs } = JSON.parse((await home.ov(fleet.repo, ['run', 'list', '--json'])).stdout)
  expect(runs).toMatchObject([
    { name: 'run-2', agents: 1, open: 0, merged: 0, failed: 1 },
    { name: 'run-1', agents: 1, open: 0, merged: 1, failed: 0 },
  ])
  const shown = JSON.parse((await home.ov(fleet.repo, ['run', 'show', 'run-1', '--json'])).stdout)
  expect(shown).toMatchObject({ run: { name: 'run-1' }, agents: [{ name: 'one', task: { state: 'merged' } }] })
  const wrong = await home.ov(fleet.repo, ['run', 'show', '../run-1'])
  expect([wrong.code, wrong.output]).toEqual([2, expect.stringContaining('There is no run')])
  expect((await fleet.status('--run', 'run-1')).agents.map(({ name }) => name)).toEqual(['one'])
  expect((await fleet.status('--all')).agents.map(({ name }) => name).sort()).toEqual(['one', 'two'])
})

test('to attach takes a terminal, an agent at work and its screen; otherwise it is said what to do instead', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', 'sleep 600')
  await fleet.expectState('worker', 'working')
  const attach = (...args: string[]) => home.ov(fleet.repo, ['attach', 'worker', ...args])
  expect((await attach()).output).toContain('takes a terminal')
  const { command } = JSON.parse((await attach('--json')).stdout)
  expect(command).toEqual([
    'tmux',
    '-S',
    fleet.tmux().socket,
    '-f',
    '/dev/null',
    'attach-session',
    '-r',
    '-t',
    '=worker:',
  ])
  await home.ov(fleet.repo, ['stop', 'worker'])
  const ended = await attach('--json')
  expect([ended.code, JSON.parse(ended.stdout).error.hint]).toEqual([2, 'What it said: ov logs worker'])
})

test('every command is listed in the documentation', async () => {
  const page = readFileSync(resolve(import.meta.dirname, '..', '..', 'docs', 'commands.md'), 'utf8')
  const help = await home.ov(makeRepo(home), ['--help'])
  const commands = [...help.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name)
  expect(commands).toContain('status')
  expect(commands.filter((name) => !page.includes(`ov ${name}`))).toEqual([])
})
