import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { driveTrain } from '../../src/merge/train.ts'
import { findProgram } from '../../src/os/files.ts'
import {
  addWorktree,
  changedOutside,
  commitAll,
  commitOf,
  commitTree,
  GitFailure,
  gitAt,
  mergeTree,
  removeWorktree,
  trackedChanges,
  uncommitted,
} from '../../src/os/git.ts'
import { readRefs, swapRefs } from '../../src/os/refs.ts'
import { keepCommits } from '../../src/worktrees/keep.ts'
import { gitIn, prepareWorktree, worktreePath } from '../../src/worktrees/prepare.ts'
import { git } from '../rig/sandbox-home.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

let yard: Yard
let ran: string
beforeEach(async () => {
  yard = await makeYard({ config: `project: { qualityGates: [{ name: t, command: 'true' }] }\n` })
  ran = join(yard.home.path, 'ran')
})
afterEach(() => yard.dispose())

/** A program that tells that it ran. */
function trap(name: string): string {
  const path = join(yard.home.path, `trap-${name}`)
  writeFileSync(path, `#!/bin/sh\necho ${name} "$@" >> '${ran}'\ncat\n`)
  chmodSync(path, 0o755)
  return path
}

/** A folder with a `git` that does this. */
function fakeGit(script: string): string {
  const bin = join(yard.home.path, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'git'), `#!/bin/sh\n${script}\n`)
  chmodSync(join(bin, 'git'), 0o755)
  return bin
}

const whatRan = () => (existsSync(ran) ? readFileSync(ran, 'utf8') : '')

const HOOKS = [
  'applypatch-msg',
  'commit-msg',
  'fsmonitor-watchman',
  'post-applypatch',
  'post-checkout',
  'post-commit',
  'post-index-change',
  'post-merge',
  'post-rewrite',
  'pre-applypatch',
  'pre-auto-gc',
  'pre-commit',
  'pre-merge-commit',
  'pre-push',
  'pre-rebase',
  'prepare-commit-msg',
  'reference-transaction',
  'sendemail-validate',
]

/** Everything a repository's configuration can name to be run by the commands we use, set to a trap. */
function mine(gitDir: string): void {
  const set = (key: string, value: string) =>
    git(yard.home, yard.repo, 'config', '--file', join(gitDir, 'config'), key, value)
  const hooks = join(yard.home.path, 'hooks')
  mkdirSync(hooks, { recursive: true })
  mkdirSync(join(gitDir, 'hooks'), { recursive: true })
  for (const hook of HOOKS) {
    for (const folder of [hooks, join(gitDir, 'hooks')]) {
      writeFileSync(join(folder, hook), `#!/bin/sh\necho hook ${hook} >> '${ran}'\n`)
      chmodSync(join(folder, hook), 0o755)
    }
  }
  set('core.hooksPath', hooks)
  set('core.fsmonitor', trap('fsmonitor'))
  for (const command of [
    'status',
    'add',
    'commit',
    'worktree',
    'merge-tree',
    'commit-tree',
    'update-ref',
    'read-tree',
    'log',
    'for-each-ref',
  ])
    set(`alias.${command}`, `!${trap(`alias-${command}`)}`)
  set('core.pager', trap('pager'))
  set('core.editor', trap('editor'))
  set('core.askPass', trap('askpass'))
  set('core.sshCommand', trap('ssh'))
  set('commit.gpgSign', 'true')
  set('gpg.program', trap('gpg'))
  set('log.showSignature', 'true')
  set('merge.verifySignatures', 'true')
  set('diff.external', trap('diff'))
  set('gc.auto', '1')
  set('maintenance.auto', 'true')
  set('submodule.recurse', 'true')
}

const AGENT = { branch: 'ov/run-1/builder-1', base: 'refs/heads/main', resumed: false }

test('nothing the repository’s configuration or hooks name runs in a whole merge, with worktree, gate and landing', async () => {
  const { project, repo } = yard
  mine(join(repo, '.git'))
  const path = worktreePath(project, 'builder-1')
  await prepareWorktree(project, { ...AGENT, path })
  writeFileSync(join(path, 'work'), 'work\n')
  expect(await uncommitted(gitIn(project, path))).toEqual(['?? work'])
  const head = await commitAll(gitIn(project, path), 'Work')
  await keepCommits(project, 'agent', path, null)
  rmSync(ran, { force: true })
  const entry = await yard.queue('one', { a: '' })
  rmSync(ran, { force: true })
  const report = await driveTrain(project)
  expect(report).toMatchObject({ merged: [{}], landing: { landed: true } })
  expect(await trackedChanges(project.git)).toEqual([])
  expect(await changedOutside(project.git, 'main~1', 'main', [])).toEqual(['a'])
  expect(await commitOf(project.git, 'main^2')).toBe(entry.head_sha)
  expect(head).toMatch(/^[0-9a-f]{40}$/)
  expect(whatRan()).toBe('')
})

test('the traps are real: the same commands without the guard do run them', () => {
  mine(join(yard.repo, '.git'))
  yard.human({ 'README.md': 'x\n' })
  git(yard.home, yard.repo, 'status')
  expect(whatRan()).toContain('fsmonitor')
})

test('a worktree whose .git an agent replaced by a repository of its own is still asked by the real one', async () => {
  const { project } = yard
  const path = worktreePath(project, 'builder-1')
  await prepareWorktree(project, { ...AGENT, path })
  renameSync(join(path, '.git'), join(path, 'was'))
  git(yard.home, path, 'init', '--quiet')
  mine(join(path, '.git'))
  git(yard.home, path, 'config', '--file', join(path, '.git', 'config'), 'filter.evil.clean', trap('filter'))
  writeFileSync(join(path, '.gitattributes'), '* filter=evil\n')
  writeFileSync(join(path, 'work'), 'work\n')
  rmSync(join(path, 'was'))
  rmSync(ran, { force: true })
  expect(await uncommitted(gitIn(project, path))).toContain('?? work')
  const head = await commitAll(gitIn(project, path), 'Work')
  await keepCommits(project, 'agent', path, null)
  expect(whatRan()).toBe('')
  expect(yard.git('rev-parse', 'ov/run-1/builder-1')).toBe(head)
  expect(yard.git('rev-parse', `refs/ov/keep/agent/${head}`)).toBe(head)
})

test('a worktree’s admin folder that names another common folder is not believed', async () => {
  const { project } = yard
  const path = worktreePath(project, 'builder-1')
  await prepareWorktree(project, { ...AGENT, path })
  const evil = join(yard.home.path, 'evil')
  git(yard.home, yard.home.path, 'clone', '--quiet', '--bare', yard.repo, evil)
  mine(evil)
  rmSync(ran, { force: true })
  writeFileSync(join(yard.repo, '.git', 'worktrees', 'builder-1', 'commondir'), `${evil}\n`)
  writeFileSync(join(path, 'work'), 'work\n')
  expect(await uncommitted(gitIn(project, path))).toEqual(['?? work'])
  await commitAll(gitIn(project, path), 'Work')
  expect(whatRan()).toBe('')
})

test('a worktree is removed without asking what its admin folder names', async () => {
  const { project } = yard
  const path = worktreePath(project, 'builder-1')
  await prepareWorktree(project, { ...AGENT, path })
  const evil = join(yard.home.path, 'evil')
  git(yard.home, yard.home.path, 'clone', '--quiet', '--bare', yard.repo, evil)
  git(yard.home, yard.repo, 'config', '--file', join(evil, 'config'), 'filter.evil.clean', trap('filter'))
  writeFileSync(join(evil, 'info', 'attributes'), '* filter=evil\n')
  writeFileSync(join(yard.repo, '.git', 'worktrees', 'builder-1', 'commondir'), `${evil}\n`)
  // Of the same length: git has to look into it.
  writeFileSync(join(path, 'README.md'), '# Fox\n')
  await expect(removeWorktree(project.git, path)).rejects.toBeInstanceOf(GitFailure)
  expect(whatRan()).toBe('')
  expect(existsSync(path)).toBe(true)
})

test.each(['as a submodule', 'untracked'])(
  'a repository inside a worktree, %s, runs nothing of its own',
  async (how) => {
    const { project } = yard
    const path = worktreePath(project, 'builder-1')
    await prepareWorktree(project, { ...AGENT, path })
    const inner = join(path, 'inner')
    mkdirSync(inner)
    git(yard.home, inner, 'init', '--quiet')
    writeFileSync(join(inner, 'f'), 'f\n')
    git(yard.home, inner, 'add', 'f')
    git(yard.home, inner, 'commit', '--quiet', '--message', 'Inner')
    if (how === 'as a submodule') {
      git(yard.home, path, 'add', 'inner')
      git(yard.home, path, 'commit', '--quiet', '--message', 'Gitlink')
    }
    mine(join(inner, '.git'))
    git(yard.home, yard.repo, 'config', '--file', join(inner, '.git', 'config'), 'filter.evil.clean', trap('filter'))
    writeFileSync(join(inner, '.gitattributes'), '* filter=evil\n')
    // Of the same length: git has to look into it, by the filter.
    writeFileSync(join(inner, 'f'), 'g\n')
    writeFileSync(join(path, 'work'), 'work\n')
    rmSync(ran, { force: true })
    const own = gitIn(project, path)
    expect((await uncommitted(own)).join('\n')).toContain('work')
    expect(whatRan()).toBe('')
    await commitAll(own, 'Work')
    expect(whatRan()).toBe('')
    await trackedChanges(own)
    await keepCommits(project, 'agent', path, null)
    expect(whatRan()).toBe('')
  },
)

test('a command that prints nothing takes no longer than one that does', async () => {
  const head = yard.git('rev-parse', 'HEAD')
  const time = async (work: () => Promise<unknown>) => {
    const started = performance.now()
    for (let round = 0; round < 5; round++) await work()
    return performance.now() - started
  }
  const loud = await time(() => yard.project.git.raw('rev-parse', 'HEAD'))
  const silent = await time(() => yard.project.git.raw('merge-base', '--is-ancestor', head, head))
  expect(silent - loud).toBeLessThan(5 * 40)
})

test('a git that is killed gives no answer, not an empty one', async () => {
  const killed = gitAt(yard.repo, { PATH: `${fakeGit('echo partial; kill -9 $$')}:${process.env.PATH}` })
  await expect(killed.raw('status')).rejects.toBeInstanceOf(GitFailure)
})

test('a title that looks like an option is a title', async () => {
  const { git: host } = yard.project
  const tree = yard.git('rev-parse', 'main^{tree}')
  for (const title of ['--upload-pack=x', '-c core.pager=x', '-m', '--'])
    expect(yard.git('log', '-1', '--format=%s', await commitTree(host, tree, [], `${title}\n`))).toBe(title)
})

test('refs move all or none, and only from the values they are expected to have', async () => {
  const { git: host } = yard.project
  const first = yard.git('rev-parse', 'HEAD~1')
  const head = yard.git('rev-parse', 'HEAD')
  const names = () => yard.git('for-each-ref', '--format=%(refname) %(objectname)', 'refs/x')
  expect(await swapRefs(host, [{ ref: 'refs/x/a', from: null, to: first }], 'test')).toBe(true)
  expect(await swapRefs(host, [{ ref: 'refs/x/a', from: null, to: head }], 'test')).toBe(false)
  const both = [
    { ref: 'refs/x/b', from: null, to: head },
    { ref: 'refs/x/a', from: head, to: first },
  ]
  expect(await swapRefs(host, both, 'test')).toBe(false)
  expect(names()).toBe(`refs/x/a ${first}`)
  expect(
    await swapRefs(
      host,
      [
        { ref: 'refs/x/none', from: null, to: null },
        { ref: 'refs/x/a', from: first, to: head },
      ],
      'test',
    ),
  ).toBe(true)
  expect(
    await swapRefs(
      host,
      [
        { ref: 'refs/x/none', from: head, to: head },
        { ref: 'refs/x/a', from: head, to: first },
      ],
      'test',
    ),
  ).toBe(false)
  expect(names()).toBe(`refs/x/a ${head}`)
})

test('a lock that a killed git of ours left on a ref is removed, one that may be another’s is not', async () => {
  const { git: host } = yard.project
  const [head, first] = [yard.git('rev-parse', 'HEAD'), yard.git('rev-parse', 'HEAD~1')]
  const recorded = yard.git('commit-tree', `${head}^{tree}`, '-m', 'Meant by a process that was killed')
  const locks = {
    'refs/x/empty': '',
    'refs/x/same': first,
    'refs/x/recorded': recorded,
    'refs/ov/own': yard.git('commit-tree', `${head}^{tree}`, '-m', 'Not recorded'),
    'refs/x/theirs': head,
  }
  for (const [ref, content] of Object.entries(locks)) {
    yard.git('update-ref', ref, head)
    writeFileSync(join(yard.repo, '.git', `${ref}.lock`), content)
  }
  const swap = (ref: string) => swapRefs(host, [{ ref, from: head, to: first }], 'test', async () => [recorded])
  for (const ref of ['refs/x/same', 'refs/x/recorded', 'refs/ov/own', 'refs/x/empty'])
    expect(await swap(ref)).toBe(true)
  await expect(swap('refs/x/theirs')).rejects.toBeInstanceOf(GitFailure)
  expect(existsSync(join(yard.repo, '.git', 'refs', 'x', 'theirs.lock'))).toBe(true)
})

test('refs are read in one call, with tree and checkout; what is missing is missing', async () => {
  const refs = await readRefs(yard.project.git, 'refs/heads/main', 'refs/heads/none')
  expect([...refs.keys()]).toEqual(['refs/heads/main'])
  expect(refs.get('refs/heads/main')).toEqual({
    sha: yard.git('rev-parse', 'main'),
    tree: yard.git('rev-parse', 'main^{tree}'),
    checkout: yard.repo,
  })
})

test('a conflict names its files and says why, in one line for each', async () => {
  const one = await yard.queue('one', { f: 'one\n', 'new': 'one\n' })
  const two = await yard.queue('two', { f: 'two\n', 'new': 'two\n' })
  const merged = await mergeTree(yard.project.git, one.head_sha, two.head_sha)
  expect(merged).toEqual({
    clean: false,
    files: ['f', 'new'],
    messages: 'CONFLICT (add/add): Merge conflict in f\nCONFLICT (add/add): Merge conflict in new',
  })
})

test('on a machine without an identity commits are made as ov, and as far as one is known in its name', async () => {
  writeFileSync(join(yard.home.env.HOME ?? '', '.gitconfig'), '[user]\n\tname = Only A Name\n')
  const commit = await commitTree(yard.project.git, yard.git('rev-parse', 'main^{tree}'), [], 'Commit')
  expect(yard.git('log', '-1', '--format=%an <%ae> %cn <%ce>', commit)).toBe(
    'Only A Name <ov@localhost> Only A Name <ov@localhost>',
  )
})

test('a full disk is said as that', async () => {
  const message = 'fatal: unable to write loose object file: No space left on device'
  const full = gitAt(yard.repo, { PATH: `${fakeGit(`echo '${message}' >&2; exit 128`)}:${process.env.PATH}` })
  await expect(full.raw('status')).rejects.toMatchObject({ code: 'git.disk-full', exitCode: 1 })
})

test('a worktree that collides with another one being made is added all the same, though its branch is there by then', async () => {
  // A repository whose worktrees only git itself can record.
  yard.git('config', 'core.repositoryFormatVersion', '1')
  yard.git('config', 'extensions.worktreeConfig', 'true')
  const real = findProgram('git')
  const collision = `case "$*" in *'worktree add'*)
  if mkdir '${join(yard.home.path, 'once')}' 2>/dev/null; then
    '${real}' branch --no-track ov/run-1/late main
    echo "fatal: failed to read '/r/worktrees/x/commondir': Success" >&2
    exit 128
  fi;;
esac
exec '${real}' "$@"`
  const busy = gitAt(yard.repo, { PATH: `${fakeGit(collision)}:${process.env.PATH}` })
  const path = join(yard.home.path, 'late')
  await addWorktree(busy, path, { branch: 'ov/run-1/late', base: yard.git('rev-parse', 'main') })
  expect(readFileSync(join(path, 'overstory.yaml'), 'utf8')).toContain('project')
  expect(existsSync(join(yard.home.path, 'once'))).toBe(true)
})

test('worktrees made at once are all made, and are what git makes', async () => {
  const base = yard.git('rev-parse', 'main')
  const names = Array.from({ length: 16 }, (_, index) => `tree-${index}`)
  const path = (name: string) => join(yard.home.path, name)
  await Promise.all(
    names.map((name) => addWorktree(yard.project.git, path(name), { branch: `ov/run-1/${name}`, base })),
  )
  await addWorktree(yard.project.git, path('detached'), { detach: base })
  await addWorktree(yard.project.git, path('again'), { existing: await freed('tree-0') })
  const listed = `${yard.git('worktree', 'list', '--porcelain')}\n`
  for (const name of names.slice(1)) {
    expect(listed).toContain(`worktree ${path(name)}\nHEAD ${base}\nbranch refs/heads/ov/run-1/${name}\n`)
    expect(git(yard.home, path(name), 'status', '--porcelain', '--branch')).toBe(`## ov/run-1/${name}`)
  }
  expect(listed).toContain(`worktree ${path('detached')}\nHEAD ${base}\ndetached\n`)
  expect(listed).toContain(`worktree ${path('again')}\nHEAD ${base}\nbranch refs/heads/ov/run-1/tree-0\n`)
  expect(listed).not.toContain('prunable')
  expect(yard.git('fsck', '--strict')).toBe('')

  async function freed(name: string): Promise<string> {
    await removeWorktree(yard.project.git, path(name))
    return `ov/run-1/${name}`
  }
})

test('a worktree that can’t be made leaves nothing behind', async () => {
  const base = yard.git('rev-parse', 'main')
  const path = join(yard.home.path, 'tree')
  yard.git('branch', 'ov/run-1/taken')
  await expect(addWorktree(yard.project.git, path, { branch: 'ov/run-1/taken', base })).rejects.toThrow(
    /already exists/,
  )
  expect(existsSync(path)).toBe(false)
  expect(yard.git('worktree', 'list').split('\n')).toHaveLength(1)
})
