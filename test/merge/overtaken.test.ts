import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { claimLease } from '../../src/db/lease.ts'
import { write } from '../../src/db/open.ts'
import { getMerge, TRAIN_LEASE } from '../../src/merge/store.ts'
import { fenceRef, readTrack, swapOf } from '../../src/merge/track.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { listFolder } from '../../src/os/files.ts'
import { allProcesses, argumentsOf, ownIdentity } from '../../src/os/process.ts'
import { swapRefs } from '../../src/os/refs.ts'
import { type Driver, startDriver } from '../rig/driver.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

let yard: Yard
let driver: Driver | undefined
afterEach(async () => {
  driver?.signal('SIGKILL', 'group')
  await yard.dispose()
})

/** Makes the lease of whoever drives run out, as time does when its owner is stopped. */
function leaseRunsOut() {
  return yard.project.db.updateTable('leases').set({ expires_at: 1 }).where('resource', '=', TRAIN_LEASE).execute()
}

/** A gate that tells that it runs, and waits for the file `go` beside the repository. */
const WAITING = `project: { qualityGates: [{ name: t, command: 'touch ../../../../runs; while [ ! -e ../../../../go ]; do sleep 0.02; done' }] }\n`
/** Then the train is not in the middle of a write. */
const gateRuns = () => expect.poll(() => existsSync(join(yard.home.path, 'runs'))).toBe(true)
const go = () => writeFileSync(join(yard.home.path, 'go'), '')

test('a train that is stopped while its gates run, overtaken and woken, changes nothing any more', async () => {
  yard = await makeYard({ config: WAITING })
  const entry = await yard.queue('one', { a: '' })
  driver = startDriver(yard.home, yard.repo)
  await driver.line(/^ready$/)
  driver.drive()
  await gateRuns()
  driver.signal('SIGSTOP')
  go()
  await leaseRunsOut()
  const { merged } = await driveTrain(yard.project)
  expect(merged).toHaveLength(1)
  const refs = yard.git('for-each-ref', '--format=%(refname) %(objectname)')
  driver.signal('SIGCONT')
  expect(await driver.line(/^drove/)).toBe('drove true 0 0')
  expect(yard.git('for-each-ref', '--format=%(refname) %(objectname)')).toBe(refs)
  expect(await getMerge(yard.project.db, entry.id)).toMatchObject({ state: 'merged', merged_as: merged[0]?.mergedAs })
})

test('an overtaken train cannot swap even where the branch has not moved: the fence has', async () => {
  yard = await makeYard({ config: WAITING })
  await yard.queue('one', { bad: '' })
  driver = startDriver(yard.home, yard.repo)
  await driver.line(/^ready$/)
  driver.drive()
  await gateRuns()
  driver.signal('SIGSTOP')
  await leaseRunsOut()
  // The second train has nothing to do, yet what the first one prepared is void from then on.
  await yard.project.db.updateTable('merges').set({ state: 'dropped' }).execute()
  expect((await driveTrain(yard.project, { asked: true })).drove).toBe(true)
  expect(yard.git('rev-parse', fenceRef('main'))).toMatch(/^[0-9a-f]{40}$/)
  const main = yard.git('rev-parse', 'main')
  go()
  driver.signal('SIGCONT')
  expect(await driver.line(/^drove/)).toBe('drove true 0 0')
  expect(yard.git('rev-parse', 'main')).toBe(main)
  expect(yard.git('for-each-ref', 'refs/ov/train')).toBe('')
})

test('a swap prepared before another train took over is void, even in the moment before it', async () => {
  yard = await makeYard()
  const entry = await yard.queue('one', { a: '' })
  const prepared = swapOf(await readTrack(yard.project, 'main'), entry.head_sha)
  const { db, clock } = yard.project
  const dead = { ...ownIdentity(), pid: 2 ** 22 + 1 }
  await write(db, (tx) => claimLease(tx, TRAIN_LEASE, dead, clock, 30_000))
  await db.updateTable('merges').set({ state: 'dropped' }).execute()
  await driveTrain(yard.project, { asked: true })
  expect(await swapRefs(yard.project.git, prepared, 'late')).toBe(false)
  expect(await swapRefs(yard.project.git, swapOf(await readTrack(yard.project, 'main'), entry.head_sha), 'now')).toBe(
    true,
  )
})

test('while one train drives another leaves at once, and its entry is taken along', async () => {
  yard = await makeYard({ config: WAITING })
  await yard.queue('one', { a: '' })
  driver = startDriver(yard.home, yard.repo)
  await driver.line(/^ready$/)
  driver.drive()
  await driver.line(/gate t$/)
  const two = await yard.queue('two', { b: '' })
  expect(await driveTrain(yard.project)).toMatchObject({ drove: false, merged: [] })
  go()
  expect(await driver.line(/^drove/)).toBe('drove true 2 0')
  expect(await getMerge(yard.project.db, two.id)).toMatchObject({ state: 'merged' })
})

test('what a killed train left running and lying about is gone once the next has driven', async () => {
  yard = await makeYard({
    config: `project: { qualityGates: [{ name: t, command: 'test -e ../../../../go || { setsid sleep 98765 & sleep 98765; }' }] }\n`,
  })
  await yard.queue('one', { a: '' })
  driver = startDriver(yard.home, yard.repo)
  await driver.line(/^ready$/)
  driver.drive()
  await driver.line(/gate t$/)
  await expect.poll(() => sleepers().length).toBe(2)
  driver.signal('SIGKILL')
  await driver.ended
  go()
  expect((await driveTrain(yard.project)).merged).toHaveLength(1)
  expect(sleepers()).toEqual([])
  expect(yard.git('worktree', 'list').split('\n')).toHaveLength(1)
  expect(listFolder(join(yard.repo, '.git', 'worktrees'))).toEqual([])
  expect(listFolder(join(yard.repo, '.overstory', 'scratch'))).toEqual([])
})

function sleepers() {
  return allProcesses().filter(({ pid }) => argumentsOf(pid).join(' ') === 'sleep 98765')
}

test('how the branch stands is the same by git’s files and, where those do not say all, by git', async () => {
  yard = await makeYard()
  await yard.queue('one', { a: '' })
  await driveTrain(yard.project, { land: false })
  const byFiles = await readTrack(yard.project, 'main')
  expect(byFiles).toMatchObject({
    checkout: yard.repo,
    train: { tree: yard.git('rev-parse', 'refs/ov/train/main^{tree}') },
  })
  yard.git('repack', '--quiet', '-a', '-d')
  yard.git('pack-refs', '--all')
  expect(await readTrack(yard.project, 'main')).toEqual(byFiles)
})
