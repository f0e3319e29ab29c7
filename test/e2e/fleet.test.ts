import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inProject } from '../rig/project.ts'
import { git, type Home, makeHome, makeRepo, readyRepo } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const AGENTS = 20
const TASKS = 60
const FILES = 5

/** What an agent does is written down outside `ov` by the agent itself: the oracle of this test. */
function commandOf(number: number, oracle: string): string {
  const line = `echo line-${number} >> shared-${number % FILES}.txt`
  const record = `git rev-parse HEAD >> '${oracle}'`
  switch (number % 12) {
    case 9:
      // Never green.
      return `touch bad; git add -A; git commit -q --allow-empty -m "red ${number}"; ${record}`
    case 10:
      // Fails before it has done anything, having committed something.
      return `${line}; git commit -qam "half ${number}"; ${record}; exit 7`
    case 11:
      // Red first, mended on feedback.
      return `if [ -n "\${OV_FEEDBACK-}" ]; then git rm -q --ignore-unmatch bad; echo ok-${number} > ok-${number}.txt; git add -A; git commit -qm "mend ${number}"; else touch bad; git add -A; git commit -qm "red ${number}"; fi; ${record}`
    default:
      // Conflicts with every other task on the same file, and resolves it when told which commit to merge.
      return `sha=$(test -n "\${OV_FEEDBACK-}" && sed -n 's/.*git merge \\([0-9a-f]*\\).*/\\1/p' "$OV_FEEDBACK" | head -1)
if [ -n "$sha" ]; then git merge -q -m "take in" "$sha" || { git checkout -q --theirs .; ${line}; git add -A; git commit -qm "resolve ${number}"; }
else ${line}; git commit -qam "work ${number}"; fi; ${record}`
  }
}

test(`${AGENTS} agents on ${TASKS} conflicting tasks: each ends merged or honestly failed, no commit is lost, main is green at every commit, the human’s files are untouched`, {
  timeout: 240_000,
}, async () => {
  const repo = makeRepo(home)
  for (let file = 0; file < FILES; file++) writeFileSync(join(repo, `shared-${file}.txt`), 'start\n')
  writeFileSync(join(repo, '.gitignore'), 'ignored.txt\n')
  writeFileSync(
    join(repo, 'overstory.yaml'),
    `project: { qualityGates: [{ name: tests-pass, command: 'test ! -f bad' }] }\nagents: { maxConcurrent: ${AGENTS} }\nmerge: { maxAttempts: 15 }\n`,
  )
  git(home, repo, 'add', '--all')
  git(home, repo, 'commit', '--quiet', '--message', 'Set the table')
  const first = git(home, repo, 'rev-parse', 'HEAD')
  await home.ov(repo, ['init'])
  const mine = { 'README.md': '# Toy, edited by hand\n', 'untracked.txt': 'mine\n', 'ignored.txt': 'mine too\n' }
  for (const [file, content] of Object.entries(mine)) writeFileSync(join(repo, file), content)
  const oracle = join(home.path, 'commits.txt')
  writeFileSync(oracle, '')

  const numbers = Array.from({ length: TASKS }, (_, index) => index)
  const sling = async () => {
    for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
      const slung = await home.ov(repo, [
        'sling',
        '--runtime',
        'shell',
        '--task',
        `task ${number}`,
        '--command',
        commandOf(number, oracle),
      ])
      expect(slung.code, slung.output).toBe(0)
    }
  }
  await Promise.all([sling(), sling(), sling(), sling()])

  const tasks = await inProject(home, repo, async (project) => {
    const all = () => project.db.selectFrom('tasks').select(['title', 'state', 'reason']).execute()
    const open = async () => (await all()).filter((task) => !['merged', 'failed'].includes(task.state)).length
    await expect.poll(open, { timeout: 200_000, interval: 1_000 }).toBe(0)
    return all()
  })
  expect(tasks).toHaveLength(TASKS)
  for (const task of tasks) {
    const kind = Number(task.title.split(' ')[1]) % 12
    expect(task.state, `${task.title}: ${task.reason}`).toBe(kind === 9 || kind === 10 ? 'failed' : 'merged')
  }

  const commits = readFileSync(oracle, 'utf8').trim().split('\n')
  const reachable = new Set(git(home, repo, 'rev-list', '--all').split('\n'))
  expect(commits.filter((commit) => !reachable.has(commit))).toEqual([])

  const green = git(home, repo, 'rev-list', '--first-parent', `${first}..refs/ov/train/main`).split('\n')
  expect(green.length).toBe(tasks.filter((task) => task.state === 'merged').length)
  for (const commit of green) expect(git(home, repo, 'ls-tree', '--name-only', commit).split('\n')).not.toContain('bad')
  const merged = tasks.filter((task) => task.state === 'merged').map((task) => Number(task.title.split(' ')[1]))
  for (const number of merged.filter((one) => one % 12 < 9)) {
    expect(git(home, repo, 'show', `refs/ov/train/main:shared-${number % FILES}.txt`).split('\n')).toContain(
      `line-${number}`,
    )
  }

  // Landing waits for a clean checkout; what the human has there stays as it is, byte for byte.
  expect(git(home, repo, 'rev-parse', 'HEAD')).toBe(first)
  for (const [file, content] of Object.entries(mine)) expect(readFileSync(join(repo, file), 'utf8')).toBe(content)
  git(home, repo, 'checkout', '--quiet', 'README.md')
  expect((await home.ov(repo, ['land'])).code).toBe(0)
  expect(git(home, repo, 'rev-parse', 'HEAD')).toBe(git(home, repo, 'rev-parse', 'refs/ov/train/main'))
  expect(readFileSync(join(repo, 'untracked.txt'), 'utf8')).toBe(mine['untracked.txt'])
  expect(git(home, repo, 'status', '--porcelain')).toBe('?? untracked.txt')
})

test('of those who sling at the same time each starts an agent of his own, which has what he has in his environment', async () => {
  const repo = await readyRepo(home, 'agents: { maxConcurrent: 8 }\nruntime: { shell: { env: [WHO] } }\n')
  const people = Array.from({ length: 8 }, (_, n) => `person-${n}`)
  const endings = await Promise.all(
    people.map((who) =>
      home.ov(repo, slingShell(who, `printf '%s' "$WHO" > ${who}.txt`, '--wait'), { env: { WHO: who } }),
    ),
  )
  expect(endings.map(({ code }) => code)).toEqual(people.map(() => 0))
  expect(people.map((who) => git(home, repo, 'show', `main:${who}.txt`))).toEqual(people)
})
