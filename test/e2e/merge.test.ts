import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { getMerge } from '../../src/merge/store.ts'
import { allProcesses, argumentsOf } from '../../src/os/process.ts'
import { OV } from '../rig/sandbox-home.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

const GATED = `project: { qualityGates: [{ name: tests-pass, command: 'test ! -f bad' }] }\n`

let yard: Yard
afterEach(() => yard.dispose())

const ov = (...args: string[]) => yard.home.ov(yard.repo, args)

test('ov merge merges the queue, lands it, and prints one document', async () => {
  yard = await makeYard({ config: GATED })
  await yard.queue('one', { a: 'a\n' })
  await yard.queue('two', { b: 'b\n' })
  const merged = await ov('merge', '--json')
  expect(merged.code).toBe(0)
  expect(JSON.parse(merged.stdout)).toMatchObject({
    merges: [
      { agent: 'one', branch: 'ov/run-1/one', state: 'merged', mergedAs: expect.stringMatching(/^[0-9a-f]{40}$/) },
      { agent: 'two', state: 'merged' },
    ],
    blocked: null,
    landing: { landed: true, branch: 'main' },
  })
  expect([yard.read('a'), yard.read('b')]).toEqual(['a\n', 'b\n'])
  const again = await ov('merge')
  expect([again.code, again.stdout]).toEqual([0, 'Nothing to merge.\nNothing waits to land.\n'])
})

test('ov merge shows each branch on its way, and ends with 3 when one was sent back', async () => {
  yard = await makeYard({ config: GATED })
  await yard.queue('good', { a: '' })
  await yard.queue('wrong', { bad: '' })
  const merged = await ov('merge')
  expect(merged.code).toBe(3)
  expect(merged.stdout).toContain('1 merged, 1 sent back.')
  expect(merged.output).toContain('good: gate tests-pass')
  expect(merged.output).toMatch(/✔ good: merged as [0-9a-f]{8}/)
  expect(merged.output).toContain('✖ wrong: sent back: Gate tests-pass is red')
})

test('ov merge --branch takes a branch or an agent, and only that; another name is an error with what there is', async () => {
  yard = await makeYard()
  const one = await yard.queue('one', { a: '' })
  const two = await yard.queue('two', { b: '' })
  expect((await ov('merge', '--branch', 'two')).code).toBe(0)
  expect(await getMerge(yard.project.db, one.id)).toMatchObject({ state: 'ready' })
  expect(await getMerge(yard.project.db, two.id)).toMatchObject({ state: 'merged' })
  const unknown = await ov('merge', '--branch', 'three')
  expect(unknown.code).toBe(2)
  expect(unknown.output).toContain('three is not in the merge queue. In the queue: ov/run-1/one.')
})

test('ov merge --dry-run says the order and who conflicts with whom, and changes nothing at all', async () => {
  yard = await makeYard({ files: { 'f.txt': 'base\n' } })
  await yard.queue('one', { 'f.txt': 'one\n' })
  await yard.queue('two', { 'f.txt': 'two\n' })
  await yard.queue('three', { other: '' })
  const everything = () => [
    yard.git('for-each-ref'),
    yard.git('count-objects', '-v'),
    yard.git('status', '--porcelain'),
  ]
  const before = everything()
  const said = await ov('merge', '--dry-run', '--json')
  expect(said.code).toBe(0)
  expect(JSON.parse(said.stdout)).toMatchObject({
    branch: 'main',
    merges: [
      { agent: 'one', conflicts: [] },
      { agent: 'two', conflicts: ['f.txt'] },
      { agent: 'three', conflicts: [] },
    ],
    conflicts: [{ between: ['ov/run-1/one', 'ov/run-1/two'], files: ['f.txt'] }],
  })
  expect(everything()).toEqual(before)
  expect((await ov('merge', '-n')).stdout).toContain(' 2. two (ov/run-1/two) would be sent back: conflict in f.txt')
})

test('ov merge --no-land leaves the checkout, ov land brings it along, and is content when nothing waits', async () => {
  yard = await makeYard()
  await yard.queue('one', { a: 'a\n' })
  const merged = await ov('merge', '--no-land', '--json')
  expect(JSON.parse(merged.stdout)).toMatchObject({ merges: [{ state: 'merged' }], landing: null })
  expect(existsSync(join(yard.repo, 'a'))).toBe(false)
  expect((await ov('status')).output).toContain('main is 2 commits behind what was merged')
  const landed = await ov('land')
  expect([landed.code, landed.stdout]).toEqual([0, expect.stringMatching(/^Landed: main is at [0-9a-f]{8}\.\n$/)])
  expect(yard.read('a')).toBe('a\n')
  expect(await ov('land', '--json')).toMatchObject({ code: 0, stdout: expect.stringContaining('"up-to-date"') })
})

test('ov land leaves a changed checkout alone, says why and what to do, and ends with 6', async () => {
  yard = await makeYard()
  await yard.queue('one', { a: '' })
  yard.human({ 'README.md': 'mine\n' })
  const merged = await ov('merge')
  expect(merged.code).toBe(0)
  expect(merged.stdout).toContain('Not landed: README.md is changed in')
  const landed = await ov('land')
  expect(landed.code).toBe(6)
  expect(landed.output).toContain('Hint: Commit or stash it, then: ov land')
  expect(yard.read('README.md')).toBe('mine\n')
})

test('what only the human can decide ends ov merge with 6, in words and with what to type; ov status says so too', async () => {
  yard = await makeYard({ files: { f: 'base\n', d: '' } })
  yard.human({ d: 'dirty' })
  await yard.queue('one', { f: 'agent\n' })
  await ov('merge')
  yard.human({ d: 'done', f: 'human\n' }, 'Human')
  await yard.queue('two', { b: '' })
  const merged = await ov('merge')
  expect(merged.code).toBe(6)
  expect(merged.stdout).toContain('1 still in the queue.')
  expect(merged.output).toContain('conflicts with new commits on main in f.')
  expect(merged.output).toContain('Hint: Merge it yourself: git merge refs/ov/train/main')
  expect((await ov('status')).output).toContain('conflicts with new commits on main in f.')
  expect((await ov('land')).code).toBe(6)
  // The hint holds what it says.
  expect(() => yard.git('merge', 'refs/ov/train/main')).toThrow()
  yard.human({ f: 'both\n' })
  yard.git('add', 'f')
  yard.git('commit', '--quiet', '--no-edit')
  expect((await ov('merge')).code).toBe(0)
  expect([yard.read('f'), yard.read('b')]).toEqual(['both\n', ''])
})

test('Ctrl-C ends ov merge with 130 and its gate with it; what was not merged stays in the queue', async () => {
  yard = await makeYard({
    config: `project: { qualityGates: [{ name: t, command: 'touch ../../../../runs; sleep 87651' }] }\n`,
  })
  const entry = await yard.queue('one', { a: '' })
  const merge = spawn(process.execPath, [OV, 'merge'], { cwd: yard.repo, env: { ...yard.home.env }, stdio: 'ignore' })
  const ended = once(merge, 'close')
  await expect.poll(() => existsSync(join(yard.home.path, 'runs'))).toBe(true)
  merge.kill('SIGINT')
  expect(await ended).toEqual([130, null])
  expect(allProcesses().filter(({ pid }) => argumentsOf(pid).join(' ') === 'sleep 87651')).toEqual([])
  await expect.poll(async () => (await getMerge(yard.project.db, entry.id))?.state).toBe('ready')
})

test('of two ov merge at once one drives, the other says so, waits, and sees the same end', async () => {
  yard = await makeYard({
    config: `project: { qualityGates: [{ name: t, command: 'touch ../../../../runs; while [ ! -e ../../../../go ]; do sleep 0.02; done' }] }\n`,
  })
  await yard.queue('one', { a: '' })
  const first = ov('merge', '--json')
  await expect.poll(() => existsSync(join(yard.home.path, 'runs'))).toBe(true)
  const second = spawn(process.execPath, [OV, 'merge'], { cwd: yard.repo, env: { ...yard.home.env } })
  let said = ''
  for (const stream of [second.stdout, second.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text))
  const ended = once(second, 'close')
  await expect.poll(() => said).toMatch(/another ov \(pid \d+\) merges; waiting for it/)
  writeFileSync(join(yard.home.path, 'go'), '')
  expect(JSON.parse((await first).stdout)).toMatchObject({ merges: [{ state: 'merged' }] })
  expect(await ended).toEqual([0, null])
  expect(said).toContain('1 merged.')
  expect(yard.git('log', '--merges', '--format=%s', 'main').split('\n')).toEqual(['Task of one'])
})
