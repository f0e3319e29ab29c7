import { sql } from 'kysely'
import type { Clock } from '../clock.ts'
import { watchDatabase } from '../os/files.ts'
import type { Db } from './open.ts'
import { standingQuery } from './standing.ts'

const version = standingQuery<{ data_version: number }>((db) => {
  const pragma = sql<{ data_version: number }>`PRAGMA data_version`
  return { compile: () => pragma.compile(db) }
})

/** A number that changes when another connection has committed something. Asking costs microseconds. */
export async function changeCounter(db: Db): Promise<number> {
  return (await version(db))[0]?.data_version ?? 0
}

/** A look now and then makes up for changes that the kernel did not report, in ms. */
const LOOK_AGAIN_MS = 250

/**
 * Looks now, and whenever something was committed, until there is something to give.
 *
 * @param look gives undefined as long as there is nothing
 * @returns undefined when time was up, or `gone` aborted
 */
export async function untilFound<T>(
  { databasePath, clock }: { readonly databasePath: string; readonly clock: Clock },
  look: () => Promise<T | undefined>,
  { timeoutMs, gone }: { timeoutMs: number; gone?: AbortSignal },
): Promise<T | undefined> {
  const deadline = clock.monotonic() + timeoutMs
  let wake: () => void = () => undefined
  const woken = () => wake()
  const unwatch = watchDatabase(databasePath, woken)
  gone?.addEventListener('abort', woken)
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      const found = await look()
      if (found !== undefined || gone?.aborted || clock.monotonic() > deadline) return found
      const timer = setTimeout(woken, LOOK_AGAIN_MS)
      await changed
      clearTimeout(timer)
    }
  } finally {
    gone?.removeEventListener('abort', woken)
    unwatch()
  }
}
