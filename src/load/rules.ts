import type { Admitted } from '../agents/store.ts'
import { LEVELS, type Level } from '../contract/states.ts'
import type { Disk, Machine } from '../os/machine.ts'

/*
 * What a fleet may do with what its machine has left. Everything here is pure: facts and what held before come in, a
 * level and reasons come out.
 *
 *   full ◄──► reduced ◄──► minimal ◄──► read-only
 *
 * A shortage begins below its line, and is over only when there is a quarter more than that: so nothing flaps.
 */

/** What may be wanted, and at which levels it is done. */
const DONE_AT = {
  /** A new agent begins. */
  start: ['full', 'reduced'],
  /** Worktrees are prepared ahead. */
  pool: ['full'],
  /** A model is asked about an agent that hangs. */
  triage: ['full'],
  /** An agent begins another turn. Turns that run always go on to their end. */
  turn: ['full', 'reduced', 'minimal'],
  /** The merge train takes another entry. */
  merge: ['full', 'reduced', 'minimal'],
  /** A checkout is brought along. */
  land: ['full', 'reduced', 'minimal'],
} as const satisfies Readonly<Record<string, readonly Level[]>>

export type Doing = keyof typeof DONE_AT

export function mayAt(level: Level, doing: Doing): boolean {
  return (DONE_AT[doing] as readonly Level[]).includes(level)
}

export function isStricter(a: Level, b: Level): boolean {
  return LEVELS.indexOf(a) > LEVELS.indexOf(b)
}

/** What is kept free, as configured; bytes, percent. Null: found out by what the machine has. */
export interface Limits {
  readonly enabled: boolean
  readonly minMemory: number | null
  readonly perAgentMemory: number
  readonly minDisk: number | null
  readonly maxCpuPressure: number
  readonly maxLoadPerCore: number
  readonly maxMemoryPressure: number
  readonly maxIoPressure: number
}

export interface LoadFacts {
  readonly machine: Machine
  /** Agents that hold a place, and those of them that their provider holds back. */
  readonly live: number
  readonly parked: number
}

/** Something there is too little of. */
export interface Shortage {
  readonly of: 'memory' | 'cpu' | 'io' | 'disk' | 'files' | 'state' | 'provider'
  /** What it asks for. */
  readonly level: Level
  /** A sentence for people, with the setting that draws the line. */
  readonly why: string
}

const MB = 1024 ** 2
const GB = 1024 ** 3
/** What is kept where nothing is configured: so much, or on a small machine this share of what it has. */
const KEPT_MEMORY = { most: 512 * MB, share: 1 / 10 }
const KEPT_DISK = { most: GB, share: 1 / 20 }
const KEPT_FILES = { most: 5_000, share: 1 / 20 }
/** Below this share of what is kept, and at most so much, a disk is as good as full. */
const EXHAUSTED = { most: 100 * MB, files: 500, share: 1 / 10 }
/** A shortage is over when there is so many times what is kept. */
const MARGIN = 1.25
/** Pressure is over below this share of its limit. */
const RELIEF = 0.8
/** Fewer agents than these are no fleet that its provider holds back. */
const SOME_PARKED = 2

/** Bytes of memory that are kept free. */
function keptMemory({ minMemory }: Limits, total: number): number {
  return minMemory ?? Math.min(KEPT_MEMORY.most, total * KEPT_MEMORY.share)
}

/**
 * What there is too little of, the worst first.
 *
 * @param before those that held at the last look, as `OF:LEVEL`
 */
export function shortagesOf(facts: LoadFacts, limits: Limits, before: ReadonlySet<string>): Shortage[] {
  const { machine } = facts
  const found: Shortage[] = []
  const note = (of: Shortage['of'], level: Level, why: string) => void found.push({ of, level, why })
  /** Whether there is less than is kept, or was and there is hardly more by now. */
  const short = (of: Shortage['of'], level: Level, has: number, kept: number) =>
    has < kept * (before.has(`${of}:${level}`) ? MARGIN : 1)
  const pressed = (of: Shortage['of'], level: Level, is: number, most: number) =>
    most < 100 && is >= most * (before.has(`${of}:${level}`) ? RELIEF : 1)

  if (!machine.writable) note('state', 'read-only', 'The folder of its state cannot be written to.')
  if (limits.enabled) {
    for (const disk of machine.disks) noteDisk(disk, limits, short, note)
    if (machine.memory !== null) {
      const { available, total } = machine.memory
      const kept = keptMemory(limits, total)
      const free = `${size(available)} of memory are free`
      if (short('memory', 'minimal', available, kept))
        note('memory', 'minimal', `${free}, ${size(kept)} are kept (load.minMemory).`)
      else if (short('memory', 'reduced', available, 2 * kept))
        note('memory', 'reduced', `${free}, hardly more than the ${size(kept)} that are kept (load.minMemory).`)
    }
    const { pressure, loadPerCore } = machine
    if (pressure !== null && pressed('memory', 'minimal', pressure.memory, limits.maxMemoryPressure))
      note('memory', 'minimal', stalling('memory', pressure.memory, 'maxMemoryPressure', limits.maxMemoryPressure))
    if (pressure !== null && pressed('io', 'minimal', pressure.io, limits.maxIoPressure))
      note('io', 'minimal', stalling('its disks', pressure.io, 'maxIoPressure', limits.maxIoPressure))
    if (isOverrun(machine, limits, before.has('cpu:minimal')))
      note(
        'cpu',
        'minimal',
        `${Math.round(loadPerCore ?? 0)} processes want each core, ${limits.maxLoadPerCore} may (load.maxLoadPerCore).`,
      )
    const { parked, live } = facts
    if (parked >= SOME_PARKED && parked * 2 >= live)
      note('provider', 'reduced', `${parked} of ${live} agents are held back by their provider.`)
  }
  return found.sort((a, b) => LEVELS.indexOf(b.level) - LEVELS.indexOf(a.level))
}

function noteDisk(
  { folder, free, size: whole, files }: Disk,
  limits: Limits,
  short: (of: Shortage['of'], level: Level, has: number, kept: number) => boolean,
  note: (of: Shortage['of'], level: Level, why: string) => void,
): void {
  const kept = limits.minDisk ?? Math.min(KEPT_DISK.most, whole * KEPT_DISK.share)
  const why = `${size(free)} are free at ${folder}, ${size(kept)} are kept (load.minDisk).`
  if (short('disk', 'read-only', free, Math.min(EXHAUSTED.most, kept * EXHAUSTED.share))) note('disk', 'read-only', why)
  else if (short('disk', 'minimal', free, kept)) note('disk', 'minimal', why)
  if (files === null) return
  const keptFiles = Math.min(KEPT_FILES.most, files.size * KEPT_FILES.share)
  const few = `${files.free} more files can be made at ${folder}, ${Math.round(keptFiles)} are kept.`
  if (short('files', 'read-only', files.free, Math.min(EXHAUSTED.files, keptFiles * EXHAUSTED.share)))
    note('files', 'read-only', few)
  else if (short('files', 'minimal', files.free, keptFiles)) note('files', 'minimal', few)
}

/**
 * Whether there is far more to compute than can be. A machine that compiles is under full pressure soon, and works well:
 * so pressure counts only together with how many want to run. Where the kernel tells no pressure, that alone counts.
 */
function isOverrun({ pressure, loadPerCore }: Machine, limits: Limits, before: boolean): boolean {
  const relief = before ? RELIEF : 1
  if (loadPerCore === null || loadPerCore < limits.maxLoadPerCore * relief) return false
  return pressure === null || pressure.cpu >= limits.maxCpuPressure * relief
}

function stalling(what: string, is: number, key: string, most: number): string {
  return `The machine stalls for want of ${what} for ${Math.round(is)} % of the time, ${most} % are borne (load.${key}).`
}

/** What the fleet is at. */
export interface Mode {
  readonly level: Level
  /** Whose wish that is: a person's, or what the machine's load asks for. */
  readonly by: 'human' | 'ov'
  /** A sentence; empty when everything is done. */
  readonly why: string
}

/** The stricter of what a person wants and what the load asks for; where they agree it is the person's. */
export function modeOf(
  wish: { readonly level: Level; readonly why: string } | null,
  shortages: readonly Shortage[],
): Mode {
  const worst = shortages[0]
  if (worst !== undefined && isStricter(worst.level, wish?.level ?? 'full'))
    return { level: worst.level, by: 'ov', why: worst.why }
  return wish === null ? { level: 'full', by: 'ov', why: '' } : { level: wish.level, by: 'human', why: wish.why }
}

/** Places at a level: at `reduced` half of them, but one. */
export function placesAt(level: Level, maxConcurrent: number): number {
  return level === 'reduced' ? Math.max(1, Math.floor(maxConcurrent / 2)) : maxConcurrent
}

/** The most that may be at work for the queue to be looked at: at `minimal` one may start when there is nobody. */
export function placesWatched(level: Level, maxConcurrent: number): number {
  return level === 'read-only' ? 0 : level === 'minimal' ? 1 : placesAt(level, maxConcurrent)
}

export interface Wish {
  readonly mode: Mode
  readonly live: number
  /** Those of them that have not begun to use what they will. */
  readonly starting: number
  readonly maxConcurrent: number
  readonly machine: Machine
  readonly limits: Limits
}

export interface Admission {
  readonly admits: Admitted
  /** Why others wait, beside that all places are taken; null when that is all. */
  readonly why: string | null
}

/**
 * Never a deadlock: when nobody is at work, one agent may start whatever the load is, unless the disk is as good as full.
 * What a person has said holds without exception.
 */
export function admission({ mode, live, starting, maxConcurrent, machine, limits }: Wish): Admission {
  const { level, by, why } = mode
  const said = by === 'human' ? `The fleet is at "${level}"${why === '' ? '.' : `: ${why}`}` : why
  if (level === 'read-only') return { admits: 'persistent', why: said }
  if (live >= maxConcurrent) return { admits: 'persistent', why: null }
  if (level === 'minimal' && by === 'human') return { admits: 'begun', why: said }
  if (live === 0) return { admits: 'anybody', why: null }
  if (level === 'minimal') return { admits: 'persistent', why }
  const places = placesAt(level, maxConcurrent)
  if (live >= places)
    return {
      admits: 'persistent',
      why: `${places} of ${maxConcurrent} places are used at "reduced".${why && ` ${why}`}`,
    }
  const { memory } = machine
  if (memory !== null && limits.enabled) {
    const kept = keptMemory(limits, memory.total)
    const needed = kept + limits.perAgentMemory * (starting + 1)
    if (memory.available < needed) {
      const others = starting === 0 ? '' : `, and ${starting} just starting`
      return {
        admits: 'persistent',
        why: `${size(memory.available)} of memory are free; ${size(kept)} are kept (load.minMemory), ${size(limits.perAgentMemory)} are for each agent (load.perAgentMemory)${others}.`,
      }
    }
  }
  return { admits: 'anybody', why: null }
}

/** `0.6 GB`, `350 MB` */
export function size(bytes: number): string {
  if (bytes >= 100 * GB) return `${Math.round(bytes / GB)} GB`
  if (bytes >= GB / 2) return `${(bytes / GB).toFixed(1)} GB`
  return `${Math.floor(bytes / MB)} MB`
}
