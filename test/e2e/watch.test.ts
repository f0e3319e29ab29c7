import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownerOf } from '../../src/agents/store.ts'
import { eventsBeyond } from '../../src/events/store.ts'
import { hookFolder, privateFolder } from '../../src/hooks/folder.ts'
import { findProgram } from '../../src/os/files.ts'
import { identify, liveness, run } from '../../src/os/process.ts'
import { fakeClaude } from '../rig/fake-claude.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome, OV } from '../rig/sandbox-home.ts'

let home: Home
let fleet: Fleet
beforeEach(async () => {
  home = makeHome()
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

const HANG = 'while :; do sleep 0.1; done'

async function background(...more: string[]): Promise<number> {
  const outcome = await home.ov(fleet.repo, ['watch', '--background', '--json', ...more])
  expect(outcome.code, outcome.output).toBe(0)
  return JSON.parse(outcome.stdout).pid
}

/** A folder for PATH with links to just these programs. */
function pathOf(...programs: string[]): string {
  const folder = mkdtempSync(join(home.path, 'path-'))
  for (const name of programs) symlinkSync(findProgram(name) ?? `/no ${name}`, join(folder, name))
  return folder
}

async function runnerOf(name: string): Promise<number> {
  const owner = ownerOf(await fleet.agent(name))
  if (owner === null) throw new Error(`${name} has no runner`)
  return owner.pid
}

/** Events of these types, oldest first, as type and data. */
async function happened(...types: string[]): Promise<{ at: number; type: string; data: Record<string, unknown> }[]> {
  const events = await eventsBeyond(fleet.db, 0, 10_000)
  return events
    .filter(({ type }) => types.includes(type))
    .map(({ at, type, data_json: data }) => ({ at, type, data: JSON.parse(data) }))
}

test('one watches: a second is told since when, a background one is content, and who is ended makes room', async () => {
  fleet = await makeFleet(home)
  const pid = await background()
  const second = await home.ov(fleet.repo, ['watch'])
  expect(second.output).toMatch(
    new RegExp(
      `^✖ Process ${pid} watches this fleet since \\d\\d:\\d\\d:\\d\\d\\.\\nHint: ov watch status, or end it: ov watch stop\\n$`,
    ),
  )
  expect(second.code).toBe(4)
  expect((await home.ov(fleet.repo, ['watch', '--once'])).code).toBe(4)
  expect(await background()).toBe(pid)
  const status = JSON.parse((await home.ov(fleet.repo, ['watch', 'status', '--json'])).stdout)
  expect(status.watcher).toEqual({ pid, since: expect.any(Number), late: false })
  expect(Math.abs(Date.now() - status.watcher.since)).toBeLessThan(60_000)
  const stopped = await home.ov(fleet.repo, ['watch', 'stop'])
  expect(stopped.stdout).toBe(`Process ${pid} watches no more.\n`)
  expect((await home.ov(fleet.repo, ['watch', 'stop'])).stdout).toBe('Nobody watches.\n')
  expect((await happened('watch.started', 'watch.stopped')).map(({ type }) => type)).toEqual([
    'watch.started',
    'watch.stopped',
  ])
})

test('twelve watchers started at once: one watches', async () => {
  fleet = await makeFleet(home)
  const started = await Promise.all(Array.from({ length: 12 }, () => home.ov(fleet.repo, ['watch', '-b', '--json'])))
  expect(started.map(({ code }) => code)).toEqual(Array(12).fill(0))
  const said = started.map(({ stdout }) => JSON.parse(stdout))
  expect(new Set(said.map(({ pid }) => pid)).size).toBe(1)
  expect(said.filter(({ started: mine }) => mine)).toHaveLength(1)
})

test('a watcher that is killed is taken over at once; one that is merely stopped keeps its right, and can still be ended', async () => {
  fleet = await makeFleet(home)
  const first = await background()
  process.kill(first, 'SIGKILL')
  const second = await background()
  expect(second).not.toBe(first)
  process.kill(second, 'SIGSTOP')
  expect((await home.ov(fleet.repo, ['watch', '--once'])).code).toBe(4)
  await fleet.db.updateTable('leases').set({ expires_at: 1 }).where('resource', '=', 'watch').execute()
  const late = await home.ov(fleet.repo, ['watch'])
  expect(late.output).toContain('has not looked for a while')
  expect(late.code).toBe(4)
  expect((await home.ov(fleet.repo, ['watch', 'stop'])).stdout).toBe(`Process ${second} watches no more.\n`)
})

test('a runner that is killed is noticed at once: recorded, its agent ended honestly, its mail back, the next started', async () => {
  fleet = await makeFleet(home, { config: 'agents: { maxConcurrent: 1 }\n' })
  await fleet.sling('victim', HANG)
  await fleet.expectState('victim', 'working')
  await fleet.sling('next', 'echo n > n.txt')
  await home.ov(fleet.repo, ['mail', 'send', '--to', 'victim', '--subject', 'Are you there?'])
  await background()
  const pid = await runnerOf('victim')
  // Until tmux tells of sessions, runners are asked after all the more often: no need to wait for it.
  const killed = Date.now()
  process.kill(pid, 'SIGKILL')
  await fleet.expectState('victim', 'failed')
  const [gone] = await happened('agent.runner-gone')
  expect(gone?.data).toEqual({ pid })
  expect((gone?.at ?? 0) - killed).toBeLessThan(1_000)
  const [ended] = await happened('agent.failed')
  expect((ended?.at ?? 0) - killed).toBeLessThan(5_000)
  const inbox = (await home.ov(fleet.repo, ['mail', 'check'])).stdout
  expect(inbox).toContain('victim failed')
  expect(inbox).toContain('Are you there?')
  await fleet.expectState('next', 'done')
  expect(git(home, fleet.repo, 'show', 'main:n.txt')).toBe('n')
})

test('agents whose tmux server is killed live: nobody is reported gone, and their deaths are still noticed', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('one', HANG)
  await fleet.expectState('one', 'working')
  await background()
  const server = await run(['tmux', '-S', fleet.tmux().socket, 'display', '-p', '#{pid}'])
  process.kill(Number(server.stdout), 'SIGKILL')
  const pid = await runnerOf('one')
  const { watcher } = JSON.parse((await home.ov(fleet.repo, ['watch', 'status', '--json'])).stdout)
  expect(identify(watcher.pid)).not.toBeNull()
  expect((await fleet.agent('one')).state).toBe('working')
  expect(await happened('agent.runner-gone')).toEqual([])
  const killed = Date.now()
  process.kill(pid, 'SIGKILL')
  await fleet.expectState('one', 'failed')
  expect(((await happened('agent.runner-gone'))[0]?.at ?? 0) - killed).toBeLessThan(1_000)
})

test('without tmux too a death is noticed at once, of agents that were there before the watcher', async () => {
  fleet = await makeFleet(home)
  const env = { PATH: pathOf('git', 'sh', 'cat', 'env', 'setsid', 'sleep', 'touch', 'unshare') }
  const slung = await home.ov(
    fleet.repo,
    ['sling', '--runtime', 'shell', '--name', 'bare', '--task', 'Hang', '--command', HANG],
    { env },
  )
  expect(slung.code, slung.output).toBe(0)
  await fleet.expectState('bare', 'working')
  const pid = await runnerOf('bare')
  const started = await home.ov(fleet.repo, ['watch', '--background'], { env })
  expect(started.code, started.output).toBe(0)
  const killed = Date.now()
  process.kill(pid, 'SIGKILL')
  await fleet.expectState('bare', 'failed')
  expect(((await happened('agent.runner-gone'))[0]?.at ?? 0) - killed).toBeLessThan(1_000)
})

test('a watcher whose project is removed ends', async () => {
  fleet = await makeFleet(home)
  const who = identify(await background('--interval', '1'))
  if (who === null) throw new Error('no watcher')
  rmSync(join(fleet.repo, '.overstory'), { recursive: true })
  await expect.poll(() => liveness(who)).toBe('gone')
})

test('a watcher keeps no tmux server alive, changes no screen, and ov stop works beside it', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('one', HANG)
  await fleet.expectState('one', 'working')
  const tmux = ['tmux', '-S', fleet.tmux().socket]
  const ask = async (...args: string[]) => (await run([...tmux, ...args])).stdout
  const before = await ask('list-windows', '-a', '-F', '#{session_name} #{window_width}x#{window_height}')
  await background()
  await expect.poll(() => ask('list-clients', '-F', '#{client_control_mode}')).toBe('1\n')
  expect(await ask('list-windows', '-a', '-F', '#{session_name} #{window_width}x#{window_height}')).toBe(before)
  const server = identify(Number(await ask('display', '-p', '#{pid}')))
  if (server === null) throw new Error('no tmux server')
  expect((await home.ov(fleet.repo, ['stop', '--all'])).code).toBe(0)
  await expect.poll(() => liveness(server)).toBe('gone')
})

test('mail that can no longer be delivered is back at its sender within a second', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('reader', HANG)
  await fleet.expectState('reader', 'working')
  await background()
  // A row such as a crash at the worst moment leaves: its reader has ended, and nobody bounced it.
  const { id } = await fleet.agent('reader')
  await home.ov(fleet.repo, ['mail', 'send', '--to', 'reader', '--subject', 'Lost on the way'])
  await home.ov(fleet.repo, ['stop', 'reader'])
  await home.ov(fleet.repo, ['mail', 'check'])
  const began = Date.now()
  await fleet.db
    .updateTable('mail')
    .set({ bounced_at: null, delivered_at: null })
    .where('reader', '=', id)
    .where('subject', '=', 'Lost on the way')
    .execute()
  const human = async () => (await home.ov(fleet.repo, ['mail', 'list', '--unread'])).stdout
  await expect.poll(human).toContain('Not delivered to reader')
  expect(((await happened('mail.bounced')).at(-1)?.at ?? 0) - began).toBeLessThan(2_000)
})

test('merges that nobody drives any more are driven', async () => {
  fleet = await makeFleet(home, { config: 'merge: { auto: false }\n' })
  await fleet.sling('worker', 'echo w > w.txt')
  await expect.poll(async () => (await fleet.agent('worker')).waiting_on).toBe('merge')
  await background()
  // The configuration is read again when its file changes.
  writeFileSync(
    join(fleet.repo, 'overstory.yaml'),
    readFileSync(join(fleet.repo, 'overstory.yaml'), 'utf8').replace('false', 'true'),
  )
  git(home, fleet.repo, 'commit', '--quiet', '--all', '--message', 'Merge by itself')
  await home.ov(fleet.repo, ['mail', 'send', '--to', 'human', '--subject', 'Something happens'])
  await fleet.expectState('worker', 'done')
  expect(git(home, fleet.repo, 'show', 'refs/ov/train/main:w.txt')).toBe('w')
})

/** A fake CLI that prints a line, does `first`, keeps what it is sent, and prints once more when it is told to speak. */
function silentCli(first = ''): { env: { PATH: string }; heard: () => string; speak: string } {
  const folder = mkdtempSync(join(home.path, 'cli-'))
  const [file, speak] = [join(folder, 'heard'), join(folder, 'speak')]
  const script = `echo '${ALIVE}'
${first}
exec 3<&0
cat <&3 > '${file}' &
while [ ! -e '${speak}' ]; do sleep 0.05; done
echo '${ALIVE}'
wait`
  return { env: fakeClaude(home, script), heard: () => (existsSync(file) ? readFileSync(file, 'utf8') : ''), speak }
}

const ALIVE = '{"type":"keep_alive"}'

test('an agent that works and shows nothing is nudged, in the middle of its turn, once, whoever watches; a sign of its own begins anew', async () => {
  fleet = await makeFleet(home, { config: 'watchdog: { tier0: { nudgeAfter: 1s, nudgeEvery: 1h } }\n' })
  const cli = silentCli()
  const slung = await home.ov(fleet.repo, ['sling', '--name', 'mute', '--task', 'Say nothing'], { env: cli.env })
  expect(slung.code, slung.output).toBe(0)
  await fleet.expectState('mute', 'working')
  await fleet.sling('command', HANG)
  await background()
  await expect.poll(cli.heard).toContain('Are you stuck?')
  const nudged = () => happened('agent.nudged')
  expect(await nudged()).toMatchObject([{ data: { about: 'silence', nth: 1, tool: false } }])
  expect((await nudged())[0]?.data.silentMs).toBeGreaterThanOrEqual(1_000)
  // The nudge in its own log is no sign of its own; nor does another watcher begin anew.
  process.kill(await background(), 'SIGKILL')
  await background('--interval', '1')
  const looks = () => run(['cat', join(fleet.repo, '.overstory', 'logs', 'watch.log')])
  await expect.poll(async () => (await looks()).stdout.match(/Watching/g)?.length).toBe(2)
  writeFileSync(cli.speak, '')
  await expect.poll(async () => (await nudged()).length).toBe(2)
  expect((await fleet.agent('command')).state).toBe('working')
})

test('whom nudges do not help is raised once, and a person is asked; every step is told', async () => {
  fleet = await makeFleet(home, {
    config: 'watchdog: { tier0: { nudgeAfter: 1s, nudgeEvery: 300ms, nudges: 2 }, tier1: { enabled: false } }\n',
  })
  const cli = silentCli()
  const slung = await home.ov(fleet.repo, ['sling', '--name', 'mute', '--task', 'Say nothing'], { env: cli.env })
  expect(slung.code, slung.output).toBe(0)
  await fleet.expectState('mute', 'working')
  await background()
  await expect.poll(() => happened('agent.escalated')).toHaveLength(1)
  expect(await happened('agent.nudged', 'agent.raised')).toMatchObject([
    { type: 'agent.nudged', data: { nth: 1 } },
    { type: 'agent.nudged', data: { nth: 2 } },
    { type: 'agent.raised', data: { about: 'silence', seen: expect.stringMatching(/shown nothing for \d+ seconds/) } },
  ])
  expect((await happened('agent.raised'))[0]?.data.tried).toHaveLength(2)
  const mail = await fleet.db.selectFrom('mail').selectAll().where('type', '=', 'health_check').orderBy('id').execute()
  expect(mail.map(({ body }) => body)).toEqual([
    expect.stringContaining('the first time you are asked'),
    expect.stringContaining('the last time you are asked'),
  ])
  expect((await home.ov(fleet.repo, ['mail', 'check'])).stdout).toContain('mute')
  // Nobody is killed for it.
  expect((await fleet.agent('mute')).state).toBe('working')
  const log = readFileSync(join(fleet.repo, '.overstory', 'logs', 'watch.log'), 'utf8')
  expect(log).toContain('mute needs somebody: It works and has shown nothing')
})

test('a tool that runs is work; a stopped process is none, and no death either', async () => {
  fleet = await makeFleet(home, { config: 'watchdog: { tier0: { nudgeAfter: 1s, nudgeEvery: 1h } }\n' })
  const tool = { type: 'tool_use', id: 't1', name: 'Bash', input: { command: 'make' } }
  const message = { type: 'assistant', message: { role: 'assistant', content: [tool] } }
  const cli = silentCli(`echo '${JSON.stringify(message)}'`)
  await home.ov(fleet.repo, ['sling', '--name', 'busy', '--task', 'Build'], { env: cli.env })
  await expect.poll(() => happened('tool.start')).toHaveLength(1)
  const mute = silentCli()
  await home.ov(fleet.repo, ['sling', '--name', 'frozen', '--task', 'Freeze'], { env: mute.env })
  await fleet.expectState('frozen', 'working')
  const pid = await runnerOf('frozen')
  process.kill(pid, 'SIGSTOP')
  await background()
  await expect.poll(() => happened('agent.nudged')).toHaveLength(1)
  const rows = await eventsBeyond(fleet.db, 0, 10_000)
  expect(rows.find(({ type }) => type === 'agent.nudged')?.agent_id).toBe((await fleet.agent('frozen')).id)
  expect(await happened('agent.runner-gone')).toEqual([])
  expect((await fleet.agent('frozen')).state).toBe('working')
  process.kill(pid, 'SIGCONT')
  await expect.poll(mute.heard).toContain('Are you stuck?')
})

/** A script for a fake CLI that uses a tool every moment, as long as it may; `$i` counts in what it says. */
function usesTools(input: string, output: string, more = ''): string {
  const begun = `{"type":"assistant","message":{"role":"assistant","content":[{"type":"tool_use","id":"t'$i'","name":"Bash","input":{"command":"${input}"}}]}}`
  const ended = `{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t'$i'","content":"${output}"${more}}]}}`
  return `i=0; while :; do i=$((i+1)); echo '${begun}'; echo '${ended}'; sleep 0.2; done &`
}

test('who meets the same error again and again is told so, then raised when it goes on; who polls for what changes is let alone', async () => {
  fleet = await makeFleet(home, {
    config: 'watchdog: { tier0: { nudgeAfter: 1h, loopAfter: 4 }, tier1: { enabled: false } }\n',
  })
  const error = 'Error: cannot find the module that was never there'
  const looping = silentCli(usesTools("make'$i'", error, ',"is_error":true'))
  await home.ov(fleet.repo, ['sling', '--name', 'looping', '--task', 'Build'], { env: looping.env })
  const polling = silentCli(usesTools('gh run view', "done so far: '$i'"))
  await home.ov(fleet.repo, ['sling', '--name', 'polling', '--task', 'Wait for CI'], { env: polling.env })
  await fleet.expectState('polling', 'working')
  await background()
  await expect.poll(() => happened('agent.escalated')).toHaveLength(1)
  expect(await happened('agent.nudged', 'agent.raised', 'agent.escalated')).toMatchObject([
    { type: 'agent.nudged', data: { about: 'loop', kind: 'error', tool: 'Bash' } },
    { type: 'agent.raised', data: { about: 'loop', tried: ['It was told that it goes in circles.'] } },
    { type: 'agent.escalated', data: { about: 'loop', to: 'human' } },
  ])
  expect(looping.heard()).toContain('You go in circles')
  expect(looping.heard()).toContain(error)
  // The other one has called its tool more often than would be a loop by now, or soon.
  const polls = async () =>
    (await happened('tool.end')).filter(({ data }) => String(data.summary).startsWith('done so far')).length
  await expect.poll(polls).toBeGreaterThan(12)
  expect(await happened('agent.nudged')).toHaveLength(1)
  expect((await fleet.agent('looping')).state).toBe('working')
  const log = readFileSync(join(fleet.repo, '.overstory', 'logs', 'watch.log'), 'utf8')
  expect(log).toContain('looping goes in circles, and is told so')
})

test('processes that compute are work, however silent their agent, up to the limit of tools', async () => {
  fleet = await makeFleet(home, { config: 'watchdog: { tier0: { nudgeAfter: 1s, nudgeEvery: 1h, toolLimit: 5s } }\n' })
  const cli = silentCli('while :; do :; done &')
  await home.ov(fleet.repo, ['sling', '--name', 'compiling', '--task', 'Compile'], { env: cli.env })
  await fleet.expectState('compiling', 'working')
  await background()
  await expect.poll(() => happened('agent.nudged')).toHaveLength(1)
  expect((await happened('agent.nudged'))[0]?.data.silentMs).toBeGreaterThanOrEqual(5_000)
})

test('a task that takes longer than its capability may is raised once, a command too', async () => {
  fleet = await makeFleet(home, { config: 'watchdog: { deadlines: { builder: 2s }, tier1: { enabled: false } }\n' })
  await fleet.sling('slow', HANG)
  await fleet.expectState('slow', 'working')
  await background()
  await expect.poll(() => happened('agent.escalated')).toHaveLength(1)
  const [raised] = await happened('agent.raised')
  expect(raised?.data).toMatchObject({
    about: 'deadline',
    seen: expect.stringContaining('a builder may take 2 seconds'),
  })
  expect(raised?.data.ms).toBeGreaterThanOrEqual(2_000)
  expect((await fleet.agent('slow')).state).toBe('working')
})

test('a marker of mail that got lost while a runner is stopped is made again', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('reader', HANG)
  await fleet.expectState('reader', 'working')
  await background()
  const { id } = await fleet.agent('reader')
  const folder = hookFolder(privateFolder(join(fleet.repo, '.overstory'), id))
  mkdirSync(folder.spool, { recursive: true })
  process.kill(await runnerOf('reader'), 'SIGSTOP')
  await home.ov(fleet.repo, ['mail', 'send', '--to', 'reader', '--subject', 'Hello'])
  expect(existsSync(folder.mail)).toBe(true)
  rmSync(folder.mail)
  await home.ov(fleet.repo, ['mail', 'send', '--to', 'human', '--subject', 'Something is committed'])
  await expect.poll(() => existsSync(folder.mail)).toBe(true)
})

test('--once looks, does what is to be done and says it: as text, as a document, with exit code 0', async () => {
  fleet = await makeFleet(home)
  const idle = await home.ov(fleet.repo, ['watch', '--once'])
  expect(idle).toMatchObject({ code: 0, stdout: 'Nobody is at work.\nThere was nothing to do.\n' })
  await fleet.sling('victim', HANG)
  await fleet.expectState('victim', 'working')
  process.kill(await runnerOf('victim'), 'SIGKILL')
  const owner = ownerOf(await fleet.agent('victim'))
  await expect.poll(() => owner && liveness(owner)).toBe('gone')
  const look = await home.ov(fleet.repo, ['watch', '--once', '--json'])
  expect(look.code, look.output).toBe(0)
  const { agents, did, said } = JSON.parse(look.stdout)
  expect(agents).toEqual([{ agent: 'victim', state: 'working', runner: 'gone' }])
  expect(did.map(({ type, agent }: { type: string; agent: string }) => `${agent} ${type}`)).toEqual(
    expect.arrayContaining(['victim agent.runner-gone', 'victim agent.failed']),
  )
  expect(said).toContain('victim failed: Its runner died.')
  expect((await fleet.agent('victim')).state).toBe('failed')
})

test('in the foreground it says what happens, a line each, and Ctrl-C ends it in good order', async () => {
  fleet = await makeFleet(home)
  const watcher = spawn(process.execPath, [OV, 'watch'], { cwd: fleet.repo, env: { ...home.env } })
  let out = ''
  watcher.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  const ended = new Promise<number | null>((resolve) => watcher.on('close', (code) => resolve(code)))
  await expect.poll(() => out).toContain('Watching')
  await fleet.sling('worker', 'echo w > w.txt')
  await expect.poll(() => out).toContain('✔ worker is done')
  // The very process that was started watches: what is sent to it arrives.
  watcher.kill('SIGINT')
  expect(await ended).toBe(130)
  expect((await home.ov(fleet.repo, ['watch', 'status'])).stdout).toBe('Nobody watches.\n')
  expect((await happened('watch.stopped'))[0]?.data).toEqual({ pid: watcher.pid })
})
