import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LEVELS, type Level } from '../../src/contract/states.ts'
import {
  admission,
  isStricter,
  type Limits,
  type LoadFacts,
  type Mode,
  mayAt,
  modeOf,
  placesAt,
  shortagesOf,
} from '../../src/load/rules.ts'
import type { Machine } from '../../src/os/machine.ts'

const MB = 1024 ** 2
const GB = 1024 ** 3
const LIMITS: Limits = {
  enabled: true,
  minMemory: GB,
  perAgentMemory: 256 * MB,
  minDisk: 2 * GB,
  maxCpuPressure: 90,
  maxLoadPerCore: 30,
  maxMemoryPressure: 40,
  maxIoPressure: 95,
}
const IDLE: Machine = {
  memory: { available: 20 * GB, total: 24 * GB },
  pressure: { cpu: 5, memory: 0, io: 1 },
  loadPerCore: 1,
  disks: [{ folder: '/state', free: 70 * GB, size: 250 * GB, files: { free: 1_000_000, size: 2_000_000 } }],
  writable: true,
}

function facts(machine: Partial<Machine>, more: Partial<LoadFacts> = {}): LoadFacts {
  return { machine: { ...IDLE, ...machine }, live: 3, parked: 0, ...more }
}

const disk = (free: number, size = 250 * GB) => ({ disks: [{ folder: '/state', free, size, files: null }] })
const memory = (available: number, total = 24 * GB) => ({ memory: { available, total } })

/** What follows from what the machine has: level and reason. */
function said(machine: Partial<Machine>, limits: Partial<Limits> = {}, before: string[] = []): [Level, string] {
  const { level, why } = modeOf(null, shortagesOf(facts(machine), { ...LIMITS, ...limits }, new Set(before)))
  return [level, why]
}

test('a machine that has enough of everything does everything', () => {
  expect(said({})).toEqual(['full', ''])
  expect(said({ memory: null, pressure: null, loadPerCore: null })).toEqual(['full', ''])
})

test('each shortage asks for its level, and says which setting draws the line', () => {
  expect(said(memory(0.6 * GB))).toEqual(['minimal', '0.6 GB of memory are free, 1.0 GB are kept (load.minMemory).'])
  expect(said(memory(1.5 * GB))[0]).toBe('reduced')
  expect(said(disk(1.5 * GB))).toEqual(['minimal', '1.5 GB are free at /state, 2.0 GB are kept (load.minDisk).'])
  expect(said(disk(50 * MB))[0]).toBe('read-only')
  const few = { disks: [{ folder: '/state', free: 9 * GB, size: 9 * GB, files: { free: 3_000, size: 10_000_000 } }] }
  expect(said(few)).toEqual(['minimal', '3000 more files can be made at /state, 5000 are kept.'])
  const pressure = { cpu: 99, memory: 55, io: 1 }
  expect(said({ pressure })).toEqual([
    'minimal',
    'The machine stalls for want of memory for 55 % of the time, 40 % are borne (load.maxMemoryPressure).',
  ])
  expect(said({ pressure: { cpu: 9, memory: 0, io: 97 } })[1]).toContain('load.maxIoPressure')
  expect(said({ writable: false })[0]).toBe('read-only')
})

test('a machine under full pressure works well, until far more wants to run than can', () => {
  const pressure = { cpu: 100, memory: 0, io: 0 }
  expect(said({ pressure, loadPerCore: 10 })[0]).toBe('full')
  expect(said({ pressure: { ...pressure, cpu: 50 }, loadPerCore: 100 })[0]).toBe('full')
  const overrun = 'load.maxLoadPerCore'
  expect(said({ pressure, loadPerCore: 31 })).toEqual(['minimal', expect.stringContaining(overrun)])
  expect(said({ pressure: null, loadPerCore: 31 })).toEqual(['minimal', expect.stringContaining(overrun)])
})

test('where nothing is configured a small machine keeps a share of what it has', () => {
  const unset = { minMemory: null, minDisk: null }
  expect(said(memory(300 * MB, GB), unset)[0]).toBe('full')
  expect(said(memory(150 * MB, GB), unset)[0]).toBe('reduced')
  expect(said(memory(90 * MB, GB), unset)[0]).toBe('minimal')
  expect(said(memory(500 * MB), unset)[0]).toBe('minimal')
  expect(said(disk(5 * MB, 8 * MB), unset)[0]).toBe('full')
  expect(said(disk(GB - 1), unset)[0]).toBe('minimal')
})

test('switched off, the load asks for nothing, but a folder that cannot be written to does', () => {
  expect(said({ ...memory(0), ...disk(0) }, { enabled: false })).toEqual(['full', ''])
  expect(said({ writable: false }, { enabled: false })[0]).toBe('read-only')
})

test('a shortage is over only when there is a quarter more than is kept', () => {
  expect(said(memory(1.2 * GB))[0]).toBe('reduced')
  expect(said(memory(1.2 * GB), {}, ['memory:minimal'])[0]).toBe('minimal')
  expect(said(memory(1.3 * GB), {}, ['memory:minimal'])[0]).toBe('reduced')
  expect(said(disk(2.1 * GB), {}, ['disk:minimal'])[0]).toBe('minimal')
  const pressure = { cpu: 1, memory: 35, io: 0 }
  expect(said({ pressure }, {}, [])[0]).toBe('full')
  expect(said({ pressure }, {}, ['memory:minimal'])[0]).toBe('minimal')
})

test('agents of which half are held back by their provider start no more at once than half', () => {
  const mode = (parked: number, live: number) =>
    modeOf(null, shortagesOf(facts({}, { parked, live }), LIMITS, new Set())).level
  expect([mode(1, 1), mode(2, 5), mode(2, 4), mode(3, 5)]).toEqual(['full', 'full', 'reduced', 'reduced'])
})

test('the stricter counts: what a person has said, or what the load asks for', () => {
  const short = shortagesOf(facts(memory(0.5 * GB)), LIMITS, new Set())
  const wish = (level: Level) => ({ level, why: 'I said so' })
  expect(modeOf(wish('reduced'), short)).toMatchObject({ level: 'minimal', by: 'ov' })
  expect(modeOf(wish('minimal'), short)).toEqual({ level: 'minimal', by: 'human', why: 'I said so' })
  expect(modeOf(wish('read-only'), short)).toMatchObject({ level: 'read-only', by: 'human' })
  expect(modeOf(wish('reduced'), [])).toMatchObject({ level: 'reduced', by: 'human' })
})

test('what is done at which level', () => {
  const table = LEVELS.map((level) => [
    level,
    ...(['start', 'pool', 'triage', 'turn', 'merge', 'land'] as const).filter((doing) => mayAt(level, doing)),
  ])
  expect(table).toEqual([
    ['full', 'start', 'pool', 'triage', 'turn', 'merge', 'land'],
    ['reduced', 'start', 'turn', 'merge', 'land'],
    ['minimal', 'turn', 'merge', 'land'],
    ['read-only'],
  ])
  expect([placesAt('reduced', 5), placesAt('reduced', 1), placesAt('full', 5)]).toEqual([2, 1, 5])
})

const MODE: Mode = { level: 'full', by: 'ov', why: '' }

function admits(more: Partial<Parameters<typeof admission>[0]>) {
  const wish = { mode: MODE, live: 3, starting: 0, maxConcurrent: 5, machine: IDLE, limits: LIMITS }
  return admission({ ...wish, ...more })
}

test('each agent that starts finds the memory it will need', () => {
  const machine = { ...IDLE, ...memory(1.6 * GB) }
  expect(admits({ machine })).toEqual({ admits: 'anybody', why: null })
  expect(admits({ machine, starting: 2 })).toEqual({
    admits: 'persistent',
    why: '1.6 GB of memory are free; 1.0 GB are kept (load.minMemory), 256 MB are for each agent (load.perAgentMemory), and 2 just starting.',
  })
})

test('at "minimal" by a person those that had begun go on; at "read-only" nobody starts', () => {
  const minimal: Mode = { level: 'minimal', by: 'human', why: 'Release day' }
  expect(admits({ mode: minimal })).toEqual({ admits: 'begun', why: 'The fleet is at "minimal": Release day' })
  expect(admits({ mode: minimal, live: 0 }).admits).toBe('begun')
  expect(admits({ mode: { ...minimal, level: 'read-only' }, live: 0 }).admits).toBe('persistent')
  expect(admits({ mode: { ...minimal, level: 'reduced' }, live: 2 }).admits).toBe('persistent')
  expect(admits({ mode: { ...minimal, level: 'reduced' }, live: 1 }).admits).toBe('anybody')
})

test('whatever the load is, with nobody at work one may start, unless the disk is as good as full', () => {
  const anything = fc.record({
    available: fc.nat(24 * 1024),
    free: fc.nat(10 * 1024),
    cpu: fc.nat(100),
    stall: fc.nat(100),
    load: fc.nat(1_000),
    starting: fc.nat(3),
  })
  fc.assert(
    fc.property(anything, ({ available, free, cpu, stall, load }) => {
      const machine: Machine = {
        memory: { available: available * MB, total: 24 * GB },
        pressure: { cpu, memory: stall, io: stall },
        loadPerCore: load,
        ...disk(free * MB),
        writable: true,
      }
      const mode = modeOf(null, shortagesOf({ machine, live: 0, parked: 0 }, LIMITS, new Set()))
      const isFull = free < 100
      expect(mode.level === 'read-only').toBe(isFull)
      expect(admits({ mode, machine, live: 0 }).admits).toBe(isFull ? 'persistent' : 'anybody')
      expect(admits({ mode, machine, live: 5 }).admits).toBe('persistent')
    }),
  )
})

test('less of anything never asks for more to be done', () => {
  fc.assert(
    fc.property(fc.nat(8_000), fc.nat(8_000), (one, other) => {
      const [less, more] = [Math.min(one, other), Math.max(one, other)]
      expect(isStricter(said(memory(more * MB))[0], said(memory(less * MB))[0])).toBe(false)
      expect(isStricter(said(disk(more * MB))[0], said(disk(less * MB))[0])).toBe(false)
    }),
  )
})
