import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keepCommits, keepFromRecord, keepPrefix } from '../../src/worktrees/keep.ts'
import { prepareWorktree, worktreePath } from '../../src/worktrees/prepare.ts'
import { git } from '../rig/sandbox-home.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

let yard: Yard
let tree: string
let base: string
beforeEach(async () => {
  yard = await makeYard()
  tree = await agentTree('builder-1')
})
afterEach(() => yard.dispose())

async function agentTree(name: string): Promise<string> {
  const path = worktreePath(yard.project, name)
  base = yard.git('rev-parse', 'main')
  await prepareWorktree(yard.project, { path, branch: `ov/run-1/${name}`, base, resumed: false })
  return path
}

/** Git as the agent uses it. */
const agent = (...args: string[]) => git(yard.home, tree, ...args)
const head = () => agent('rev-parse', 'HEAD')
const keep = () => keepCommits(yard.project, 'agent', tree, base)
const refs = () =>
  yard.git('for-each-ref', '--format=%(objectname)', keepPrefix('agent')).split('\n').filter(Boolean).sort()

function commit(file: string): string {
  writeFileSync(join(tree, file), `${file}\n`)
  agent('add', file)
  agent('commit', '--quiet', '--message', file)
  return head()
}

/** Throws away everything that no ref reaches, as a clean-up years later would. */
function collectGarbage(): void {
  yard.git('reflog', 'expire', '--expire=now', '--expire-unreachable=now', '--all')
  yard.git('gc', '--quiet', '--prune=now')
}

const isThere = (sha: string) => {
  try {
    yard.git('cat-file', '-e', sha)
    return true
  } catch {
    // Git says by its exit that there is no such object.
    return false
  }
}

test('an untouched worktree needs no ref', async () => {
  expect(await keep()).toEqual([])
  expect(refs()).toEqual([])
})

test('a line of commits is kept by one ref, which follows it', async () => {
  commit('a')
  await keep()
  const second = commit('b')
  expect(await keep()).toEqual([second])
  expect(refs()).toEqual([second])
})

test('what was amended, reset or rebased away, and what was made on a detached HEAD, survives the branch’s and the worktree’s end', async () => {
  const made: string[] = []
  made.push(commit('amended'))
  agent('commit', '--quiet', '--amend', '--message', 'Amended')
  made.push(head())
  made.push(commit('reset'))
  agent('reset', '--quiet', '--hard', 'HEAD~1')
  agent('switch', '--quiet', '--detach')
  made.push(commit('detached'))
  agent('switch', '--quiet', 'ov/run-1/builder-1')
  made.push(commit('rebased'))
  yard.human({ main: '' }, 'Main moves')
  agent('rebase', '--quiet', 'main')
  made.push(head())
  await keep()
  yard.git('worktree', 'remove', '--force', tree)
  yard.git('branch', '--quiet', '-D', 'ov/run-1/builder-1')
  collectGarbage()
  for (const sha of made) expect(isThere(sha), sha).toBe(true)
})

test('a stash made in the worktree is kept with its index and untracked files, also when it is dropped', async () => {
  writeFileSync(join(tree, 'README.md'), 'stashed\n')
  writeFileSync(join(tree, 'new'), 'untracked\n')
  agent('stash', '--quiet', '--include-untracked')
  const stash = agent('rev-parse', 'refs/stash')
  await keep()
  agent('stash', 'drop', '--quiet')
  collectGarbage()
  expect(yard.git('show', `${stash}:README.md`)).toBe('stashed')
  expect(yard.git('show', `${stash}^3:new`)).toBe('untracked')
})

test('a stash of the human’s or of another agent is not this agent’s, even on the same commit', async () => {
  yard.human({ 'README.md': 'human\n' })
  yard.git('stash', '--quiet')
  const other = await agentTree('builder-2')
  writeFileSync(join(other, 'README.md'), 'other\n')
  git(yard.home, other, 'stash', '--quiet')
  await keep()
  expect(refs()).toEqual([])
})

test('commits are kept where reflogs are turned off', async () => {
  yard.git('config', 'core.logAllRefUpdates', 'false')
  yard.git('worktree', 'remove', '--force', tree)
  yard.git('branch', '--quiet', '-D', 'ov/run-1/builder-1')
  tree = await agentTree('builder-3')
  await keep()
  const first = commit('a')
  agent('commit', '--quiet', '--amend', '--message', 'Amended')
  await keep()
  expect(refs()).toEqual([first, head()].sort())
})

test('while nothing has changed it starts no process, and a ref that went missing is a change', async () => {
  const made = commit('a')
  await keep()
  await keep()
  const bin = join(yard.home.path, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'git'), '#!/bin/sh\necho "no git now" >&2\nexit 1\n')
  chmodSync(join(bin, 'git'), 0o755)
  const path = process.env.PATH
  process.env.PATH = `${bin}:${path}`
  try {
    expect(await keep()).toEqual([made])
    process.env.PATH = path
    yard.git('update-ref', '-d', `${keepPrefix('agent')}${made}`)
    await keep()
    expect(refs()).toEqual([made])
  } finally {
    process.env.PATH = path
  }
})

test('an idle look costs well under a millisecond', async () => {
  commit('a')
  await keep()
  await keep()
  const started = performance.now()
  for (let round = 0; round < 200; round++) await keep()
  expect((performance.now() - started) / 200).toBeLessThan(5)
})

test('a reflog that names commits which are gone keeps the others', async () => {
  commit('gone')
  agent('commit', '--quiet', '--amend', '--message', 'Amended')
  const made = head()
  const [, gone] = agent('log', '-g', '--format=%H', 'HEAD').split('\n')
  rmSync(join(yard.repo, '.git', 'objects', gone?.slice(0, 2) ?? '', gone?.slice(2) ?? ''))
  await keep()
  expect(refs()).toEqual([made])
})

test('of a worktree whose folder is gone the record still tells what was made there', async () => {
  commit('a')
  agent('commit', '--quiet', '--amend', '--message', 'Amended')
  const made = agent('log', '-g', '--format=%H', '-2', 'HEAD').split('\n').sort()
  rmSync(tree, { recursive: true })
  expect(await keep()).toEqual([])
  const kept = await keepFromRecord(yard.project, 'agent', join(yard.repo, '.git', 'worktrees', 'builder-1'), base)
  expect(kept.sort()).toEqual(made)
  expect(refs()).toEqual(made)
})

test('two that keep for the same agent at once both succeed', async () => {
  commit('a')
  await keep()
  const made = commit('b')
  const other = { ...yard.project }
  await Promise.all([keep(), keepCommits(other, 'agent', tree, base), keepCommits({ ...other }, 'agent', tree, base)])
  expect(refs()).toContain(made)
})
