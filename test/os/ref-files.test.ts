import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { branchesUnder, commitOf, gitAt } from '../../src/os/git.ts'
import { commonDirAt } from '../../src/os/git-folder.ts'
import { refFilesIn } from '../../src/os/ref-files.ts'
import { guessCanonicalBranch } from '../../src/project.ts'
import { git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
beforeEach(() => {
  home = makeHome()
  repo = makeRepo(home)
})
afterEach(() => home.dispose())

const files = () => {
  const found = refFilesIn(commonDirAt(repo))
  if (found === null) throw new Error('no refs in files')
  return found
}
/** All refs by git: their names and commits. */
const byGit = () =>
  git(home, repo, 'for-each-ref', '--format=%(refname) %(objectname)')
    .split('\n')
    .map((line) => line.split(' ', 2) as [string, string])

test('refs read from files are those that git names: loose, packed, both, deleted, and names of others', () => {
  for (const name of ['a', 'a-b', 'deep/er/x', 'ov/run-1/builder-1', 'ov/run-10/builder-1'])
    git(home, repo, 'branch', name)
  git(home, repo, 'update-ref', 'refs/remotes/origin/main', 'HEAD')
  git(home, repo, 'pack-refs', '--all')
  git(home, repo, 'commit', '--quiet', '--allow-empty', '--message', 'Second')
  git(home, repo, 'branch', '--force', 'a', 'HEAD')
  git(home, repo, 'branch', '-D', 'a-b')
  git(home, repo, 'branch', 'ov/run-1/late')
  git(home, repo, 'symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/main')
  for (const [name, sha] of byGit()) expect(files().read(name), name).toBe(sha)
  expect(files().read('refs/heads/a-b')).toBeNull()
  expect(files().read('refs/heads/deep')).toBeNull()
  expect(files().read('refs/heads/deep/er/x/y')).toBeNull()
  expect(files().symbolic('refs/remotes/origin/HEAD')).toBe('refs/remotes/origin/main')
  expect(files().symbolic('refs/heads/a')).toBeNull()
  const under = byGit()
    .map(([name]) => name)
    .filter((name) => name.startsWith('refs/heads/ov/run-1/'))
  expect(files().under('refs/heads/ov/run-1')).toEqual(under)
  expect(files().under('refs/heads/a')).toEqual(['refs/heads/a'])
  expect(files().under('refs/heads/none')).toEqual([])
})

test('what is not plain to see is left to git', () => {
  writeFileSync(join(repo, '.git', 'refs', 'heads', 'odd'), 'nonsense\n')
  writeFileSync(join(repo, 'secret'), `${'a'.repeat(40)}\n`)
  expect(files().read('refs/heads/odd')).toBeUndefined()
  for (const name of ['refs/heads/../../../secret', 'HEAD', 'refs/heads/ä', 'refs//heads', 'refs/heads/x.lock'])
    expect(files().read(name), name).toBeUndefined()
  git(home, repo, 'symbolic-ref', 'refs/heads/loop', 'refs/heads/loop')
  expect(files().read('refs/heads/loop')).toBeUndefined()
  mkdirSync(join(repo, '.git', 'reftable'))
  expect(refFilesIn(commonDirAt(repo))).toBeNull()
})

test('the same answers come from files as from git', async () => {
  const host = gitAt(repo)
  const asked = { ...host, refs: null }
  git(home, repo, 'branch', 'ov/run-1/x')
  for (const name of ['refs/heads/main', 'refs/heads/ov/run-1/x', 'refs/heads/none'])
    expect(await commitOf(host, name)).toBe(await commitOf(asked, name))
  expect(await branchesUnder(host, 'ov')).toEqual(await branchesUnder(asked, 'ov'))
  expect(await guessCanonicalBranch(host)).toBe(await guessCanonicalBranch(asked))
})
