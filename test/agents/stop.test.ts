import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openMerges } from '../../src/merge/store.ts'
import { findProgram } from '../../src/os/files.ts'
import { identify, liveness } from '../../src/os/process.ts'
import { killServer, listSessions } from '../../src/os/tmux.ts'
import { AGENT_MARKER, runnersOf } from '../../src/os/tree.ts'
import { carrying, type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Herd, herd } from '../rig/processes.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let own: Herd
beforeEach(() => {
  home = makeHome()
  own = herd()
})
afterEach(async () => {
  own.end()
  await home.dispose()
})

/** Makes a commit, then goes on for ever in several ways. */
const busy = () =>
  `echo work > work.txt; git add work.txt; git commit --quiet --message Work; setsid sleep ${own.token} & sleep ${own.token} | cat`

async function expectNothingLeft(fleet: Fleet, name: string): Promise<void> {
  const { id } = await fleet.agent(name)
  expect(own.sleepers()).toEqual([])
  expect(carrying(`${AGENT_MARKER}=${id}`)).toEqual([])
  expect(runnersOf(id)).toEqual([])
}

test('a stopped agent leaves no process and no tmux session; its task is stopped, its commits are kept', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  expect([...(await listSessions(fleet.tmux())).keys()]).toEqual(['worker'])
  const started = performance.now()
  const stopped = await home.ov(fleet.repo, ['stop', 'worker', '--reason', 'Wrong way', '--json'])
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(stopped.code, stopped.output).toBe(0)
  const head = git(home, fleet.repo, 'rev-parse', 'ov/run-1/worker')
  expect(JSON.parse(stopped.stdout)).toEqual({
    stopped: [
      { agent: 'worker', was: 'working', state: 'stopped', branch: 'ov/run-1/worker', kept: [head], survivors: [] },
    ],
  })
  await expectNothingLeft(fleet, 'worker')
  expect(await listSessions(fleet.tmux())).toEqual(new Map())
  const { id, reason } = await fleet.agent('worker')
  expect([(await fleet.task('worker')).state, reason]).toEqual(['stopped', 'Wrong way'])
  expect(git(home, fleet.repo, 'rev-parse', `refs/ov/keep/${id}/${head}`)).toBe(head)
})

test('a process that will not end when asked is killed within 10 s', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('stubborn', `trap '' TERM HUP INT; while :; do sleep ${own.token}; done`)
  await own.expectSleepers(1)
  const started = performance.now()
  expect((await home.ov(fleet.repo, ['stop', 'stubborn'])).code).toBe(0)
  expect(performance.now() - started).toBeLessThan(10_000)
  await expectNothingLeft(fleet, 'stubborn')
})

test('of an agent that has started processes in every way none survives', async () => {
  const fleet = await makeFleet(home)
  const t = own.token
  const ways = [
    `sleep ${t} &`,
    `sleep ${t} | sleep ${t} &`,
    `setsid sleep ${t} &`,
    `(sleep ${t} &) &`,
    `nohup sleep ${t} > /dev/null 2>&1 &`,
    `env -i sleep ${t} &`,
    `(env -i sleep ${t} &) &`,
    `(trap '' TERM; sleep ${t}; sleep ${t}) &`,
    `sh -c 'kill -STOP $$; sleep ${t}' &`,
  ]
  await fleet.sling('busy', `${ways.join(' ')} sleep ${t}`)
  await own.expectSleepers(10)
  expect((await home.ov(fleet.repo, ['stop', 'busy'])).code).toBe(0)
  await expectNothingLeft(fleet, 'busy')
})

test('an agent that is stopped in the middle of its start never runs', async () => {
  const fleet = await makeFleet(home)
  for (const name of ['a', 'b', 'c']) {
    await fleet.sling(name, busy())
    const stopped = await home.ov(fleet.repo, ['stop', name])
    expect(stopped.code, stopped.output).toBe(0)
    const { id, state } = await fleet.agent(name)
    expect(state).toBe('stopped')
    await expect.poll(() => runnersOf(id)).toEqual([])
    await expectNothingLeft(fleet, name)
  }
})

test.each([
  ['killed', 'SIGKILL'],
  ['frozen', 'SIGSTOP'],
] as const)('an agent whose runner was %s is stopped all the same', async (_what, name) => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  const { id, owner_pid } = await fleet.agent('worker')
  process.kill(owner_pid ?? 0, name)
  await expect.poll(() => runnersOf(id).length).toBe(name === 'SIGKILL' ? 0 : 1)
  expect((await home.ov(fleet.repo, ['stop', 'worker'])).code).toBe(0)
  await expectNothingLeft(fleet, 'worker')
  expect((await fleet.agent('worker')).state).toBe('stopped')
  // Its runner could not take its socket down.
  const folder = dirname(fleet.tmux().socket)
  expect(readdirSync(folder).filter((file) => file !== 'tmux.sock')).toEqual([])
})

test('an agent whose tmux server was killed is stopped all the same', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  await killServer(fleet.tmux())
  expect((await home.ov(fleet.repo, ['stop', 'worker'])).code).toBe(0)
  await expectNothingLeft(fleet, 'worker')
})

test('without tmux agents work and are stopped', async () => {
  const bin = join(home.path, 'bin')
  mkdirSync(bin)
  for (const name of ['git', 'sh', 'cat', 'sleep', 'setsid', 'ps', 'readlink'])
    symlinkSync(findProgram(name) ?? '', join(bin, name))
  const env = { PATH: bin }
  const fleet = await makeFleet(home)
  const args = ['sling', '--runtime', 'shell', '--name', 'worker', '--task', 'Work', '--command', busy()]
  expect((await home.ov(fleet.repo, args, { env })).code).toBe(0)
  await own.expectSleepers(2)
  const { id } = await fleet.agent('worker')
  expect(runnersOf(id)).toHaveLength(1)
  expect((await home.ov(fleet.repo, ['stop', 'worker'], { env })).code).toBe(0)
  await expectNothingLeft(fleet, 'worker')
})

test('--all stops those at work and those that wait for a place, and starts nobody instead', async () => {
  const fleet = await makeFleet(home, { config: 'agents: { maxConcurrent: 2 }' })
  for (const name of ['a', 'b', 'c', 'd']) await fleet.sling(name, busy())
  await own.expectSleepers(4)
  const stopped = await home.ov(fleet.repo, ['stop', '--all', '--json'])
  expect(stopped.code, stopped.output).toBe(0)
  const { stopped: all } = JSON.parse(stopped.stdout)
  expect(all.map((one: { agent: string; was: string }) => [one.agent, one.was])).toEqual([
    ['a', 'working'],
    ['b', 'working'],
    ['c', 'queued'],
    ['d', 'queued'],
  ])
  for (const name of ['a', 'b', 'c', 'd']) {
    await expectNothingLeft(fleet, name)
    expect((await fleet.task(name)).state).toBe('stopped')
  }
  const again = await home.ov(fleet.repo, ['stop', '--all'])
  expect([again.code, again.output]).toEqual([0, 'Nobody is at work.\n'])
})

test('the place of a stopped agent goes to the one that waits', async () => {
  const fleet = await makeFleet(home, { config: 'agents: { maxConcurrent: 1 }' })
  await fleet.sling('first', busy())
  await own.expectSleepers(2)
  await fleet.sling('second', 'echo two > two.txt')
  await fleet.expectState('second', 'queued')
  expect((await home.ov(fleet.repo, ['stop', 'first'])).code).toBe(0)
  await fleet.expectState('second', 'done')
})

test('mail that a stopped agent has not read goes back to its sender', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  await home.ov(fleet.repo, ['mail', 'send', '--to', 'worker', '--subject', 'Never read', '--body', 'x'])
  await home.ov(fleet.repo, ['stop', 'worker'])
  const mail = await home.ov(fleet.repo, ['mail', 'check'])
  expect(mail.stdout).toContain('Never read')
  expect(mail.stdout).toContain('worker')
})

test('bystanders in the worktree get no signal; one that looks left behind is named, and the exit code says so', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  const worktree = join(fleet.repo, '.overstory', 'worktrees', 'worker')
  const others = herd()
  try {
    const shell = others.start('sleep $T; :', { cwd: worktree })
    const editor = others.start('exec sleep $T', { cwd: fleet.repo, env: { OV_AGENT: 'worker' } })
    await others.expectSleepers(2)
    const clean = await home.ov(fleet.repo, ['stop', 'worker'])
    expect(clean.code, clean.output).toBe(0)
    expect([shell, editor].map(({ pid }) => identify(pid ?? 0) !== null)).toEqual([true, true])

    others.start('(setsid sleep $T &) & exit 0', { cwd: worktree })
    await others.expectSleepers(3)
    const suspicious = await home.ov(fleet.repo, ['stop', 'worker', '--json'])
    expect(suspicious.code).toBe(1)
    const [{ survivors }] = JSON.parse(suspicious.stdout).stopped
    expect(survivors).toEqual([{ pid: expect.any(Number), command: `sleep ${others.token}`, certain: false }])
    expect(liveness(identify(survivors[0].pid) ?? { pid: 0, start: '', boot: '' })).toBe('alive')
  } finally {
    others.end()
  }
  await expectNothingLeft(fleet, 'worker')
})

test('stopping twice, or one that has ended, is no error and says so', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('quick', 'true')
  await fleet.expectState('quick', 'done')
  const stopped = await home.ov(fleet.repo, ['stop', 'quick'])
  expect([stopped.code, stopped.stdout]).toEqual([0, 'quick had ended before (done).\n'])
})

test('two stops at once both end well', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  const both = await Promise.all([home.ov(fleet.repo, ['stop', 'worker']), home.ov(fleet.repo, ['stop', '--all'])])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  await expectNothingLeft(fleet, 'worker')
  expect((await fleet.agent('worker')).state).toBe('stopped')
})

test('a stop that is killed in the middle is finished by the next who looks after the fleet', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('stubborn', `trap '' TERM; while :; do sleep ${own.token}; done`)
  await own.expectSleepers(1)
  const stop = home.ov(fleet.repo, ['stop', 'stubborn'], { timeoutMs: 700 })
  const outcome = await stop
  expect(outcome.timedOut).toBe(true)
  expect((await home.ov(fleet.repo, ['stop', 'stubborn'])).code).toBe(0)
  await expectNothingLeft(fleet, 'stubborn')
  expect((await fleet.task('stubborn')).state).toBe('stopped')
})

test('a stop takes the branch out of the merge queue', async () => {
  const fleet = await makeFleet(home, { config: 'merge: { auto: false }' })
  await fleet.sling('worker', 'echo hi > hi.txt')
  await fleet.expectState('worker', 'waiting')
  expect(await openMerges(fleet.db)).toHaveLength(1)
  expect((await home.ov(fleet.repo, ['stop', 'worker'])).code).toBe(0)
  expect(await openMerges(fleet.db)).toEqual([])
  expect(git(home, fleet.repo, 'cat-file', '-t', 'ov/run-1/worker:hi.txt')).toBe('blob')
})

test('names that can be none, or that nobody has, are refused with a clear message', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', 'true')
  const refused = async (args: string[], message: string) => {
    const outcome = await home.ov(fleet.repo, args)
    expect([outcome.code, outcome.output]).toEqual([2, expect.stringContaining(message)])
  }
  await refused(['stop', '../../etc'], 'is not the name of an agent')
  await refused(['inspect', 'two words'], 'is not the name of an agent')
  await refused(['logs', 'a'.repeat(300)], 'is not the name of an agent')
  await refused(['stop', '--', '-x'], 'is not the name of an agent')
  await refused(['attach', '--', '--x'], 'is not the name of an agent')
  await refused(['nudge', 'Worker', 'hello'], 'is not the name of an agent')
  await refused(['stop', 'wroker'], 'Did you mean worker?')
  await refused(['stop'], 'Which agent is to stop?')
  await refused(['stop', 'worker', '--all'], 'not both')
})

test('every state change of a stop is an event', async () => {
  const fleet = await makeFleet(home)
  await fleet.sling('worker', busy())
  await own.expectSleepers(2)
  await home.ov(fleet.repo, ['stop', 'worker'])
  const events = await fleet.db.selectFrom('events').select('type').orderBy('id').execute()
  // What it commits may be seen before the stop, or by it.
  const types = events.map(({ type }) => type).filter((type) => type !== 'agent.committed')
  expect(types.filter((type) => type.startsWith('agent.'))).toEqual([
    'agent.slung',
    'agent.starting',
    'agent.containment',
    'agent.stopping',
    'agent.stopped',
  ])
})
