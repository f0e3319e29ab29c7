import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { mendLandings } from '../../src/merge/land.ts'
import { getMerge, type MergeEntry, openMerges } from '../../src/merge/store.ts'
import { driveTrain } from '../../src/merge/train.ts'
import { getTask } from '../../src/tasks/store.ts'
import { type Driver, startDriver } from '../rig/driver.ts'
import { makeYard, type Yard } from '../rig/train-yard.ts'

const KILLS = 100
/** Between them more than so many entries are queued, six of which are open at a time. */
const MERGES = 10
/** Drivers that have started and wait for their word, so that starting takes no time of the test's. */
const WARM = 2
/** A drive is killed within so many merges' time of its beginning. */
const LONGEST = 1.4

let yard: Yard
const drivers: Driver[] = []
afterEach(async () => {
  for (const driver of drivers.splice(0)) driver.signal('SIGKILL', 'group')
  await yard.dispose()
})

/** The same sequence for the same seed, so that a failure can be had again. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

test(`after ${KILLS} kills of the train nothing is half merged, lost or merged twice, and the human’s files are theirs`, async () => {
  const seed = Date.now() % 100_000
  const random = randomFrom(seed)
  const note = (text: string) => `${text} (seed ${seed})`
  yard = await makeYard({
    config: `project: { qualityGates: [{ name: t, command: 'test ! -f bad' }] }\n`,
    files: { '.gitignore': '.env\n', 'mine.txt': 'v0\n', 'clash.txt': 'base\n' },
  })
  const { project } = yard
  const untracked = { 'notes.txt': 'my notes\n', '.env': 'SECRET=mine\n', 'w/scratch.txt': 'mine\n' }
  yard.human(untracked)

  const entries: MergeEntry[] = []
  const refill = async () => {
    while ((await openMerges(project.db)).length < 6) {
      const number = entries.length
      const clash = number % 17 === 16 ? { 'clash.txt': `${number}\n` } : {}
      entries.push(await yard.queue(`b-${number}`, { [`w/${number}.txt`]: `${number}\n`, ...clash }))
    }
  }
  const warm: Driver[] = []
  const start = () => {
    const driver = startDriver(yard.home, yard.repo)
    drivers.push(driver)
    warm.push(driver)
  }
  for (let count = 0; count < WARM; count++) start()

  // How long one merge takes on this machine just now.
  entries.push(await yard.queue('b-0', { 'w/0.txt': '0\n' }))
  const first = warm.shift()
  await first?.line(/^ready$/)
  const began = performance.now()
  first?.drive()
  await first?.line(/^drove true 1 0$/)
  const oneMerge = performance.now() - began
  first?.signal('SIGKILL')
  start()

  let dirty: string | null = null
  let versions = 0
  // A machine that has become slower since then gets more kills, later ones, until enough was merged between them.
  const isEnough = () => entries.length > MERGES
  for (let kill = 0; kill < KILLS || (!isEnough() && kill < 3 * KILLS); kill++) {
    await refill()
    if (kill % 11 === 5) {
      // The human edits a tracked file; some kills later it is committed, beneath what was merged meanwhile.
      await mendLandings(project)
      dirty = `v${++versions}\n`
      yard.human({ 'mine.txt': dirty })
    } else if (kill % 11 === 9 && dirty !== null) {
      await mendLandings(project)
      yard.human({ 'mine.txt': dirty }, 'Human')
      dirty = null
    }
    const driver = warm.shift()
    if (driver === undefined) throw new Error('no driver')
    await driver.line(/^ready$/)
    driver.drive()
    await delay(random() * LONGEST * oneMerge * (kill < KILLS ? 1 : 3))
    driver.signal('SIGKILL', random() < 0.5 ? 'group' : undefined)
    await driver.ended
    drivers.splice(drivers.indexOf(driver), 1)
    start()
    for (const [path, content] of Object.entries(untracked)) expect(yard.read(path), note(path)).toBe(content)
    if (dirty !== null) expect(yard.read('mine.txt'), note('mine.txt')).toBe(dirty)
  }

  await mendLandings(project)
  if (dirty !== null) yard.human({ 'mine.txt': dirty }, 'Human')
  await expect
    .poll(async () => {
      await driveTrain(project, { asked: true })
      return (await openMerges(project.db)).length
    })
    .toBe(0)

  // Every entry has ended, once, and the history says the same.
  const merges = yard
    .git('log', '--merges', '--format=%H %P %(trailers:key=Ov-Task,valueonly,separator=%x20)', 'main')
    .split('\n')
  const byTask = Map.groupBy(
    merges.filter((line) => line.split(' ').length === 4),
    (line) => line.split(' ')[3],
  )
  for (const entry of entries) {
    const row = await getMerge(project.db, entry.id)
    const task = await getTask(project.db, entry.task_id)
    const found = byTask.get(entry.task_id) ?? []
    if (row?.state === 'rejected') {
      expect(found, note(entry.branch)).toEqual([])
      expect(task, note(entry.branch)).toMatchObject({ state: 'running', attempts: 2 })
      continue
    }
    expect(row?.state, note(entry.branch)).toBe('merged')
    expect(found, note(entry.branch)).toHaveLength(1)
    expect(found[0]?.startsWith(`${row?.merged_as} `), note(entry.branch)).toBe(true)
    expect(found[0]?.split(' ')[2], note(entry.branch)).toBe(entry.head_sha)
    expect(task, note(entry.branch)).toMatchObject({ state: 'merged', merged_as: row?.merged_as })
  }
  expect(entries.length, note('merges while killing')).toBeGreaterThan(MERGES)
  // The checkout is whole, and nothing of ours lies about.
  expect(yard.git('status', '--porcelain')).toBe('?? notes.txt\n?? w/scratch.txt')
  expect(yard.git('rev-parse', 'main')).toBe(yard.git('rev-parse', 'HEAD'))
  expect(yard.read('mine.txt')).toBe(`v${versions}\n`)
  for (const [path, content] of Object.entries(untracked)) expect(yard.read(path)).toBe(content)
  expect(readdirSync(join(yard.repo, '.git')).filter((name) => /^ov-|\.lock$/.test(name))).toEqual([])
  expect(existsSync(join(yard.repo, '.git', 'refs', 'heads', 'main.lock'))).toBe(false)
  expect(yard.git('fsck', '--connectivity-only', '--no-dangling')).toBe('')
  expect(readFileSync(join(yard.repo, '.env'), 'utf8')).toBe('SECRET=mine\n')
}, 300_000)
