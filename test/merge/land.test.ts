import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { write } from '../../src/db/open.ts'
import { behindTrain } from '../../src/merge/behind.ts'
import { landTrain, mendLandings } from '../../src/merge/land.ts'
import { landWaiting } from '../../src/merge/queue.ts'
import { beginLanding } from '../../src/merge/store.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { type Act, lockIndex } from '../../src/os/checkout.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { git } from '../rig/sandbox-home.ts'
import { type Files, makeYard, type Yard, type YardOptions } from '../rig/train-yard.ts'

let yard: Yard
afterEach(() => yard.dispose())

/** A yard whose train holds one merged branch that has not landed. */
async function unlanded(files: Files, options: YardOptions = {}): Promise<{ from: string; to: string }> {
  yard = await makeYard(options)
  await yard.queue('one', files)
  const from = yard.git('rev-parse', 'main')
  await driveTrain(yard.project, { land: false })
  return { from, to: yard.git('rev-parse', 'refs/ov/train/main') }
}

test('with --no-land nothing of the checkout moves, and how far it is behind is known', async () => {
  const { from } = await unlanded({ a: '' })
  expect(yard.git('rev-parse', 'main')).toBe(from)
  expect(existsSync(join(yard.repo, 'a'))).toBe(false)
  expect(await behindTrain(yard.project)).toMatchObject({ commits: 2, changedFiles: 0, diverged: false, blocked: null })
})

test.each([
  ['changed', () => yard.human({ 'README.md': 'changed\n' })],
  [
    'staged',
    () => {
      yard.human({ 'README.md': 'changed\n' })
      yard.git('add', 'README.md')
    },
  ],
  ['deleted', () => rmSync(join(yard.repo, 'README.md'))],
  ['made executable', () => chmodSync(join(yard.repo, 'README.md'), 0o755)],
])('a checkout with a tracked file %s is left alone to the byte', async (_how, change) => {
  await unlanded({ a: 'a\n' })
  change()
  const before = snapshot(yard.repo)
  expect(await landTrain(yard.project)).toMatchObject({ landed: false, why: 'dirty', behind: 2 })
  expect(snapshot(yard.repo)).toEqual(before)
  expect((await behindTrain(yard.project)).changedFiles).toBe(1)
})

test('a file that only looks changed, by its time, does not keep it from landing', async () => {
  const { to } = await unlanded({ a: 'a\n' })
  yard.human({ 'README.md': yard.read('README.md') })
  expect(await landTrain(yard.project)).toMatchObject({ landed: true, commit: to })
})

test('untracked files, the stash and ignored files are as they were after landing', async () => {
  const { to } = await unlanded({ 'src/a': 'a\n', 'gone/x': 'x\n' }, { files: { '.gitignore': '*.log\n' } })
  yard.human({ 'README.md': 'stashed\n' })
  yard.git('stash')
  yard.human({ 'notes.txt': 'notes\n', 'src/mine': 'mine\n', 'debug.log': 'log\n' })
  const stash = yard.git('rev-parse', 'refs/stash')
  expect(await landTrain(yard.project)).toMatchObject({ landed: true, commit: to })
  expect([yard.read('notes.txt'), yard.read('src/mine'), yard.read('debug.log')]).toEqual([
    'notes\n',
    'mine\n',
    'log\n',
  ])
  expect(yard.git('rev-parse', 'refs/stash')).toBe(stash)
  expect(yard.git('stash', 'list').split('\n')).toHaveLength(1)
})

test.each([
  ['an untracked file', { a: 'merged\n' }, { a: 'mine\n' }, 'a'],
  ['an ignored file', { '.env': 'merged\n' }, { '.env': 'mine\n' }, '.env'],
  ['an untracked file where a folder is to be', { 'd/x': 'merged\n' }, { d: 'mine\n' }, 'd'],
  ['untracked files in a folder where a file is to be', { d: 'merged\n' }, { 'd/x': 'mine\n' }, 'd/x'],
  [
    'an ignored file in a folder that becomes a file',
    { 'old/x': null, old: 'merged\n' },
    { 'old/y.log': 'mine\n' },
    'old/y.log',
  ],
])('%s in the way is named and stays', async (_what, merged: Files, mine: Files, named) => {
  await unlanded(merged, { files: { '.gitignore': '.env\n*.log\n', 'old/x': 'x\n' } })
  yard.human(mine)
  const before = snapshot(yard.repo)
  const landing = await landTrain(yard.project)
  expect(landing).toMatchObject({ landed: false, why: 'untracked' })
  expect(landing.landed ? '' : landing.detail).toContain(`${named} is in the way`)
  expect(snapshot(yard.repo)).toEqual(before)
})

test('an untracked link out of the checkout is never written through', async () => {
  await unlanded({ 'd/x': 'merged\n' })
  symlinkSync(yard.home.path, join(yard.repo, 'd'))
  expect(await landTrain(yard.project)).toMatchObject({ landed: false, why: 'untracked' })
  expect(existsSync(join(yard.home.path, 'x'))).toBe(false)
})

test('files, folders, links and modes change kind as merged', async () => {
  await unlanded(
    { 'was-file': null, 'was-file/x': 'x\n', 'was-folder/x': null, 'was-folder': 'y\n' },
    { files: { 'was-file': 'f\n', 'was-folder/x': 'x\n' } },
  )
  expect(await landTrain(yard.project)).toMatchObject({ landed: true })
  expect([yard.read('was-file/x'), yard.read('was-folder')]).toEqual(['x\n', 'y\n'])
  expect(yard.git('status', '--porcelain')).toBe('')
})

test('what the human is in the middle of is not disturbed', async () => {
  await unlanded({ a: '' }, { files: { f: 'base\n' } })
  yard.git('switch', '--quiet', '--create', 'other')
  yard.human({ f: 'other\n' }, 'Other')
  yard.git('switch', '--quiet', 'main')
  yard.human({ f: 'main\n' }, 'Main')
  expect(() => yard.git('merge', 'other')).toThrow()
  await yard.queue('two', { b: '' })
  const report = await driveTrain(yard.project)
  expect(report.landing).toMatchObject({ landed: false, why: 'in-progress' })
  expect(existsSync(join(yard.repo, '.git', 'MERGE_HEAD'))).toBe(true)
  yard.git('merge', '--abort')
  expect(await landTrain(yard.project)).toMatchObject({ landed: true })
})

test('a branch that is being rebased is not moved beneath the rebase', async () => {
  await unlanded({ a: '' }, { files: { f: 'base\n' } })
  yard.git('branch', 'upstream')
  yard.human({ f: 'main\n' }, 'Main')
  yard.git('switch', '--quiet', 'upstream')
  yard.human({ f: 'upstream\n' }, 'Upstream')
  yard.git('switch', '--quiet', 'main')
  expect(() => yard.git('rebase', 'upstream')).toThrow()
  const main = yard.git('rev-parse', 'main')
  await yard.queue('two', { b: '' })
  const report = await driveTrain(yard.project)
  expect(report.merged).toHaveLength(1)
  expect(report.landing).toMatchObject({ landed: false, why: 'in-progress' })
  expect(yard.git('rev-parse', 'main')).toBe(main)
  yard.git('rebase', '--abort')
})

test('a detached HEAD looks at no branch, so the branch itself moves and the checkout stays', async () => {
  yard = await makeYard()
  yard.git('switch', '--quiet', '--detach')
  const head = yard.git('rev-parse', 'HEAD')
  await yard.queue('one', { a: '' })
  const report = await driveTrain(yard.project)
  expect(yard.git('rev-parse', 'main')).toBe(report.merged[0]?.mergedAs)
  expect(yard.git('rev-parse', 'HEAD')).toBe(head)
  expect(existsSync(join(yard.repo, 'a'))).toBe(false)
  expect(yard.git('status', '--porcelain')).toBe('')
})

test('in a bare repository the branch itself moves', async () => {
  yard = await makeYard({
    arrange: (home, repo) => {
      git(home, home.path, 'clone', '--quiet', '--bare', repo, join(home.path, 'bare.git'))
      return join(home.path, 'bare.git')
    },
  })
  await yard.queue('one', { a: '' })
  const report = await driveTrain(yard.project)
  expect(report.merged).toHaveLength(1)
  expect(yard.git('rev-parse', 'main')).toBe(report.merged[0]?.mergedAs)
  expect(yard.git('for-each-ref', 'refs/ov/train')).toBe('')
})

test('canonical branch checked out in another worktree: that one is brought along', async () => {
  yard = await makeYard()
  yard.git('switch', '--quiet', '--create', 'mine')
  const other = join(yard.home.path, 'other tree')
  yard.git('worktree', 'add', '--quiet', other, 'main')
  await yard.queue('one', { a: 'a\n' })
  const report = await driveTrain(yard.project)
  expect(report.landing).toMatchObject({ landed: true })
  expect(readFileSync(join(other, 'a'), 'utf8')).toBe('a\n')
  expect(git(yard.home, other, 'status', '--porcelain')).toBe('')
  expect(existsSync(join(yard.repo, 'a'))).toBe(false)
})

test('a worktree whose folder is gone holds nothing', async () => {
  yard = await makeYard()
  yard.git('switch', '--quiet', '--create', 'mine')
  const other = join(yard.home.path, 'other')
  yard.git('worktree', 'add', '--quiet', other, 'main')
  rmSync(other, { recursive: true })
  await yard.queue('one', { a: '' })
  const report = await driveTrain(yard.project)
  expect(yard.git('rev-parse', 'main')).toBe(report.merged[0]?.mergedAs)
})

test('a canonical branch that is missing is said, with what to do', async () => {
  yard = await makeYard({ config: 'project: { canonicalBranch: trunk }\n' })
  await yard.queue('one', { a: '' })
  await expect(driveTrain(yard.project)).rejects.toMatchObject({ code: 'project.no-branch' })
})

test('what was merged while nobody looked lands in the checkout that looks now', async () => {
  yard = await makeYard()
  await yard.queue('one', { a: 'a\n' })
  await driveTrain(yard.project, { land: false })
  yard.git('switch', '--quiet', '--detach')
  expect(await landTrain(yard.project)).toMatchObject({ landed: true })
  expect(yard.git('rev-parse', 'main')).toBe(yard.git('rev-parse', 'refs/ov/train/main'))
})

test('after the human’s commit, landing rebuilds first', async () => {
  await unlanded({ a: '' })
  yard.human({ mine: '' }, 'Human')
  expect(await behindTrain(yard.project)).toMatchObject({ diverged: true })
  expect((await landWaiting(yard.project)).landing).toMatchObject({ landed: true })
  expect(existsSync(join(yard.repo, 'a'))).toBe(true)
  expect(await behindTrain(yard.project)).toMatchObject({ commits: 0 })
})

test('the human’s index lock is never removed', async () => {
  await unlanded({ a: '' })
  const lock = join(yard.repo, '.git', 'index.lock')
  writeFileSync(lock, '')
  expect(await landTrain(yard.project)).toMatchObject({ landed: false, why: 'in-progress' })
  expect(existsSync(lock)).toBe(true)
  rmSync(lock)
  expect(await landTrain(yard.project)).toMatchObject({ landed: true })
})

test('two landings at once: one lands, the other finds nothing left or says who is at it', async () => {
  const { to } = await unlanded({ a: '' })
  const landings = await Promise.all([landTrain(yard.project), landTrain(yard.project), landTrain(yard.project)])
  expect(landings.filter((landing) => landing.landed)).toHaveLength(1)
  for (const landing of landings) if (!landing.landed) expect(['up-to-date', 'busy']).toContain(landing.why)
  expect(yard.git('rev-parse', 'main')).toBe(to)
  expect(yard.git('status', '--porcelain')).toBe('')
})

test('a git that runs a hook, a monitor or a filter of the repository while landing does not exist', async () => {
  await unlanded({ a: '' })
  const ran = join(yard.home.path, 'ran')
  for (const hook of ['post-merge', 'post-checkout', 'post-index-change', 'reference-transaction', 'pre-commit']) {
    writeFileSync(join(yard.repo, '.git', 'hooks', hook), `#!/bin/sh\necho ${hook} >> ${ran}\n`)
    chmodSync(join(yard.repo, '.git', 'hooks', hook), 0o755)
  }
  expect(await landTrain(yard.project)).toMatchObject({ landed: true })
  expect(existsSync(ran)).toBe(false)
})

/** A landing whose process is gone, of which this much had happened. */
async function killedLanding(from: string, to: string): Promise<Act> {
  const dead = { ...ownIdentity(), pid: 2 ** 22 + 1, start: '1' }
  const entry = await write(yard.project.db, (tx) =>
    beginLanding(tx, { branch: 'main', checkout: '.', from_sha: from, to_sha: to }, dead, yard.project.clock.now()),
  )
  const act = { git: yard.project.git, folder: yard.repo, gitDir: join(yard.repo, '.git'), id: entry.id }
  expect(lockIndex(act)).toBe(true)
  return act
}

/** What the checkout holds when all is well. */
function expectLanded(to: string): void {
  expect(yard.git('rev-parse', 'main')).toBe(to)
  expect(yard.git('status', '--porcelain', '--untracked-files=no')).toBe('')
  expect(
    readdirSync(join(yard.repo, '.git')).filter((name) => name.startsWith('ov-') || name.endsWith('.lock')),
  ).toEqual([])
}

const MERGED: Files = {
  'changed.txt': 'new and long\n',
  'added/a.txt': 'added\n',
  'removed.txt': null,
  'other.txt': 'new\n',
}
const BASE: Files = { 'changed.txt': 'old\n', 'removed.txt': 'removed\n', 'other.txt': 'old\n', 'apart.txt': 'apart\n' }

test.each([
  ['before it touched anything', () => undefined],
  ['with some files written', () => yard.human({ 'changed.txt': 'new and long\n', 'added/a.txt': 'added\n' })],
  ['in the middle of a file', () => yard.human({ 'changed.txt': 'new a', 'added/a.txt': '' })],
  ['with files removed', () => yard.human({ 'removed.txt': null, 'other.txt': null })],
  ['with all files written', () => yard.human(MERGED)],
  ['with the index written', (to: string) => yard.git('read-tree', '-m', '-u', 'HEAD', to)],
  [
    'with the branch moved',
    (to: string) => {
      yard.git('read-tree', '-m', '-u', 'HEAD', to)
      yard.git('update-ref', 'refs/heads/main', to)
    },
  ],
])('a landing killed %s is finished by the next', async (_when, happened) => {
  const { from, to } = await unlanded(MERGED, { files: BASE })
  await killedLanding(from, to)
  rmSync(join(yard.repo, '.git', 'index.lock'))
  happened(to)
  await putLock(from)
  yard.human({ 'notes.txt': 'mine\n' })
  await landTrain(yard.project)
  expectLanded(to)
  expect(yard.read('notes.txt')).toBe('mine\n')
})

/** Puts back the lock that the test's own git had to be without. */
async function putLock(_from: string): Promise<void> {
  const [entry] = await yard.project.db.selectFrom('landings').selectAll().where('state', '=', 'landing').execute()
  lockIndex({ git: yard.project.git, folder: yard.repo, gitDir: join(yard.repo, '.git'), id: entry?.id ?? '' })
}

test('of a killed landing only what it wrote is taken back; what the human did since stays', async () => {
  const { from, to } = await unlanded(MERGED, { files: BASE })
  await killedLanding(from, to)
  yard.human({
    'other.txt': 'new\n',
    'changed.txt': 'mine, not the start of anything\n',
    'apart.txt': 'mine too\n',
    'added/a.txt': 'my own file\n',
  })
  const landing = await landTrain(yard.project)
  expect(landing).toMatchObject({ landed: false, why: 'dirty' })
  expect(yard.read('other.txt')).toBe('old\n')
  expect([yard.read('changed.txt'), yard.read('apart.txt'), yard.read('added/a.txt')]).toEqual([
    'mine, not the start of anything\n',
    'mine too\n',
    'my own file\n',
  ])
  expect(yard.git('rev-parse', 'main')).toBe(from)
  expect(existsSync(join(yard.repo, '.git', 'index.lock'))).toBe(false)
})

test('what a killed landing left is mended by whoever looks after the fleet, so that the human’s git works again', async () => {
  const { from, to } = await unlanded(MERGED, { files: BASE })
  await killedLanding(from, to)
  yard.human({ 'changed.txt': 'new and long\n' })
  await mendLandings(yard.project)
  expect(yard.git('status', '--porcelain')).toBe('')
  yard.human({ mine: '' }, 'The lock is gone')
  expect(yard.git('rev-parse', 'main^')).toBe(from)
})

test('when the disk is full in the middle of landing, the files are as before and the merge still waits', async () => {
  const { from, to } = await unlanded(MERGED, { files: BASE })
  const bin = join(yard.home.path, 'bin')
  mkdirSync(bin)
  const real = execFileSync('/bin/sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim()
  const full = `case "$*" in *"read-tree -m -u"*) printf 'new and' > changed.txt; mkdir -p added; printf 'added\\n' > added/a.txt; rm -f removed.txt
    echo 'error: unable to write file other.txt: No space left on device' >&2; exit 128;; esac`
  writeFileSync(join(bin, 'git'), `#!/bin/sh\n${full}\nexec '${real}' "$@"\n`, { mode: 0o755 })
  const project = { ...yard.project, git: yard.project.git.with({ PATH: `${bin}:${process.env.PATH}` }) }
  const landing = await landTrain(project)
  expect(landing).toMatchObject({ landed: false, why: 'refused', behind: 2 })
  expect(landing.landed ? '' : landing.detail).toContain('The disk is full')
  expect(yard.git('status', '--porcelain')).toBe('')
  expect(yard.git('rev-parse', 'main')).toBe(from)
  expect(await landTrain(yard.project)).toMatchObject({ landed: true, commit: to })
  expectLanded(to)
})

test('a landing whose process lives is left to it', async () => {
  const { from, to } = await unlanded({ a: '' })
  const sleeper = execFileSync('/bin/sh', ['-c', 'sleep 60 >/dev/null 2>&1 & echo $!'], { encoding: 'utf8' }).trim()
  try {
    const start = readFileSync(`/proc/${sleeper}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? ''
    await write(yard.project.db, (tx) =>
      beginLanding(
        tx,
        { branch: 'main', checkout: '.', from_sha: from, to_sha: to },
        { ...ownIdentity(), pid: Number(sleeper), start },
        0,
      ),
    )
    expect(await landTrain(yard.project)).toMatchObject({ landed: false, why: 'busy' })
  } finally {
    process.kill(Number(sleeper), 'SIGKILL')
  }
  expect(await landTrain(yard.project)).toMatchObject({ landed: true })
})

/** Everything in a checkout, its index included, as it lies there. */
function snapshot(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !/^\.(git\/(objects|ov-|logs|refs\/ov)|overstory)/.test(path))
    .sort()
    .map((path) => {
      const info = lstatSync(join(folder, path))
      if (info.isSymbolicLink()) return `${path} -> ${readlinkSync(join(folder, path))}`
      return info.isFile() ? `${path} ${info.mode} ${readFileSync(join(folder, path), 'base64')}` : `${path}/`
    })
}
