import { afterEach, beforeEach, expect, test } from 'vitest'
import { reconcile } from '../../src/watchdog/reconcile.ts'
import { inProject } from '../rig/project.ts'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

test('slings killed at any moment leave nothing stuck: what was reserved is started again, what was not is not there', async () => {
  const repo = makeRepo(home)
  configure(home, repo)
  await home.ov(repo, ['init'])
  const delays = Array.from({ length: 12 }, (_, index) => 120 + index * 60)
  for (const [index, delay] of delays.entries()) {
    await home.ov(
      repo,
      ['sling', '--runtime', 'shell', '--task', `task ${index}`, '--command', `echo ${index} > ${index}.txt`],
      { timeoutMs: delay },
    )
  }
  await inProject(home, repo, async (project) => {
    const open = async () => {
      await reconcile(project)
      const tasks = await project.db.selectFrom('tasks').selectAll().execute()
      return tasks.filter((task) => ['queued', 'running', 'merging'].includes(task.state)).length
    }
    await expect.poll(open, { timeout: 30_000, interval: 250 }).toBe(0)
    const tasks = await project.db.selectFrom('tasks').selectAll().execute()
    expect(tasks.length).toBeGreaterThan(0)
    expect(tasks.filter((task) => task.state !== 'merged').map((task) => [task.title, task.reason])).toEqual([])
    for (const task of tasks)
      expect(git(home, repo, 'show', `HEAD:${task.title.split(' ')[1]}.txt`)).toBe(task.title.split(' ')[1])
  })
})
