import { setTimeout as delay } from 'node:timers/promises'
import { leaseOwner } from '../db/lease.ts'
import { OvError } from '../errors.ts'
import { liveness, signal } from '../os/process.ts'
import type { Project } from '../project.ts'
import { WATCH_LEASE, type Watcher, watcherAtWork } from './lease.ts'

/** A watcher that does not end when asked is killed after this long, in ms; all it has is in the database. */
const PATIENCE_MS = 3_000

/**
 * Ends whoever watches: asked first, then killed. One that is stopped (Ctrl-Z) is woken for it. Gives who it was; null
 * when nobody watched.
 *
 * @throws {OvError} `watch.not-stopped`
 */
export async function stopWatcher(project: Project): Promise<Watcher | null> {
  const { db, clock } = project
  const owner = await leaseOwner(db, WATCH_LEASE)
  const watcher = await watcherAtWork(db, clock)
  if (owner === null || watcher === null) return null
  signal(owner.who, 'SIGTERM')
  signal(owner.who, 'SIGCONT')
  for (const began = clock.monotonic(); liveness(owner.who) !== 'gone'; await delay(20)) {
    const waited = clock.monotonic() - began
    if (waited > PATIENCE_MS) signal(owner.who, 'SIGKILL')
    if (waited > 2 * PATIENCE_MS) {
      throw new OvError('failed', 'watch.not-stopped', `Process ${owner.who.pid} watches, and could not be ended.`, {
        hint: `ps -p ${owner.who.pid}`,
      })
    }
  }
  return watcher
}
