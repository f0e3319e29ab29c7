import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { OvError } from '../errors.ts'
import { keepOne } from '../os/files.ts'
import { frugalEnvironment } from '../os/memory.ts'
import { becomeProgram, identify, liveness, spawnDetached } from '../os/process.ts'
import { OV_MAIN } from '../place.ts'
import type { Project } from '../project.ts'
import { type Watcher, watcherAtWork } from '../watchdog/lease.ts'
import { watchSpec } from '../watchdog/spec.ts'
import { busy } from '../watchdog/watch.ts'
import type { WatchStyle } from './watch-view.ts'
import { type WatcherOrder, watcherMain } from './watcher.ts'

/** Above this size, in bytes, the log of former watchers is set aside when a new one starts. */
const LOG_LIMIT = 1024 * 1024
/** A watcher that does not watch after this long, in ms, is said to have failed. */
const START_MS = 15_000

/** Where a watcher in the background says what it does. */
export function watchLog(project: Pick<Project, 'stateDir'>): string {
  return join(project.stateDir, 'logs', 'watch.log')
}

/**
 * Watches in the foreground: this very process becomes the watcher, without all that the command line needed. Where Node
 * can't do that (before 22.15), it watches as it is.
 *
 * @param interval ms, or null for what is configured
 * @throws {OvError} `watch.busy`
 */
export async function becomeWatcher(project: Project, interval: number | null, style: WatchStyle): Promise<void> {
  await refuseSecond(project)
  const order = orderOf(project, interval, style)
  await project.close()
  becomeProgram(commandOf(order), frugalEnvironment())
  await watcherMain([JSON.stringify(order)])
}

/** Starts a watcher that outlives us, and waits until it watches. Nothing is started where somebody watches already. */
export async function watchInBackground(
  project: Project,
  interval: number | null,
): Promise<{ watcher: Watcher; log: string; started: boolean }> {
  const log = watchLog(project)
  const other = await watcherAtWork(project.db, project.clock)
  if (other !== null) return { watcher: other, log, started: false }
  mkdirSync(dirname(log), { recursive: true })
  keepOne(log, LOG_LIMIT)
  const logFd = openSync(log, 'a')
  const argv = commandOf(orderOf(project, interval, 'log'))
  const pid = spawnDetached(argv, { cwd: project.configRoot, env: frugalEnvironment(), logFd })
  closeSync(logFd)
  const child = identify(pid)
  for (const began = project.clock.monotonic(); project.clock.monotonic() - began < START_MS; await delay(20)) {
    const watcher = await watcherAtWork(project.db, project.clock)
    // Two that are started at once: one of them watches, which is what both wanted.
    if (watcher !== null) return { watcher, log, started: watcher.pid === pid }
    if (child === null || liveness(child) === 'gone') break
  }
  throw new OvError('failed', 'watch.not-started', 'The watcher did not start.', { hint: `What it said: tail ${log}` })
}

/** @throws {OvError} `watch.busy` */
async function refuseSecond({ db, clock }: Project): Promise<void> {
  const other = await watcherAtWork(db, clock)
  if (other !== null) throw busy(other, clock.now())
}

function orderOf(project: Project, interval: number | null, style: WatchStyle): WatcherOrder {
  return { spec: watchSpec(project), interval, style }
}

/**
 * A process that mostly sleeps needs no compiled code and no large nursery: 10 MB less. `--expose-gc` is for
 * `giveBackMemory`. Flags of V8, which only versions of Node are given that are known to know them: an unknown one would
 * be the end.
 */
const SMALL = /^v(22|24)\./.test(process.version) ? ['--max-semi-space-size=1', '--lite-mode', '--expose-gc'] : []

function commandOf(order: WatcherOrder): string[] {
  return [process.execPath, ...SMALL, OV_MAIN, 'watcher', JSON.stringify(order)]
}
