import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import { findProgram } from '../../src/os/files.ts'
import { run } from '../../src/os/process.ts'
import { runnersOf } from '../../src/os/tree.ts'
import { logFolder } from '../../src/state-dir.ts'
import { inProject } from '../rig/project.ts'
import { configure, git, type Home, makeHome, makeRepo, readyRepo } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'

let home: Home
let repo: string
beforeAll(async () => {
  home = makeHome()
  repo = await readyRepo(home)
})
afterAll(() => home.dispose())

const MERGED = { state: 'merged' }

/** A folder for PATH with links to just these programs. */
function pathOf(...programs: string[]): string {
  const folder = mkdtempSync(join(home.path, 'path-'))
  for (const name of programs) symlinkSync(findProgram(name) ?? `/no ${name}`, join(folder, name))
  return folder
}

async function logsOf(name: string): Promise<string> {
  return inProject(home, repo, async (project) => {
    const agent = await findAgent(project.db, name)
    if (!agent) throw new Error(`no agent ${name}`)
    return logFolder(project, agent)
  })
}

test('without tmux an agent works as well; what its screen would show is in runner.log', async () => {
  const env = { PATH: pathOf('git', 'sh', 'cat', 'env', 'setsid', 'sleep', 'touch', 'unshare') }
  const go = join(home.path, 'go without')
  const command = `while [ ! -e '${go}' ]; do sleep 0.05; done; echo a > a.txt`
  const slung = home.ov(repo, slingShell('without', command, '--wait', '--json'), { env })
  await inProject(home, repo, async (project) => {
    const state = async () => (await findAgent(project.db, 'without'))?.state
    await expect.poll(state).toBe('working')
  })
  const attached = await home.ov(repo, ['attach', 'without'], { env })
  expect(attached.output).toBe(
    '✖ Agents have a screen only where tmux is installed.\nHint: What it said: ov logs without -f\n',
  )
  expect(attached.code).toBe(2)
  writeFileSync(go, '')
  expect(JSON.parse((await slung).stdout)).toMatchObject(MERGED)
  expect(readFileSync(join(await logsOf('without'), 'runner.log'), 'utf8')).toContain('── without · Shell command')
})

test.each([
  ['refuses', '#!/bin/sh\necho "protocol version mismatch" >&2\nexit 1\n', 'protocol version mismatch'],
  ['hangs', '#!/bin/sh\nexec sleep 1000\n', ''],
])('a tmux that %s holds nobody up: its agent goes without, and the reason is recorded', async (what, script, why) => {
  const bin = mkdtempSync(join(home.path, 'tmux-'))
  writeFileSync(join(bin, 'tmux'), script, { mode: 0o755 })
  const env = { PATH: `${bin}:${home.env.PATH}` }
  const began = performance.now()
  const slung = await home.ov(repo, slingShell(what, `echo ${what} > ${what}.txt`, '--wait', '--json'), { env })
  expect(JSON.parse(slung.stdout)).toMatchObject(MERGED)
  expect(performance.now() - began).toBeLessThan(20_000)
  const events = await home.ov(repo, ['logs', what, '--events'])
  expect(events.stdout).toContain('runner.no-tmux')
  expect(events.stdout).toContain(why)
  expect(readdirSync(await logsOf(what))).toContain('runner.log')
  const doctor = await home.ov(repo, ['doctor'], { env })
  expect(doctor.output).toContain(`! ${bin}/tmux does not answer`)
  expect(doctor.output).not.toContain('not installed: agents')
})

test('agents whose tmux server is killed go on and finish; the next gets a new one', async () => {
  const go = join(home.path, 'go on')
  const command = `while [ ! -e '${go}' ]; do sleep 0.05; done; echo b > b.txt`
  await home.ov(repo, slingShell('orphan', command))
  const server = ['tmux', '-S', await socketOf(repo), 'display', '-p', '#{pid}']
  await inProject(home, repo, async (project) => {
    const state = async () => (await findAgent(project.db, 'orphan'))?.state
    await expect.poll(state).toBe('working')
    const pid = Number((await run(server)).stdout)
    expect(pid).toBeGreaterThan(1)
    process.kill(pid, 'SIGKILL')
    const next = await home.ov(repo, slingShell('next', 'echo c > c.txt', '--wait', '--json'))
    expect(JSON.parse(next.stdout)).toMatchObject(MERGED)
    expect(readdirSync(await logsOf('next'))).not.toContain('runner.log')
    const agent = await findAgent(project.db, 'orphan')
    expect(agent?.state).toBe('working')
    expect(runnersOf(agent?.id ?? '')).toHaveLength(1)
    writeFileSync(go, '')
    await expect.poll(state).toBe('done')
  })
  expect(git(home, repo, 'show', 'main:b.txt')).toBe('b')
})

test('what a person has taken out of the environment since the first agent was slung reaches no later one', async () => {
  const go = join(home.path, 'go with')
  const hold = `while [ ! -e '${go}' ]; do sleep 0.05; done; echo $OV_AGENT > $OV_AGENT.txt`
  const runnerOf = (name: string) =>
    inProject(home, repo, async (project) => {
      const agent = await findAgent(project.db, name)
      const found = () => runnersOf(agent?.id ?? '')[0]?.pid
      await expect.poll(found).toBeDefined()
      return readFileSync(`/proc/${found()}/environ`, 'utf8')
    })
  await home.ov(repo, slingShell('before', hold), { env: { TAKEN_BACK: 'a key' } })
  expect(await runnerOf('before')).toContain('TAKEN_BACK=a key')
  await home.ov(repo, slingShell('after', hold), { env: { NEW: 'another' } })
  const environment = await runnerOf('after')
  expect(environment).toContain('NEW=another')
  expect(environment).not.toContain('TAKEN_BACK')
  writeFileSync(go, '')
  await inProject(home, repo, async (project) => {
    const stateOf = async (name: string) => (await findAgent(project.db, name))?.state
    const states = async () => [await stateOf('before'), await stateOf('after')]
    await expect.poll(states).toEqual(['done', 'done'])
  })
})

async function socketOf(where: string): Promise<string> {
  return inProject(home, where, async (project) => project.tmux?.socket ?? '')
}

test.each([
  ['with spaces, quotes and other scripts', `it's "my" pröject 🙂 $HOME;`],
  ['that tmux would read as commands of its own', '#(touch pwned) #{pid} %H ;'],
  ['longer than any socket’s', `${'d'.repeat(200)}/${'e'.repeat(200)}`],
])('a project path %s is a path like any other: agents start there, reach ov and end merged', async (_, name) => {
  const there = makeRepo(home, name)
  configure(home, there)
  expect(await home.ov(there, ['init'])).toMatchObject({ code: 0 })
  const command = `ov status --json > /dev/null && pwd > where.txt; tmux -S "$SOCKET" list-panes -a -F '#{pane_start_path}' > pane.txt`
  const socket = await socketOf(there)
  const slung = await home.ov(there, slingShell('there', command.replace('$SOCKET', socket), '--wait', '--json'))
  expect(JSON.parse(slung.stdout), slung.output).toMatchObject(MERGED)
  expect(readFileSync(join(there, 'where.txt'), 'utf8')).toBe(`${there}/.overstory/worktrees/there\n`)
  expect(readFileSync(join(there, 'pane.txt'), 'utf8')).toBe(`${there}\n`)
  expect(existsSync(join(there, 'pwned'))).toBe(false)
})

test('a folder for sockets whose path is too long is said before anything is slung', async () => {
  const long = join(home.path, 'r'.repeat(120))
  mkdirSync(long, { mode: 0o700 })
  const refused = await home.ov(repo, slingShell('late', 'true'), { env: { XDG_RUNTIME_DIR: long } })
  expect(refused.output).toMatch(/^✖ \S+ is too long for a socket: at most 85 bytes\.\nHint: Set XDG_RUNTIME_DIR to /)
  expect(refused.code).toBe(2)
  expect((await home.ov(repo, ['status', '--all'])).stdout).not.toContain('late')
})
