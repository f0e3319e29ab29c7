import { spawnPiped } from '../os/process.ts'
import { OV_MAIN } from '../place.ts'
import type { WatchSpec } from './spec.ts'
import type { Order } from './tend.ts'

/** What is done by a process of its own: git, mail and runtimes are not loaded into one that is resident all day. */
export type Work = 'fleet' | 'troubles' | 'merges'

/** How one of them ended: with what its project is like now, or with what went wrong. */
export type Ended = { readonly ok: true; readonly spec: WatchSpec } | { readonly ok: false; readonly why: string }

export interface Hands {
  /** Starts the work; when it is under way already, another round of it follows. */
  send(work: Work, order: Order): void
  /** Asks those at work to end, and waits for it at most `patienceMs`. */
  close(patienceMs: number): Promise<void>
}

/** Looking after a fleet never takes this long, in ms; who does it then hangs, and would keep all that comes after from being done. */
const FLEET_MS = 5 * 60_000
/** Nor does taking up troubles, though models may be asked about them. */
const TROUBLES_MS = 15 * 60_000
/** So much of what one says at its end is kept, in characters. */
const KEPT = 64 * 1024

/**
 * Those who act for a watcher, at most one for each kind of work. They need no watcher to finish: one that is killed
 * leaves them to end by themselves.
 *
 * @param onEnd called when one has ended
 */
export function handsFor(spec: () => WatchSpec, onEnd: (work: Work, ended: Ended) => void): Hands {
  const busy = new Map<Work, { stop: () => void; ended: Promise<void> }>()
  const next = new Map<Work, Order>()

  const start = (work: Work, order: Order) => {
    const child = spawnPiped([process.execPath, OV_MAIN, 'tend', work, JSON.stringify(order)], {
      cwd: spec().cwd,
      env: definedOf(process.env),
    })
    const limit =
      work === 'merges' ? undefined : setTimeout(() => child.kill('SIGKILL'), work === 'fleet' ? FLEET_MS : TROUBLES_MS)
    const said = { out: '', err: '' }
    child.stdin?.end()
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said.out = (said.out + text).slice(-KEPT)
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said.err = (said.err + text).slice(-KEPT)
    })
    const ended = new Promise<void>((resolve) => {
      let failure: string | null = null
      child.on('error', (error) => {
        failure = error.message
        // Nothing was started, so nothing will exit.
        if (child.pid === undefined) finish()
      })
      child.on('close', (code, signal) => {
        if (code !== 0) failure ??= said.err.trim() || `it ended with ${signal ?? `exit code ${code}`}`
        finish()
      })
      const finish = () => {
        clearTimeout(limit)
        busy.delete(work)
        onEnd(work, failure === null ? { ok: true, spec: JSON.parse(said.out) } : { ok: false, why: failure })
        const waiting = next.get(work)
        next.delete(work)
        if (waiting !== undefined) start(work, waiting)
        resolve()
      }
    })
    busy.set(work, { stop: () => child.kill('SIGTERM'), ended })
  }

  return {
    send(work, order) {
      if (!busy.has(work)) return start(work, order)
      const waiting = next.get(work)
      next.set(work, {
        ...order,
        nudges: [...(waiting?.nudges ?? []), ...order.nudges],
        troubles: [...(waiting?.troubles ?? []), ...order.troubles],
      })
    },
    async close(patienceMs) {
      next.clear()
      const all = [...busy.values()]
      for (const { stop } of all) stop()
      let timer: NodeJS.Timeout | undefined
      const late = new Promise((resolve) => (timer = setTimeout(resolve, patienceMs)))
      await Promise.race([Promise.all(all.map(({ ended }) => ended)), late])
      clearTimeout(timer)
    },
  }
}

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
