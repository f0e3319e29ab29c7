import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { getAgent } from '../../src/agents/store.ts'
import { claimLease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { behindTrain } from '../../src/merge/behind.ts'
import {
  claimNextMerge,
  dropMerges,
  getMerge,
  intendMerge,
  type MergeEntry,
  TRAIN_LEASE,
} from '../../src/merge/store.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { getTask } from '../../src/tasks/store.ts'
import { makeYard, type Yard, type YardOptions } from '../rig/train-yard.ts'

/** Red where a file `bad` lies; slow where one says so. */
const GATED = `project: { qualityGates: [{ name: tests-pass, command: 'test ! -f bad' }] }\n`

let yard: Yard
afterEach(() => yard.dispose())

async function yardWith(options: YardOptions = {}): Promise<Yard> {
  yard = await makeYard({ config: GATED, ...options })
  return yard
}

/** What the database says of an entry and its task, agent and mail. */
async function stateOf(entry: MergeEntry) {
  const { db } = yard.project
  const row = await getMerge(db, entry.id)
  const task = await getTask(db, entry.task_id)
  const agent = await getAgent(db, entry.agent_id)
  return {
    entry: row?.state,
    mergedAs: row?.merged_as,
    task: task?.state,
    reason: task?.reason,
    claimed: agent?.claimed_done,
  }
}

function mailTo(reader: string) {
  return yard.project.db.selectFrom('mail').selectAll().where('reader', '=', reader).orderBy('seq').execute()
}

test('a clean branch is merged by a commit of its own, with trailers, and lands with branch, index and files', async () => {
  await yardWith()
  const entry = await yard.queue('builder-1', { 'a.txt': 'a\n' })
  const report = await driveTrain(yard.project)
  const head = yard.git('rev-parse', 'main')
  expect(report.merged).toMatchObject([{ mergedAs: head }])
  expect(report.landing).toMatchObject({ landed: true, commit: head })
  expect(yard.git('rev-parse', 'main^2')).toBe(entry.head_sha)
  expect(yard.read('a.txt')).toBe('a\n')
  expect(yard.git('status', '--porcelain')).toBe('')
  expect(
    yard.git(
      'log',
      '-1',
      '--format=%(trailers:key=Ov-Task,valueonly)%(trailers:key=Ov-Agent,valueonly)%(trailers:key=Ov-Runtime,valueonly)',
    ),
  ).toBe(`${entry.task_id}\nbuilder-1\nshell`)
  expect(await stateOf(entry)).toMatchObject({ entry: 'merged', mergedAs: head, task: 'merged' })
  expect((await mailTo('human')).map((mail) => mail.type)).toEqual(['merged'])
})

test('the queue is merged oldest first, and the branch is green at every first parent', async () => {
  await yardWith()
  const entries = []
  for (const name of ['one', 'two', 'three', 'four'])
    entries.push(await yard.queue(name, name === 'three' ? { bad: '' } : { [name]: '' }))
  const report = await driveTrain(yard.project)
  expect(report.merged.map(({ entry }) => entry.branch)).toEqual(['ov/run-1/one', 'ov/run-1/two', 'ov/run-1/four'])
  for (const commit of yard.git('rev-list', '--first-parent', 'main').split('\n'))
    expect(yard.git('ls-tree', '--name-only', commit).split('\n')).not.toContain('bad')
})

test('a conflict goes back to its author as mail that names the files, and its claim is open again', async () => {
  await yardWith({ files: { 'f.txt': 'base\n' } })
  await yard.queue('one', { 'f.txt': 'one\n' })
  const two = await yard.queue('two', { 'f.txt': 'two\n' })
  const report = await driveTrain(yard.project)
  expect(report.rejected).toMatchObject([{ rejection: { why: 'conflict' }, attemptsLeft: 2 }])
  expect(await stateOf(two)).toMatchObject({ entry: 'rejected', task: 'running', claimed: 0 })
  const [mail] = await mailTo(two.agent_id)
  expect(mail).toMatchObject({ type: 'merge_failed', priority: 'high' })
  expect(mail?.body).toContain('f.txt')
  expect(mail?.body).toContain(`git merge ${yard.git('rev-parse', 'main')}`)
  expect(yard.read('f.txt')).toBe('one\n')
})

test('a red gate goes back with its output, the next attempt merges', async () => {
  await yardWith({
    config: `project: { qualityGates: [{ name: t, command: 'echo looking; cat bad 2>/dev/null && exit 1 || true' }] }\n`,
  })
  const entry = await yard.queue('one', { bad: 'this is wrong\n' })
  await driveTrain(yard.project)
  const [mail] = await mailTo(entry.agent_id)
  expect(mail?.body).toContain('this is wrong')
  expect(mail?.body).toContain('exit code 1')
  const second = await yard.again(entry, { bad: null, good: '' })
  await driveTrain(yard.project)
  expect(await stateOf(second)).toMatchObject({ entry: 'merged', task: 'merged' })
})

test('of two branches that are green each and red together the second goes back', async () => {
  await yardWith({
    config: "project: { qualityGates: [{ name: not-both, command: '! { test -e a.txt && test -e b.txt; }' }] }\n",
  })
  const [first, second] = [await yard.queue('one', { 'a.txt': 'a\n' }), await yard.queue('two', { 'b.txt': 'b\n' })]
  await driveTrain(yard.project)
  expect(await stateOf(first)).toMatchObject({ entry: 'merged', task: 'merged' })
  expect(await stateOf(second)).toMatchObject({ entry: 'rejected', task: 'running' })
  expect(yard.git('ls-tree', '--name-only', 'main', 'b.txt')).toBe('')
})

test('after merge.maxAttempts the task has failed, and whom the agent reports to is told', async () => {
  await yardWith({ config: `${GATED}merge: { maxAttempts: 2 }\n` })
  const first = await yard.queue('one', { bad: '' })
  await driveTrain(yard.project)
  const second = await yard.again(first, { other: '' })
  const report = await driveTrain(yard.project)
  expect(report.rejected).toMatchObject([{ attemptsLeft: 0 }])
  expect(await stateOf(second)).toMatchObject({ entry: 'rejected', task: 'failed' })
  expect((await stateOf(second)).reason).toContain('after 2 attempts')
  expect((await mailTo('human')).map((mail) => mail.type)).toEqual(['merge_failed'])
})

test('a rejected branch whose author has ended is a failed task, not a lost one', async () => {
  await yardWith()
  const entry = await yard.queue('one', { bad: '' })
  await yard.project.db.updateTable('agents').set({ state: 'failed' }).where('id', '=', entry.agent_id).execute()
  await driveTrain(yard.project)
  expect(await stateOf(entry)).toMatchObject({ entry: 'rejected', task: 'failed' })
  expect(await mailTo('human')).toMatchObject([{ type: 'merge_failed' }])
})

test('a task that was stopped while its gates ran is not merged', async () => {
  await yardWith()
  const entry = await yard.queue('one', { a: '' })
  const { db, clock } = yard.project
  const report = await driveTrain(yard.project, {
    onProgress: (_entry, doing) => {
      if (doing === 'gate tests-pass')
        stopped = write(db, (tx) => dropMerges(tx, entry.task_id, 'stopped', clock.now()))
    },
  })
  await stopped
  expect(report.merged).toEqual([])
  expect(await stateOf(entry)).toMatchObject({ entry: 'dropped' })
  expect(yard.git('log', '--format=%s', 'main')).not.toContain('Task of one')
})
let stopped: Promise<void> | undefined

test('a history of its own cannot be merged, which goes back to its author', async () => {
  await yardWith()
  const entry = await yard.queue('one', { a: '' })
  const orphan = yard.git('commit-tree', `${entry.head_sha}^{tree}`, '-m', 'Alone')
  await yard.project.db.updateTable('merges').set({ head_sha: orphan }).where('id', '=', entry.id).execute()
  await driveTrain(yard.project)
  expect(await stateOf(entry)).toMatchObject({ entry: 'rejected', task: 'running' })
})

test('when the human commits while gates run, the merge is made and gated again on top of that', async () => {
  const config = `project: { qualityGates: [{ name: t, command: 'echo gate >> ../../../gates.log; test ! -f bad' }] }\n`
  await yardWith({ config })
  const entry = await yard.queue('one', { a: 'a\n' })
  let committed = false
  const report = await driveTrain(yard.project, {
    onProgress: (_entry, doing) => {
      if (doing !== 'gate t' || committed) return
      yard.human({ 'mine.txt': 'mine\n' }, 'Human')
      committed = true
    },
  })
  expect(report.merged).toHaveLength(1)
  expect(yard.git('log', '--first-parent', '--format=%s', '-2', 'main')).toBe('Task of one\nHuman')
  expect([yard.read('a'), yard.read('mine.txt')]).toEqual(['a\n', 'mine\n'])
  expect(yard.read('gates.log')).toBe('gate\ngate\n')
  expect(await stateOf(entry)).toMatchObject({ entry: 'merged' })
})

test('what waits to land is rebuilt on the human’s commits, with gates, and lands together', async () => {
  await yardWith({ files: { 'dirty.txt': 'clean\n' } })
  yard.human({ 'dirty.txt': 'dirty\n' })
  await yard.queue('one', { a: 'a\n' })
  expect((await driveTrain(yard.project)).landing).toMatchObject({ landed: false, why: 'dirty', behind: 2 })
  yard.human({ 'dirty.txt': 'done\n' }, 'Human')
  await yard.queue('two', { b: 'b\n' })
  expect((await driveTrain(yard.project)).landing).toMatchObject({ landed: true })
  expect([yard.read('a'), yard.read('b'), yard.read('dirty.txt')]).toEqual(['a\n', 'b\n', 'done\n'])
  expect(yard.git('status', '--porcelain')).toBe('')
})

test('when the rebuild conflicts the branches stay ready, the human gets one mail, and goes on after deciding', async () => {
  await yardWith({ files: { 'f.txt': 'base\n', 'dirty.txt': 'clean\n' } })
  yard.human({ 'dirty.txt': 'dirty\n' })
  await yard.queue('one', { 'f.txt': 'agent\n' })
  await driveTrain(yard.project)
  yard.human({ 'dirty.txt': 'done\n', 'f.txt': 'human\n' }, 'Human')
  const two = await yard.queue('two', { b: 'b\n' })
  for (let tick = 0; tick < 3; tick++)
    expect((await driveTrain(yard.project)).blocked?.why).toContain('conflicts with new commits on main in f.txt')
  expect(await stateOf(two)).toMatchObject({ entry: 'ready', task: 'merging' })
  expect((await mailTo('human')).filter((mail) => mail.type === 'escalation')).toHaveLength(1)
  expect(await mailTo(two.agent_id)).toEqual([])
  yard.git('update-ref', '-d', 'refs/ov/train/main')
  const report = await driveTrain(yard.project)
  expect(report).toMatchObject({ blocked: null, landing: { landed: true } })
  expect(await stateOf(two)).toMatchObject({ entry: 'merged' })
})

test('when the rebuild is red it is nobody’s rejection either', async () => {
  await yardWith({
    config: `project: { qualityGates: [{ name: t, command: 'test ! -f a || test ! -f mine' }] }\n`,
    files: { d: '' },
  })
  yard.human({ d: 'dirty' })
  await yard.queue('one', { a: '' })
  await driveTrain(yard.project)
  yard.human({ d: 'done', mine: '' }, 'Human')
  const two = await yard.queue('two', { b: '' })
  const gates = () => yard.project.db.selectFrom('events').selectAll().where('type', '=', 'merge.gate').execute()
  const before = (await gates()).length
  expect((await driveTrain(yard.project)).blocked?.why).toContain('turns the gate t red')
  expect((await driveTrain(yard.project)).blocked?.why).toContain('turns the gate t red')
  expect((await gates()).length).toBe(before)
  expect(await stateOf(two)).toMatchObject({ entry: 'ready', task: 'merging' })
})

test('when main is red by itself the human is told once, authors are told too, and what mends it is merged', async () => {
  await yardWith({ config: `${GATED}merge: { maxAttempts: 5 }\n` })
  yard.human({ bad: '' }, 'Human breaks main')
  const one = await yard.queue('one', { a: '' })
  expect((await driveTrain(yard.project)).rejected).toHaveLength(1)
  expect((await behindTrain(yard.project)).blocked?.why).toContain('The gate tests-pass is red on main itself')
  await yard.again(one, { b: '' })
  await driveTrain(yard.project)
  expect((await mailTo(one.agent_id)).at(-1)?.body).toContain('Without your branch main is red too')
  expect((await mailTo('human')).filter((mail) => mail.type === 'escalation')).toHaveLength(1)
  const mender = await yard.queue('mender', { bad: null })
  await driveTrain(yard.project)
  expect(await stateOf(mender)).toMatchObject({ entry: 'merged' })
  expect((await behindTrain(yard.project)).blocked).toBeNull()
})

test('commits the human has removed from main after they landed stay removed', async () => {
  await yardWith()
  await yard.queue('one', { a: '' })
  await driveTrain(yard.project)
  yard.git('reset', '--quiet', '--hard', 'HEAD~1')
  await yard.queue('two', { b: '' })
  await driveTrain(yard.project)
  expect(existsSync(join(yard.repo, 'a'))).toBe(false)
  expect(existsSync(join(yard.repo, 'b'))).toBe(true)
})

test('commits the human has removed from main beneath what waits to land are not brought back without asking', async () => {
  await yardWith({ files: { d: '' } })
  yard.human({ unwanted: '' }, 'Unwanted')
  yard.human({ d: 'dirty' })
  await yard.queue('one', { a: '' })
  await driveTrain(yard.project)
  yard.git('checkout', '--quiet', 'd')
  yard.git('reset', '--quiet', '--hard', 'HEAD~1')
  const two = await yard.queue('two', { b: '' })
  expect((await driveTrain(yard.project)).blocked?.why).toContain('no longer has commits')
  expect(existsSync(join(yard.repo, 'unwanted'))).toBe(false)
  expect(await stateOf(two)).toMatchObject({ entry: 'ready' })
})

test('a train that died between swap and record is found merged, as that very commit, and not merged twice', async () => {
  await yardWith()
  const entry = await yard.queue('one', { a: '' })
  const { db, clock } = yard.project
  // What a killed train leaves: its lease, its claim, its intent, its swap.
  const dead = { pid: 2 ** 22 + 1, start: '1', boot: ownIdentity().boot }
  const commit = yard.git('commit-tree', `${entry.head_sha}^{tree}`, '-p', 'main', '-p', entry.head_sha, '-m', 'Merge')
  await write(db, async (tx) => {
    const lease = await claimLease(tx, TRAIN_LEASE, dead, clock, 30_000)
    const claimed = await claimNextMerge(tx, lease?.fence ?? 0, clock.now(), { held: false })
    if (claimed !== null) await intendMerge(tx, claimed, commit, clock.now())
  })
  yard.git('update-ref', 'refs/ov/train/main', commit)
  yard.human({ mine: '' }, 'Human')
  const report = await driveTrain(yard.project)
  expect(report.merged).toMatchObject([{ mergedAs: commit }])
  expect(
    yard
      .git('log', '--merges', '--format=%H', 'main')
      .split('\n')
      .filter((sha) => yard.git('rev-parse', `${sha}^2`) === entry.head_sha),
  ).toEqual([commit])
  expect(yard.git('status', '--porcelain')).toBe('')
})
