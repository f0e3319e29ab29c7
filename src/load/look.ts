import type { Kysely } from 'kysely'
import { countLive, countParked, countStarting } from '../agents/store.ts'
import type { Clock } from '../clock.ts'
import type { Level } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { type Machine, readMachine } from '../os/machine.ts'
import { type Admission, admission, isStricter, type Limits, type Mode, modeOf, shortagesOf } from './rules.ts'
import { type ModeRows, readModes, setMode, unsetMode } from './store.ts'

/** What is needed to look at the load. Plain data: a watcher holds no project open. */
export interface LoadSpec {
  readonly limits: Limits
  /** Folders on whose disks is written, the one of the state first. */
  readonly folders: readonly string[]
  readonly maxConcurrent: number
}

/** One look at what there is and what is wanted. */
export interface Sight {
  readonly rows: ModeRows
  readonly mode: Mode
  readonly admission: Admission
  /** What there is too little of, as rows keep it. */
  readonly shortages: readonly string[]
  readonly byLoad: Mode
}

/** Reads the rows, and judges what the machine has left. Changes nothing. */
export async function look(db: Db, now: number, spec: LoadSpec, machine: Machine): Promise<Sight> {
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

/**
 * Looks, and records what has changed since the last look: whoever starts agents or looks after the fleet does this. What
 * can't be recorded just now (a full disk is a reason to record something) is at the next look.
 */
export async function assess(db: Kysely<Schema>, clock: Clock, spec: LoadSpec): Promise<void> {
  const machine = readMachine(spec.folders)
  if (!isNews(await look(db, clock.now(), spec, machine))) return
  try {
    await write(db, (tx) => settle(tx, clock.now(), spec, machine))
  } catch (error) {
    if (!(error instanceof OvError)) throw error
  }
}

/** The level as it was last recorded, which whoever looks after the fleet keeps up to date. */
export async function recordedLevel(db: Db, now: number): Promise<Level> {
  const { human, ov } = await readModes(db, now)
  const [mine, its]: [Level, Level] = [human?.level ?? 'full', ov?.level ?? 'full']
  return isStricter(its, mine) ? its : mine
}

function isNews({ rows: { ov, expired }, byLoad, shortages }: Sight): boolean {
  const differs = (ov?.shortages_json ?? '[]') !== JSON.stringify(shortages)
  return expired !== null || (ov?.level ?? 'full') !== byLoad.level || differs
}

async function settle(tx: Db, now: number, spec: LoadSpec, machine: Machine): Promise<void> {
  const sight = await look(tx, now, spec, machine)
  if (!isNews(sight)) return
  const { rows, byLoad, shortages } = sight
  if (rows.expired !== null) {
    await unsetMode(tx, 'human')
    await noteMode(tx, now, { level: 'full', by: 'ov', why: `The time of "${rows.expired.level}" is up.` })
  }
  const was = rows.ov?.level ?? 'full'
  if (was !== byLoad.level)
    await noteMode(tx, now, { ...byLoad, why: byLoad.why || 'There is enough of everything again.' })
  if (byLoad.level === 'full') await unsetMode(tx, 'ov')
  else
    await setMode(tx, 'ov', { ...byLoad, shortages, until: null }, was === byLoad.level ? (rows.ov?.since ?? now) : now)
}

/** Records that somebody wants another level. */
export function noteMode(tx: Db, at: number, { level, by, why }: Mode): Promise<void> {
  return recordEvent(tx, { at, type: 'mode.changed', data: { level, by, why } })
}
