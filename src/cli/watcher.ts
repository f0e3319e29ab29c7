import { systemClock } from '../clock.ts'
import { openDatabase } from '../db/open.ts'
import { EXIT_CODES, OvError } from '../errors.ts'
import { forgetFrugality, giveBackMemory } from '../os/memory.ts'
import type { WatchSpec } from '../watchdog/spec.ts'
import { watchFleet } from '../watchdog/watch.ts'
import { interruption } from './interruption.ts'
import { type WatchStyle, watchView } from './watch-view.ts'

/** So often what its work has left behind in memory is given back, in ms. */
const REST_MS = 20_000

/** What `ov watch` hands to the process that watches. */
export interface WatcherOrder {
  readonly spec: WatchSpec
  /** ms, where it was asked for on the command line. */
  readonly interval: number | null
  readonly style: WatchStyle
}

/**
 * `ov watcher ORDER`: the process that watches, entered past the command framework so that it stays small. Not for
 * people, who type `ov watch`.
 */
export async function watcherMain([order = '']: readonly string[]): Promise<void> {
  const { spec, interval, style }: WatcherOrder = JSON.parse(order)
  forgetFrugality()
  const gone = interruption()
  const view = watchView(process.stdout, style)
  const db = openDatabase(spec.databasePath)
  setInterval(giveBackMemory, REST_MS).unref()
  try {
    view.say(`Watching ${spec.name}.`)
    await watchFleet(db, systemClock, spec, {
      gone,
      interval,
      tell: view.events,
      count: view.count,
      complain: view.say,
    })
    process.exitCode = EXIT_CODES.interrupted
  } catch (error) {
    if (!(error instanceof OvError)) throw error
    view.close()
    process.stderr.write(`✖ ${error.message}\n${error.hint === undefined ? '' : `Hint: ${error.hint}\n`}`)
    process.exitCode = error.exitCode
  } finally {
    view.close()
    await db.destroy()
  }
}
