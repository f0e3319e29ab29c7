import { OvError } from '../errors.ts'
import { watchDatabase } from '../os/files.ts'
import { type Delivery, letGo, type Post, type Reader, takeMail } from './deliver.ts'
import { countWaiting, type Wanted } from './store.ts'

/** While somebody else holds mail of this reader, their death shows in no file: so often that is looked after. */
const HELD_LOOK_MS = 1_000
/** The longest time a timer can be set to. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Waits until there is mail for a reader and takes it. Wakes on what is committed, not on a clock.
 *
 * @param options.gone aborts when whoever waits has hung up
 * @throws {OvError} `mail.timeout` after `timeoutMs`; `mail.hung-up`
 */
export async function waitForMail(
  post: Post,
  reader: Reader,
  wanted: Wanted,
  options: { readonly timeoutMs?: number | undefined; readonly gone: AbortSignal },
): Promise<Delivery> {
  const { timeoutMs, gone } = options
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : post.clock.monotonic() + timeoutMs
  let wake: () => void = () => undefined
  const onGone = () => wake()
  const unwatch = watchDatabase(post.databasePath, () => wake())
  gone.addEventListener('abort', onGone)
  try {
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      // Taking locks the database for writing: a commit that the kernel told of before it can be seen is waited for.
      const delivery = await takeMail(post, reader, wanted)
      if (gone.aborted) {
        if (delivery) letGo(delivery.offer)
        throw new OvError('interrupted', 'mail.hung-up', 'Nobody waits for the mail any more.')
      }
      if (delivery) return delivery
      const left = deadline - post.clock.monotonic()
      if (left <= 0) {
        throw new OvError('timeout', 'mail.timeout', 'No such mail has come in time.', {
          hint: 'See what there is: ov mail list --unread',
        })
      }
      const held = (await countWaiting(post.db, reader.id)) > 0
      await sleepUntil(woken, Math.min(left, held ? HELD_LOOK_MS : LONGEST_TIMER_MS))
    }
  } finally {
    unwatch()
    gone.removeEventListener('abort', onGone)
  }
}

async function sleepUntil(woken: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([woken, late])
  clearTimeout(timer)
}
