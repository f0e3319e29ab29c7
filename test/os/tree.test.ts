import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { newId } from '../../src/ids.ts'
import { identify, liveness, type ProcessIdentity } from '../../src/os/process.ts'
import { AGENT_MARKER, noteLeft, runnersOf, stopProcessesOf, straysIn } from '../../src/os/tree.ts'
import { type Herd, herd } from '../rig/processes.ts'

let agentId: string
let own: Herd
let others: Herd
let folder: string
beforeEach(() => {
  agentId = newId()
  own = herd()
  others = herd()
  folder = mkdtempSync(join(tmpdir(), 'ovt-tree-'))
})
afterEach(() => {
  own.end()
  others.end()
  rmSync(folder, { recursive: true, force: true })
})

const marker = () => ({ [AGENT_MARKER]: agentId })

function identityOf(pid: number | undefined): ProcessIdentity {
  const who = identify(pid ?? 0)
  if (!who) throw new Error(`no process ${pid}`)
  return who
}

/** Shapes of process trees: a script, and how many sleepers it makes. */
const SHAPES: Record<string, [script: string, sleepers: number]> = {
  'a plain child': ['exec sleep $T', 1],
  'a pipeline': ['sleep $T | sleep $T | cat', 2],
  'a background job whose shell has ended': ['sleep $T & exit 0', 1],
  'a daemon in a session of its own': ['setsid sleep $T & exit 0', 1],
  'a double fork': ['(sleep $T &) & exit 0', 1],
  'a child that hung up on its terminal': ['nohup sleep $T >/dev/null 2>&1 & exit 0', 1],
  'a child with an empty environment': ['env -i sleep $T', 1],
  'an orphan with an empty environment': ['(env -i sleep $T &); sleep $T', 2],
  'an orphan with an empty environment whose kin has ended by itself': [
    '(env -i sleep $T &); trap "" TERM; sleep $T',
    2,
  ],
  'a shell that ignores SIGTERM': ['trap "" TERM; sleep $T; sleep $T', 1],
  'a tree three deep': ['sh -c \'sh -c "sleep $T & sleep $T" & sleep $T\'', 3],
}

test.each(Object.entries(SHAPES))('stopping an agent leaves nothing of %s', async (_shape, [script, sleepers]) => {
  own.start(script, { env: marker() })
  await own.expectSleepers(sleepers)
  expect(await stopProcessesOf(agentId, [], { graceMs: 200 })).toEqual([])
  expect(own.sleepers()).toEqual([])
})

test('what a process left in its session with an empty environment is found after its end', async () => {
  const leader = own.start('(env -i sleep $T &); exit 0', { env: marker() })
  const over = new Promise((resolve) => leader.on('exit', resolve))
  await own.expectSleepers(1)
  await over
  others.start('exec sleep $T')
  await others.expectSleepers(1)
  noteLeft(agentId, leader.pid ?? 0)
  expect(await stopProcessesOf(agentId, [], { graceMs: 200 })).toEqual([])
  expect(own.sleepers()).toEqual([])
  expect(others.sleepers()).toHaveLength(1)
})

test('a process that ends when asked is given the time to do so', async () => {
  const file = join(folder, 'goodbye')
  own.start(`trap 'echo bye > ${file}; exit 0' TERM; sleep $T & wait`, { env: marker() })
  await own.expectSleepers(1)
  expect(await stopProcessesOf(agentId, [])).toEqual([])
  expect(readFileSync(file, 'utf8')).toBe('bye\n')
})

test('a stopped process is stopped for good', async () => {
  const child = own.start('exec sleep $T', { env: marker() })
  await own.expectSleepers(1)
  child.kill('SIGSTOP')
  const started = performance.now()
  expect(await stopProcessesOf(agentId, [])).toEqual([])
  expect(own.sleepers()).toEqual([])
  expect(performance.now() - started).toBeLessThan(1_000)
})

test('an agent that only forks away from its hunter is caught', async () => {
  own.start('trap "" TERM; while :; do (sleep 0.01; sleep $T) & sleep 0.01; done', { env: marker() })
  await expect.poll(() => own.sleepers().length).toBeGreaterThan(5)
  expect(await stopProcessesOf(agentId, [], { graceMs: 100 })).toEqual([])
  expect(own.sleepers()).toEqual([])
})

test('bystanders live: a name that begins alike, the same folder, the id in an argument, a reused pid', async () => {
  own.start('exec sleep $T', { env: marker(), cwd: folder })
  others.start('exec sleep $T', { env: { [AGENT_MARKER]: `${agentId}0` } })
  others.start('exec sleep $T', { env: { [AGENT_MARKER]: agentId.slice(0, -1) } })
  others.start('exec sleep $T', { env: { OTHER: `${AGENT_MARKER}=${agentId}` }, cwd: folder })
  others.start(`sleep $T; : runner ${agentId} 1`)
  const reused = others.start('exec sleep $T')
  await own.expectSleepers(1)
  await others.expectSleepers(5)
  const runner = { ...identityOf(reused.pid), start: '1' }
  expect(await stopProcessesOf(agentId, [runner])).toEqual([])
  expect(own.sleepers()).toEqual([])
  expect(others.sleepers()).toHaveLength(5)
})

/** A program with the command line of a runner, which starts these (each an argv) when it runs for `agentId`. */
function fakeRunner(...children: string[][]): string {
  const main = join(folder, 'main.js')
  writeFileSync(
    main,
    `const { spawn } = require('node:child_process')
     if (process.argv[3] === '${agentId}') for (const [file, ...args] of ${JSON.stringify(children)})
       spawn(file, args, { stdio: 'ignore', detached: true }).on('exit', () =>
         require('node:fs').writeFileSync('${join(folder, 'noticed')}', ''))
     else spawn('sleep', ['${others.token}'], { stdio: 'ignore' })
     setInterval(() => {}, 1e6)`,
  )
  return main
}

test('a runner and what it began go too, but not another agent’s runner that it started', async () => {
  const main = join(folder, 'main.js')
  fakeRunner(['sleep', own.token], ['node', main, 'runner', 'another', '1'])
  own.start(`exec node ${main} runner ${agentId} 1`)
  await own.expectSleepers(1)
  await others.expectSleepers(1)
  expect(runnersOf(agentId)).toHaveLength(1)
  expect(await stopProcessesOf(agentId, runnersOf(agentId))).toEqual([])
  expect(runnersOf(agentId)).toEqual([])
  expect(own.sleepers()).toEqual([])
  expect(others.sleepers()).toHaveLength(1)
  expect(await stopProcessesOf('another', runnersOf('another'))).toEqual([])
  expect(others.sleepers()).toEqual([])
})

test('a runner learns nothing of the end of what it began', async () => {
  own.start(`exec node ${fakeRunner(['sleep', own.token])} runner ${agentId} 1`)
  await own.expectSleepers(1)
  expect(await stopProcessesOf(agentId, runnersOf(agentId))).toEqual([])
  expect(existsSync(join(folder, 'noticed'))).toBe(false)
})

test('a frozen runner is stopped', async () => {
  const child = own.start(`exec node ${fakeRunner()} runner ${agentId} 1`)
  await expect.poll(() => runnersOf(agentId).length).toBe(1)
  child.kill('SIGSTOP')
  expect(await stopProcessesOf(agentId, runnersOf(agentId))).toEqual([])
  expect(runnersOf(agentId)).toEqual([])
})

test('git that a runner has begun may finish before it is ended', async () => {
  const git = join(folder, 'git')
  const done = join(folder, 'landed')
  writeFileSync(
    git,
    `#!/bin/sh\ntrap 'rm ${done}' TERM\nsleep ${own.token} &\nsleep 0.3; echo yes > ${done}; kill $!\n`,
    { mode: 0o755 },
  )
  own.start(`exec node ${fakeRunner([git])} runner ${agentId} 1`)
  await own.expectSleepers(1)
  expect(await stopProcessesOf(agentId, runnersOf(agentId))).toEqual([])
  expect(readFileSync(done, 'utf8')).toBe('yes\n')
})

test('what has cut every tie is named, never signalled', async () => {
  const since = Date.now() - 1_000
  own.start(`setsid sh -c '(env -i sh -c "(setsid sleep ${own.token} &) & exit 0")' & exit 0`, {
    env: marker(),
    cwd: folder,
  })
  others.start('exec sleep $T', { cwd: folder })
  await own.expectSleepers(1)
  await others.expectSleepers(1)
  const [daemon] = own.sleepers()
  expect(await stopProcessesOf(agentId, [], { graceMs: 100 })).toEqual([])
  expect(straysIn(folder, since).map(({ pid }) => pid)).toEqual([daemon?.pid])
  expect(daemon && liveness(daemon)).toBe('alive')
  expect(straysIn(folder, Date.now() + 60_000)).toEqual([])
})
