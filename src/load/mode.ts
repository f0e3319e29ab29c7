import { isAbsolute, resolve } from 'node:path'
import { recallSettings } from '../config/remembered.ts'
import type { Level } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { readMachine } from '../os/machine.ts'
import type { Project } from '../project.ts'
import { type LoadSpec, look, noteMode, type Sight } from './look.ts'
import { type Admission, type Doing, type Mode, mayAt, placesAt } from './rules.ts'
import { readModes, setMode, unsetMode } from './store.ts'

/** By the configuration as it is now: a runner may have been started under an older one. */
export function loadSpecNow({ config, root, stateDir }: Pick<Project, 'config' | 'root' | 'stateDir'>): LoadSpec {
  const { load, worktrees, agents } = recallSettings(root, stateDir)?.config ?? config
  const { minMemory = null, minDisk = null, ...limits } = load
  return {
    limits: { ...limits, minMemory, minDisk },
    folders: [stateDir, isAbsolute(worktrees.baseDir) ? worktrees.baseDir : resolve(root, worktrees.baseDir)],
    maxConcurrent: agents.maxConcurrent,
  }
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

/** Whether the reason why the queue waits says nothing beside what the level and its own reason say. */
export function holdsByLevel({ level, by, why, holds }: ModeReport): boolean {
  if (holds === null || level === 'full' || level === 'reduced') return holds === null
  return by === 'human' || holds.includes(why)
}

/** Looks, and changes nothing. */
export async function modeNow(project: Project): Promise<ModeReport> {
  const spec = loadSpecNow(project)
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

/** What was found so lately holds still, in ms: a train that merges many branches a second asks for each. */
const LOOK_LASTS_MS = 100
const lately = new WeakMap<Project, { readonly until: number; readonly level: Level }>()

/** Whether the fleet does such a thing just now. */
export async function isAllowed(project: Project, doing: Doing): Promise<boolean> {
  const now = project.clock.monotonic()
  const known = lately.get(project)
  if (known !== undefined && now < known.until) return mayAt(known.level, doing)
  const { level } = await modeNow(project)
  lately.set(project, { until: now + LOOK_LASTS_MS, level })
  return mayAt(level, doing)
}

/**
 * Refuses a person what the fleet does not do just now.
 * @throws {OvError} `mode.held`
 */
export async function requireAllowed(project: Project, doing: Doing): Promise<void> {
  if (await isAllowed(project, doing)) return
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

/** Who of the queue may start just now. */
export async function admissionNow(tx: Db, project: Project): Promise<Admission> {
  const spec = loadSpecNow(project)
  return (await look(tx, project.clock.now(), spec, readMachine(spec.folders))).admission
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
      if (human !== null) await noteMode(tx, now, { level: 'full', by: 'human', why })
      return
    }
    const until = forMs === null ? null : now + forMs
    const since = human?.level === level ? human.since : now
    await setMode(tx, 'human', { level, why, shortages: [], until }, since)
    await noteMode(tx, now, { level, by: 'human', why })
  })
}
