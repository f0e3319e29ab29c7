import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findAgent, getAgent, ownerOf } from '../../src/agents/store.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { allProcesses, liveness, pidNamespaceOf } from '../../src/os/process.ts'
import { containment } from '../../src/os/sandbox.ts'
import { processesOf } from '../../src/os/tree.ts'
import { getTask } from '../../src/tasks/store.ts'
import { reconcile } from '../../src/watchdog/reconcile.ts'
import { inProject } from '../rig/project.ts'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('a killed runner takes its agent with it; its commits are kept, its mail bounces, the human is told, the place is free', async () => {
  const repo = makeRepo(home)
  configure(home, repo, 'agents: { maxConcurrent: 1 }\n')
  await home.ov(repo, ['init'])
  const working = join(home.path, 'working')
  const command = `echo one > one.txt; git add -A; git commit -qm one; git rev-parse HEAD > '${working}'; sleep 1000`
  await home.ov(repo, ['sling', '--runtime', 'shell', '--name', 'victim', '--task', 'Hang', '--command', command])
  await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--name',
    'next',
    '--task',
    'Wait',
    '--command',
    'echo two > two.txt',
  ])
  await expect.poll(() => existsSync(working) && readFileSync(working, 'utf8')).toMatch(/^[0-9a-f]{40}\n/)
  const commit = readFileSync(working, 'utf8').trim()
  await inProject(home, repo, async (project) => {
    const victim = await findAgent(project.db, 'victim')
    const owner = victim ? ownerOf(victim) : null
    if (!victim || !owner) throw new Error('no runner')
    await home.ov(repo, ['mail', 'send', '--to', 'victim', '--subject', 'Are you there?'])
    process.kill(owner.pid, 'SIGKILL')
    await expect.poll(() => liveness(owner)).toBe('gone')

    await expect
      .poll(async () => (await reconcile(project)).length || (await getAgent(project.db, victim.id))?.state)
      .toBe('failed')
    expect(processesOf(victim.id)).toEqual([])
    expect(
      git(home, repo, 'for-each-ref', '--contains', commit, '--format=%(refname)', `refs/ov/keep/${victim.id}`),
    ).not.toBe('')
    expect((await getTask(project.db, victim.task_id))?.reason).toContain('runner died')
    const human = (await home.ov(repo, ['mail', 'check'])).stdout
    expect(human).toContain('victim failed')
    expect(human).toContain('Are you there?')
    await expect.poll(async () => (await findAgent(project.db, 'next'))?.state).toBe('done')
  })
})

test('where processes can be held together, all an agent started ends with its runner at once: no daemon, no cleared environment gets away', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
  const pids = join(home.path, 'pids')
  const daemon = `env -i setsid sh -c 'readlink /proc/self/ns/pid > "${pids}"; exec sleep 1000' &`
  const slung = [
    'sling',
    '--runtime',
    'shell',
    '--name',
    'victim',
    '--task',
    'Hang',
    '--command',
    `${daemon} sleep 1000`,
  ]
  await home.ov(repo, slung)
  await expect.poll(() => existsSync(pids) && readFileSync(pids, 'utf8')).toMatch(/^pid:/)
  const namespace = readFileSync(pids, 'utf8').trim()
  await inProject(home, repo, async (project) => {
    const victim = await findAgent(project.db, 'victim')
    const owner = victim ? ownerOf(victim) : null
    if (!victim || !owner) throw new Error('no runner')
    const apart = (await containment(true)).kind === 'pid-namespace'
    expect(namespace === pidNamespaceOf(process.pid)).toBe(!apart)
    const members = () => allProcesses().filter(({ pid }) => apart && pidNamespaceOf(pid) === namespace)
    expect(members().length > 0).toBe(apart)
    process.kill(owner.pid, 'SIGKILL')
    await expect.poll(() => members()).toEqual([])
  })
})

test('slings killed at any moment leave nothing stuck: what was reserved is started again, what was not is not there', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
  const sling = (task: number, more: { timeoutMs?: number } = {}) =>
    home.ov(
      repo,
      ['sling', '--runtime', 'shell', '--task', `task ${task}`, '--command', `echo ${task} > ${task}.txt`],
      more,
    )
  const began = performance.now()
  await sling(0)
  const whole = performance.now() - began
  // From before anything was reserved to after everything was done, whatever this machine's speed.
  for (let kill = 1; kill <= 12; kill++) await sling(kill, { timeoutMs: whole * (0.4 + kill * 0.06) })
  await inProject(home, repo, async (project) => {
    const open = async () => {
      await reconcile(project)
      const tasks = await project.db.selectFrom('tasks').selectAll().execute()
      return tasks.filter((task) => ['queued', 'running', 'merging'].includes(task.state)).length
    }
    await expect.poll(open, { interval: 250 }).toBe(0)
    const tasks = await project.db.selectFrom('tasks').selectAll().execute()
    expect(tasks.length).toBeGreaterThan(0)
    expect(tasks.filter((task) => task.state !== 'merged').map((task) => [task.title, task.reason])).toEqual([])
    for (const task of tasks)
      expect(git(home, repo, 'show', `HEAD:${task.title.split(' ')[1]}.txt`)).toBe(task.title.split(' ')[1])
  })
})

test('an agent whose work is in the queue when its runner dies is done, and its work is merged by whoever lives', async () => {
  const repo = makeRepo(home)
  configure(home, repo, 'merge: { auto: false }\n')
  await home.ov(repo, ['init'])
  await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--name',
    'victim',
    '--task',
    'Work',
    '--command',
    'echo w > w.txt',
  ])
  await inProject(home, repo, async (project) => {
    const victim = async () => {
      const agent = await findAgent(project.db, 'victim')
      if (!agent) throw new Error('no agent')
      return agent
    }
    await expect.poll(async () => (await victim()).waiting_on).toBe('merge')
    const owner = ownerOf(await victim())
    if (!owner) throw new Error('no runner')
    process.kill(owner.pid, 'SIGKILL')
    await expect.poll(async () => (await reconcile(project)).length).toBe(1)
    expect((await victim()).state).toBe('done')
    expect((await driveTrain(project)).merged).toHaveLength(1)
    expect((await getTask(project.db, (await victim()).task_id))?.state).toBe('merged')
    expect(readFileSync(join(repo, 'w.txt'), 'utf8')).toBe('w\n')
  })
})
