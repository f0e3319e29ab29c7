import { setTimeout as delay } from 'node:timers/promises'

const EVERY_MS = 50
/** What never settles is waited for so long, in ms. */
const PATIENCE_MS = 60_000

/** Waits until it is so, at most so long (ms), or until somebody interrupts. Gives whether it is so. */
export async function until(is: () => boolean | Promise<boolean>, ms: number, gone: AbortSignal): Promise<boolean> {
  for (const end = performance.now() + ms; !gone.aborted; await delay(EVERY_MS)) {
    if (await is()) return true
    if (performance.now() > end) return false
  }
  return false
}

/** Waits until a number has stayed the same for so long (ms), while it is at rest. */
export async function settled(
  number: () => number,
  ms: number,
  gone: AbortSignal,
  isAtRest: () => boolean = () => true,
): Promise<void> {
  let last = number()
  let since = performance.now()
  const isSettled = () => {
    if (number() !== last || !isAtRest()) {
      last = number()
      since = performance.now()
    }
    return performance.now() - since > ms
  }
  await until(isSettled, PATIENCE_MS, gone)
}
