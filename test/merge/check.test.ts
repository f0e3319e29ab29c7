import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { claimLease, dropLease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { newId } from '../../src/ids.ts'
import { checkCommit, type Red } from '../../src/merge/check.ts'
import { inScratch, sweepScratch } from '../../src/merge/scratch.ts'
import { getMerge } from '../../src/merge/store.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { allProcesses, argumentsOf, ownIdentity } from '../../src/os/process.ts'
import { git } from '../rig/sandbox-home.ts'
import { makeYard, type Yard, type YardOptions } from '../rig/train-yard.ts'

let yard: Yard
afterEach(() => yard.dispose())

async function yardWith(gates: string, more = '', options: YardOptions = {}): Promise<Yard> {
  yard = await makeYard({ config: `project: { qualityGates: [${gates}] }\n${more}`, ...options })
  return yard
}

const check = (commit = 'main') => checkCommit(yard.project, yard.git('rev-parse', commit))
const scratches = () => {
  const folder = join(yard.repo, '.overstory', 'scratch')
  return existsSync(folder) ? readdirSync(folder) : []
}
const running = (words: string) => allProcesses().filter(({ pid }) => argumentsOf(pid).join(' ') === words)

test('gates run on exactly the commit, not on the human’s files or another branch', async () => {
  await yardWith(
    `{ name: t, command: 'git rev-parse HEAD > ../../../seen; test ! -e untracked && test "$(cat f)" = committed' }`,
    '',
    {
      files: { f: 'committed\n' },
    },
  )
  yard.human({ f: 'changed\n', untracked: '' })
  expect(await check()).toEqual({ green: true, gates: ['t'] })
  expect(yard.read('seen').trim()).toBe(yard.git('rev-parse', 'main'))
  expect(scratches()).toEqual([])
  expect(yard.git('worktree', 'list').split('\n')).toHaveLength(1)
})

test('a name resolves to the command that the commit’s own project has', async () => {
  await yardWith('tests-pass')
  yard.human({ bad: '' }, 'Bad')
  expect(await check('main~1')).toEqual({ green: true, gates: ['tests-pass'] })
  expect(await check('main')).toMatchObject({ green: false, gate: 'tests-pass', why: 'gate' })
})

test('a name that resolves to nothing is red, and says what to write', async () => {
  await yardWith('type-check')
  const red = (await check()) as Red
  expect(red).toMatchObject({ green: false, gate: 'type-check' })
  expect(red.output).toContain('resolves to no command')
  expect(red.output).toContain('{ name: type-check, command:')
})

test('a gate sees no secret of the host, and none comes back in its output', async () => {
  process.env.MY_API_TOKEN = 'very-secret-value'
  try {
    await yardWith(`{ name: t, command: 'env; echo very-secret-value; exit 1' }`)
    const red = (await check()) as Red
    expect(red.output).not.toContain('MY_API_TOKEN=')
    expect(red.output).not.toContain('very-secret-value')
    expect(red.output).toContain('CI=true')
  } finally {
    delete process.env.MY_API_TOKEN
  }
})

test('a gate that takes too long is killed with all it started, what left its group included, and is red', async () => {
  await yardWith(
    `{ name: slow, command: 'echo begun; setsid sleep 87654 & (sleep 87654 &); sleep 87654', timeout: 300ms }`,
  )
  const red = (await check()) as Red
  expect(red).toMatchObject({ green: false, gate: 'slow' })
  expect(red.output).toContain('begun')
  expect(red.output).toContain('did not end within 0.3 s')
  expect(running('sleep 87654')).toEqual([])
})

test('what a green gate leaves running holds nothing up and is ended', async () => {
  await yardWith(`{ name: t, command: 'setsid sleep 87653 & true' }`)
  expect(await check()).toMatchObject({ green: true })
  expect(running('sleep 87653')).toEqual([])
})

test('a flood of output is cut in the middle, and its beginning and end come back', async () => {
  await yardWith(
    `{ name: t, command: 'echo first; yes 0123456789 | head -c 20000000 | tr 0 "\\\\n"; seq 1 5000; echo last; exit 1' }`,
  )
  const red = (await check()) as Red
  expect(red.output.length).toBeLessThan(8_000)
  expect(red.output).toMatch(/first\n[\s\S]*left out[\s\S]*last\n\(ended with exit code 1\)$/)
})

test('set-up commands and copied files are there before the gates; a failing set-up is red and names itself', async () => {
  await yardWith(
    `{ name: t, command: 'test "$(cat .env)" = X=1 && test -e installed' }`,
    `worktrees: { setup: ['touch installed'], copy: [.env] }\n`,
    { files: { '.gitignore': '.env\n' } },
  )
  yard.human({ '.env': 'X=1\n' })
  expect(await check()).toMatchObject({ green: true })
  await yard.dispose()
  await yardWith(`{ name: t, command: 'true' }`, `worktrees: { setup: ['echo no registry; exit 3'] }\n`)
  expect(await check()).toMatchObject({
    green: false,
    gate: 'setup',
    why: 'setup',
    output: expect.stringContaining('no registry'),
  })
})

test('a scratch worktree is removed also when what runs in it throws', async () => {
  await yardWith(`{ name: t, command: 'true' }`)
  await expect(
    inScratch(yard.project, yard.git('rev-parse', 'main'), () => Promise.reject(new Error('no'))),
  ).rejects.toThrow('no')
  expect(scratches()).toEqual([])
})

test('a commit made in a scratch worktree has a ref before the worktree goes', async () => {
  await yardWith(
    `{ name: t, command: 'git -c user.name=g -c user.email=g@g commit --quiet --allow-empty -m Gate && git rev-parse HEAD > ../../../made' }`,
  )
  expect(await check()).toMatchObject({ green: true })
  const made = yard.read('made').trim()
  expect(yard.git('for-each-ref', '--format=%(objectname)', 'refs/ov/keep')).toBe(made)
})

test('scratch worktrees of dead processes are swept, those of the living and what is not ours are not', async () => {
  await yardWith(`{ name: t, command: 'true' }`)
  const { db, clock } = yard.project
  const folder = join(yard.repo, '.overstory', 'scratch')
  mkdirSync(join(folder, 'something of the human’s'), { recursive: true })
  const [dead, alive] = [newId(), newId()]
  for (const id of [dead, alive]) git(yard.home, yard.repo, 'worktree', 'add', '--quiet', '--detach', join(folder, id))
  const lease = await write(db, (tx) => claimLease(tx, `scratch:${alive}`, ownIdentity(), clock, 60_000))
  await write(db, (tx) => claimLease(tx, `scratch:${dead}`, { ...ownIdentity(), pid: 2 ** 22 + 1 }, clock, 60_000))
  expect(await sweepScratch(yard.project)).toBe(1)
  expect(scratches().sort()).toEqual([alive, 'something of the human’s'].sort())
  expect(yard.git('worktree', 'list').split('\n')).toHaveLength(2)
  if (lease !== null) await write(db, (tx) => dropLease(tx, lease))
})

test('where nothing can be written for the gates it is an honest error, and the branch stays ready', async () => {
  await yardWith(`{ name: t, command: 'true' }`)
  writeFileSync(join(yard.repo, '.overstory', 'scratch'), 'in the way')
  const entry = await yard.queue('one', { a: '' })
  await expect(driveTrain(yard.project)).rejects.toThrow(/scratch/)
  expect(await getMerge(yard.project.db, entry.id)).toMatchObject({ state: 'ready' })
  rmSync(join(yard.repo, '.overstory', 'scratch'))
  expect((await driveTrain(yard.project)).merged).toEqual([])
  expect((await driveTrain(yard.project, { asked: true })).merged).toHaveLength(1)
})

test('a disk that is full while merging is an honest error, and the branch stays ready', async () => {
  await yardWith('')
  const entry = await yard.queue('one', { a: '' })
  const objects = join(yard.repo, '.git', 'objects')
  const bin = join(yard.home.path, 'bin')
  mkdirSync(bin)
  const real = (process.env.PATH ?? '')
    .split(':')
    .map((path) => join(path, 'git'))
    .find((path) => existsSync(path))
  const script = `#!/bin/sh\ncase "$*" in *merge-tree*) echo "fatal: write error: No space left on device" >&2; exit 128;; esac\nexec ${real} "$@"\n`
  writeFileSync(join(bin, 'git'), script, { mode: 0o755 })
  const full = { ...yard.project, git: yard.project.git.with({ PATH: `${bin}:${process.env.PATH}` }) }
  await expect(driveTrain(full)).rejects.toMatchObject({ code: 'git.disk-full', exitCode: 1 })
  expect(await getMerge(yard.project.db, entry.id)).toMatchObject({ state: 'ready' })
  expect(existsSync(objects)).toBe(true)
  expect((await driveTrain(yard.project, { asked: true })).merged).toHaveLength(1)
  expect(readFileSync(join(yard.repo, 'a'), 'utf8')).toBe('')
})

test('whoever interrupts a merge stops its gate, and the branch stays ready', async () => {
  await yardWith(`{ name: t, command: 'sleep 87652' }`)
  const entry = await yard.queue('one', { a: '' })
  const enough = new AbortController()
  const driving = driveTrain(yard.project, { gone: enough.signal })
  await expect.poll(() => running('sleep 87652').length).toBe(1)
  enough.abort()
  await expect(driving).rejects.toMatchObject({ code: 'merge.interrupted' })
  expect(running('sleep 87652')).toEqual([])
  expect(await getMerge(yard.project.db, entry.id)).toMatchObject({ state: 'ready', not_before: 0 })
})
