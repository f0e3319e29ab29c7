import { join } from 'node:path'
import type { LoadSpec } from '../load/look.ts'
import { loadSpecNow } from '../load/mode.ts'
import { channelsOf } from '../notify/channels-of.ts'
import type { Project } from '../project.ts'
import type { Place } from './eyes.ts'
import type { Limits } from './silence.ts'

/**
 * All that a watcher needs to know of its project, as plain data. It travels to the watcher's own process, which then
 * loads neither the configuration nor git: what is resident all day is to be small.
 */
export interface WatchSpec extends Place {
  readonly name: string
  readonly databasePath: string
  /** Where those are started who act for the watcher. */
  readonly cwd: string
  readonly tmuxSocket: string | null
  /** Files that this was read from; when one changes it is read again. */
  readonly configFiles: readonly string[]
  /** ms between two looks at everything, whatever happens. */
  readonly interval: number
  /** Null where agents are not to be nudged. */
  readonly limits: Limits | null
  readonly load: LoadSpec
  /** ms between two looks for patterns that a monitor agent is told of; null where it is not. */
  readonly digestEvery: number | null
}

/** For whom nothing is ever too long. */
const PATIENCE: Limits = {
  nudgeAfter: Number.POSITIVE_INFINITY,
  nudgeEvery: Number.POSITIVE_INFINITY,
  nudges: 0,
  toolLimit: Number.POSITIVE_INFINITY,
}

export function limitsOf({ limits }: Pick<WatchSpec, 'limits'>): Limits {
  return limits ?? PATIENCE
}

export function watchSpec(project: Project): WatchSpec {
  const { agents, merge, watchdog } = project.config
  const { enabled, interval, loopAfter, ...limits } = watchdog.tier0
  return {
    name: project.name,
    databasePath: project.databasePath,
    stateDir: project.stateDir,
    cwd: project.configRoot,
    tmuxSocket: project.tmux?.socket ?? null,
    configFiles: ['overstory.yaml', 'overstory.local.yaml'].map((file) => join(project.configRoot, file)),
    maxConcurrent: agents.maxConcurrent,
    mergeAuto: merge.auto,
    answerWithin: watchdog.tier3.answerWithin,
    tells: channelsOf(project.config).length > 0,
    interval,
    limits: enabled ? limits : null,
    load: loadSpecNow(project),
    digestEvery: watchdog.tier2.enabled ? watchdog.tier2.every : null,
    loopAfter: enabled ? loopAfter : null,
    deadlines: enabled ? definedOf(watchdog.deadlines) : {},
  }
}

function definedOf<K extends string>(
  deadlines: Readonly<Partial<Record<K, number | undefined>>>,
): Partial<Record<K, number>> {
  const set = Object.entries(deadlines).filter((entry) => entry[1] !== undefined)
  return Object.fromEntries(set) as Partial<Record<K, number>>
}
