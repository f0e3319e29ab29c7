import { isAbsolute, resolve } from 'node:path'
import type { Kysely } from 'kysely'
import { countLive, countParked, countStarting } from '../agents/store.ts'
import type { Clock } from '../clock.ts'
import { recallSettings } from '../config/remembered.ts'
import type { Level } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { type Machine, readMachine } from '../os/machine.ts'
import type { Project } from '../project.ts'
import {
  type Admission,
  admission,
  type Doing,
  type Limits,
  type Mode,
  mayAt,
  modeOf,
  placesAt,
  shortagesOf,
} from './rules.ts'
import { type ModeRows, readModes, setMode, unsetMode } from './store.ts'

/** What is needed to look at the load. Plain data: a watcher holds no project open. */
export interface LoadSpec {
  readonly limits: Limits
  /** Folders on whose disks is written, the one of the state first. */
  readonly folders: readonly string[]
  readonly maxConcurrent: number
}

function loadSpec({ config, root, stateDir }: Pick<Project, 'config' | 'root' | 'stateDir'>): LoadSpec {
  const { baseDir } = config.worktrees
  const { minMemory = null, minDisk = null, ...limits } = config.load
  return {
    limits: { ...limits, minMemory, minDisk },
    folders: [stateDir, isAbsolute(baseDir) ? baseDir : resolve(root, baseDir)],
    maxConcurrent: config.agents.maxConcurrent,
  }
}

/** By the configuration as it is now: a runner may have been started under an older one. */
export function loadSpecNow({ config, root, stateDir }: Pick<Project, 'config' | 'root' | 'stateDir'>): LoadSpec {
  return loadSpec({ config: recallSettings(root, stateDir)?.config ?? config, root, stateDir })
}

/** How much the fleet does just now, and why. Times are ms since the epoch. */
export interface ModeReport extends Mode {
  /** Since when, as far as it is recorded. */
  readonly since: number | null
  /** When a person's wish ends by itself. */
  readonly until: number | null
  /** Agents that may be at work at once. */
  readonly places: number
  /** Why the next of the queue does not start though a place is free; null when it would, or nothing but places is wanting. */
  readonly holds: string | null
}

/** One look at what there is and what is wanted. */
interface Sight {
  readonly rows: ModeRows
  readonly mode: Mode
  readonly admission: Admission
  /** What there is too little of, as rows keep it. */
  readonly shortages: readonly string[]
  readonly byLoad: Mode
}

async function look(db: Db, now: number, spec: LoadSpec, machine: Machine): Promise<Sight> {
  const rows = await readModes(db, now)
  const live = await countLive(db)
  const facts = { machine, live, parked: await countParked(db) }
  const before = new Set<string>(rows.ov === null ? [] : JSON.parse(rows.ov.shortages_json))
  const shortages = shortagesOf(facts, spec.limits, before)
  const mode = modeOf(rows.human, shortages)
  const { limits, maxConcurrent } = spec
  const starting = await countStarting(db)
  return {
    rows,
    mode,
    byLoad: modeOf(null, shortages),
    shortages: shortages.map(({ of, level }) => `${of}:${level}`),
    admission: admission({ mode, live, starting, maxConcurrent, machine, limits }),
  }
}

/** Looks, and changes nothing. */
export async function modeNow(project: Project): Promise<ModeReport> {
  const spec = loadSpec(project)
  const sight = await look(project.db, project.clock.now(), spec, readMachine(spec.folders))
  return reportOf(sight, spec)
}

function reportOf({ rows, mode, admission: { why } }: Sight, { maxConcurrent }: LoadSpec): ModeReport {
  const row = mode.by === 'human' ? rows.human : rows.ov
  return {
    ...mode,
    since: row?.level === mode.level ? row.since : null,
    until: mode.by === 'human' ? (row?.until ?? null) : null,
    places: placesAt(mode.level, maxConcurrent),
    holds: why,
  }
}

/** Whether the fleet does such a thing just now. */
export async function isAllowed(project: Project, doing: Doing): Promise<boolean> {
  return mayAt((await modeNow(project)).level, doing)
}

/**
 * Refuses a person what the fleet does not do just now.
 * @throws {OvError} `mode.held`
 */
export async function requireAllowed(project: Project, doing: Doing): Promise<void> {
  const { level, by, why } = await modeNow(project)
  if (mayAt(level, doing)) return
  throw new OvError(
    'busy',
    'mode.held',
    `The fleet is at "${level}"${by === 'human' ? ', as you said' : ''}.${why && ` ${why}`}`,
    {
      hint: by === 'human' ? 'ov mode auto' : 'ov mode',
    },
  )
}

/** Looks, and records what has changed since the last look: whoever starts agents or looks after the fleet does this. */
export async function assess(db: Kysely<Schema>, clock: Clock, spec: LoadSpec): Promise<Mode> {
  const machine = readMachine(spec.folders)
  const sight = await look(db, clock.now(), spec, machine)
  if (!isNews(sight)) return sight.mode
  return (await write(db, (tx) => settle(tx, clock.now(), spec, machine))).mode
}

/** The same in a transaction that goes on to start somebody: says who may. */
export async function admit(tx: Db, project: Project): Promise<Admission> {
  const spec = loadSpecNow(project)
  return (await settle(tx, project.clock.now(), spec, readMachine(spec.folders))).admission
}

function isNews({ rows: { ov, expired }, byLoad, shortages }: Sight): boolean {
  const differs = (ov?.shortages_json ?? '[]') !== JSON.stringify(shortages)
  return expired !== null || (ov?.level ?? 'full') !== byLoad.level || differs
}

async function settle(tx: Db, now: number, spec: LoadSpec, machine: Machine): Promise<Sight> {
  const sight = await look(tx, now, spec, machine)
  if (!isNews(sight)) return sight
  const { rows, byLoad, shortages } = sight
  if (rows.expired !== null) {
    await unsetMode(tx, 'human')
    await note(tx, now, { level: 'full', by: 'ov', why: `The time of "${rows.expired.level}" is up.` })
  }
  const was = rows.ov?.level ?? 'full'
  if (was !== byLoad.level)
    await note(tx, now, { ...byLoad, why: byLoad.why || 'There is enough of everything again.' })
  if (byLoad.level === 'full') await unsetMode(tx, 'ov')
  else
    await setMode(tx, 'ov', { ...byLoad, shortages, until: null }, was === byLoad.level ? (rows.ov?.since ?? now) : now)
  return sight
}

function note(tx: Db, at: number, { level, by, why }: Mode): Promise<void> {
  return recordEvent(tx, { at, type: 'mode.changed', data: { level, by, why } })
}

/**
 * What a person wants: a level, for a while or until it is taken back; `auto` takes it back, and `full` is no less.
 *
 * @param forMs so long; null: until it is taken back
 */
export async function wishMode(
  project: Project,
  { level, forMs, why }: { level: Level | 'auto'; forMs: number | null; why: string },
): Promise<void> {
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    const { human } = await readModes(tx, now)
    if (level === 'auto' || level === 'full') {
      await unsetMode(tx, 'human')
      if (human !== null) await note(tx, now, { level: 'full', by: 'human', why })
      return
    }
    const until = forMs === null ? null : now + forMs
    const since = human?.level === level ? human.since : now
    await setMode(tx, 'human', { level, why, shortages: [], until }, since)
    await note(tx, now, { level, by: 'human', why })
  })
}
