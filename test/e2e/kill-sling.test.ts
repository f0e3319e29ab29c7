import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findAgent, openAgents } from '../../src/agents/store.ts'
import type { TaskState } from '../../src/contract/states.ts'
import { openMerges } from '../../src/merge/store.ts'
import { liveness, processesMarked } from '../../src/os/process.ts'
import { processesOf, runnersOf } from '../../src/os/tree.ts'
import type { Project } from '../../src/project.ts'
import { getTask } from '../../src/tasks/store.ts'
import { reconcile } from '../../src/watchdog/reconcile.ts'
import { herd } from '../rig/processes.ts'
import { inProject } from '../rig/project.ts'
import { git, type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'

let home: Home
let repo: string
const sleepers = herd()
const SLEEP = `exec sleep ${sleepers.token}`

/** What runs at set-up, in the gate and as git on the runner's PATH; a test arms one of them to hang. */
const hook = (name: string) => join(home.path, `${name}.sh`)
const reached = (name: string) => join(home.path, `${name} reached`)
function arm(name: string, script = SLEEP): void {
  rmSync(reached(name), { force: true })
  writeFileSync(hook(name), `#!/bin/sh\ntouch '${reached(name)}'\n${script}\n`, { mode: 0o755 })
}
function disarm(name: string): void {
  writeFileSync(hook(name), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
}

beforeAll(async () => {
  home = makeHome()
  for (const name of ['setup', 'gate']) disarm(name)
  repo = makeRepo(home)
  const gates = `project: { qualityGates: [{ name: hangs, command: "${hook('gate')}" }] }`
  writeFileSync(join(repo, 'overstory.yaml'), `${gates}\nworktrees: { setup: ["${hook('setup')}"] }\n`)
  git(home, repo, 'add', '--all')
  git(home, repo, 'commit', '--quiet', '--message', 'Configure ov')
  expect(await home.ov(repo, ['init'])).toMatchObject({ code: 0 })
})
afterAll(async () => {
  sleepers.end()
  await home.dispose()
})

/** Kills the runner of an agent, as the kernel would when memory is short, and waits until it is gone. */
async function killRunner(project: Project, name: string): Promise<void> {
  const agent = await findAgent(project.db, name)
  const [runner] = runnersOf(agent?.id ?? '')
  if (!runner) throw new Error(`${name} has no runner`)
  process.kill(runner.pid, 'SIGKILL')
  await expect.poll(() => liveness(runner)).toBe('gone')
}

/** Looks after the fleet, as whoever lives does, until the task of an agent has ended. */
async function settled(project: Project, name: string): Promise<TaskState | undefined> {
  const agent = await findAgent(project.db, name)
  const state = async () => (await getTask(project.db, agent?.task_id ?? ''))?.state
  const look = async () => {
    await reconcile(project)
    return state()
  }
  await expect.poll(look, { interval: 200 }).toMatch(/merged|failed|done|stopped/)
  return state()
}

/** Nobody is left behind: no process of the agent's or of its gates, no open agent, no entry in the queue. */
async function expectNothingStuck(project: Project, name: string): Promise<void> {
  const agent = await findAgent(project.db, name)
  expect(processesOf(agent?.id ?? '')).toEqual([])
  await sleepers.expectSleepers(0)
  await expect.poll(async () => (await openAgents(project.db)).length).toBe(0)
  expect(await openMerges(project.db)).toEqual([])
}

/** The proof that all is well again: another task goes all the way. */
async function expectNextMerged(name: string): Promise<void> {
  const next = await home.ov(repo, slingShell(name, `echo ${name} > ${name}.txt`, '--wait', '--json'))
  expect(JSON.parse(next.stdout), next.output).toMatchObject({ state: 'merged' })
}

test('a runner killed before it has a worktree is started again, on its own branch, and its task is merged', async () => {
  const bin = join(home.path, 'bin')
  mkdirSync(bin)
  const real = git(home, repo, '--exec-path')
  const go = join(home.path, 'git go')
  const hang = `touch '${reached('git')}'; while [ ! -e '${go}' ]; do sleep 0.05; done; exit 1`
  const script = `#!/bin/sh\ncase "$*" in *'checkout --quiet'*) ${hang};; esac\nexec '${real}/git' "$@"\n`
  writeFileSync(join(bin, 'git'), script, { mode: 0o755 })
  await home.ov(repo, slingShell('early', 'echo a > a.txt'), { env: { PATH: `${bin}:${home.env.PATH}` } })
  await expect.poll(() => existsSync(reached('git'))).toBe(true)
  await inProject(home, repo, async (project) => {
    await killRunner(project, 'early')
    writeFileSync(go, '')
    expect(await settled(project, 'early')).toBe('merged')
    await expectNothingStuck(project, 'early')
    const agent = await findAgent(project.db, 'early')
    expect((await getTask(project.db, agent?.task_id ?? ''))?.attempts).toBe(1)
  })
  expect(git(home, repo, 'show', 'main:a.txt')).toBe('a')
})

test('a runner killed while it sets up its worktree is started again; what it had begun is ended first', async () => {
  arm('setup', `touch left-over; ${SLEEP}`)
  await home.ov(repo, slingShell('setting-up', 'echo b > b.txt; ls'))
  await expect.poll(() => existsSync(reached('setup'))).toBe(true)
  await sleepers.expectSleepers(1)
  await inProject(home, repo, async (project) => {
    await killRunner(project, 'setting-up')
    disarm('setup')
    expect(await settled(project, 'setting-up')).toBe('merged')
    await expectNothingStuck(project, 'setting-up')
    // The half-made worktree was made anew: nothing of the first set-up is in the commit.
    const branch = (await findAgent(project.db, 'setting-up'))?.branch ?? ''
    expect(git(home, repo, 'show', '--name-only', '--format=', branch)).toBe('b.txt')
  })
})

test('a runner killed in the middle of a turn fails its task, and every commit has a ref', async () => {
  const working = join(home.path, 'working')
  const commit = 'git add -A; git commit -qm'
  const work = `echo 1 > c.txt; ${commit} one; git rev-parse HEAD > '${working}'; git reset -q --hard HEAD~1; echo 2 > d.txt; ${commit} two; git rev-parse HEAD >> '${working}'; touch '${working} done'; ${SLEEP}`
  await home.ov(repo, slingShell('turning', work))
  await expect.poll(() => existsSync(`${working} done`)).toBe(true)
  await inProject(home, repo, async (project) => {
    await killRunner(project, 'turning')
    expect(await settled(project, 'turning')).toBe('failed')
    await expectNothingStuck(project, 'turning')
    const agent = await findAgent(project.db, 'turning')
    expect(agent).toMatchObject({ state: 'failed', reason: 'Its runner died.' })
  })
  const commits = readFileSync(working, 'utf8').trim().split('\n')
  expect(commits).toHaveLength(2)
  for (const sha of commits) expect(git(home, repo, 'for-each-ref', '--contains', sha)).not.toBe('')
  await expectNextMerged('after-turning')
})

test('a runner killed while gates run leaves its work in the queue: it is merged by the next that drives the train', async () => {
  arm('gate')
  await home.ov(repo, slingShell('gating', 'echo e > e.txt'))
  await expect.poll(() => existsSync(reached('gate'))).toBe(true)
  await inProject(home, repo, async (project) => {
    await killRunner(project, 'gating')
    disarm('gate')
    const agent = await findAgent(project.db, 'gating')
    const done = async () => {
      await reconcile(project)
      return (await findAgent(project.db, 'gating'))?.state
    }
    await expect.poll(done).toBe('done')
    expect((await getTask(project.db, agent?.task_id ?? ''))?.state).toBe('merging')
    await expectNextMerged('after-gating')
    expect(await settled(project, 'gating')).toBe('merged')
    await expectNothingStuck(project, 'gating')
  })
  expect(git(home, repo, 'show', 'main:e.txt')).toBe('e')
})

test('an agent that was done when its runner died is shown as failed when its work turns out to be red', async () => {
  arm('gate')
  await home.ov(repo, slingShell('red', 'echo f > f.txt'))
  await expect.poll(() => existsSync(reached('gate'))).toBe(true)
  await inProject(home, repo, async (project) => {
    await killRunner(project, 'red')
    writeFileSync(hook('gate'), '#!/bin/sh\n[ ! -e f.txt ] || { echo no good; exit 1; }\n', { mode: 0o755 })
    await expectNextMerged('after-red')
    expect(await settled(project, 'red')).toBe('failed')
    await expectNothingStuck(project, 'red')
  })
  disarm('gate')
  const { agents } = JSON.parse((await home.ov(repo, ['status', '--all', '--json'])).stdout) as {
    agents: { name: string; condition: string; reason: string | null }[]
  }
  expect(agents.find(({ name }) => name === 'red')).toMatchObject({
    condition: 'failed',
    reason: expect.stringMatching(/^Gate hangs is red, and its author has ended\./),
  })
})

test.each(['SIGINT', 'SIGKILL'] as const)('%s ends who waits, not the agent', async (signal) => {
  const name = signal.toLowerCase()
  const go = join(home.path, `go ${name}`)
  const command = `while [ ! -e '${go}' ]; do sleep 0.05; done; echo ${name} > ${name}.txt`
  const waiting = spawn(process.execPath, [OV, ...slingShell(name, command, '--wait')], {
    cwd: repo,
    env: { ...home.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = text(waiting.stderr)
  await inProject(home, repo, async (project) => {
    await expect.poll(async () => (await findAgent(project.db, name))?.state).toBe('working')
    waiting.kill(signal)
    const [code, killedBy] = await once(waiting, 'exit')
    if (signal === 'SIGINT') {
      expect(await said).toContain(
        '✖ The task is still running, and goes on without you.\nHint: See how it goes: ov status\n',
      )
      expect(code).toBe(130)
    } else expect(killedBy).toBe(signal)
    writeFileSync(go, '')
    expect(await settled(project, name)).toBe('merged')
    await expectNothingStuck(project, name)
  })
})

test('nothing of all that is left running, the tmux server included', async () => {
  await expect.poll(() => processesMarked('XDG_RUNTIME_DIR', home.env.XDG_RUNTIME_DIR ?? '')).toEqual([])
})
