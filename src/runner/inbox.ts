import type { AgentEvent } from '../contract/runtime.ts'

/** What can happen to a runner. */
export type Item =
  /** `noted`: what of it belongs into the records is there already, as of all that hooks report. */
  | { readonly is: 'event'; readonly event: AgentEvent; readonly noted?: true }
  /** Something was committed to the database. */
  | { readonly is: 'wake' }
  | { readonly is: 'tick' }
  /** Somebody asked this process to end. */
  | { readonly is: 'signal' }
  /** Something that belongs into the records, and asks nothing more. */
  | { readonly is: 'note'; readonly type: string; readonly data: Readonly<Record<string, unknown>> }

/** So many items may wait before those who can hold back are asked to. */
const HIGH_WATER = 1_000

/** What happened, in order, taken out one at a time. A wake-up or tick that waits already is not put in twice. */
export class Inbox {
  readonly #items: Item[] = []
  #taker: ((item: Item) => void) | null = null
  #held: (() => void)[] = []

  /** True while too much waits: a CLI that floods is read no faster than it is understood. */
  behind(): boolean {
    return this.#items.length >= HIGH_WATER
  }

  /** Calls `then` once, when everything that waits has been taken. */
  caughtUp(then: () => void): void {
    this.#held.push(then)
  }

  put(item: Item): void {
    if (this.#taker) {
      const take = this.#taker
      this.#taker = null
      take(item)
      return
    }
    const repeats = item.is === 'wake' || item.is === 'tick'
    if (repeats && this.#items.some((one) => one.is === item.is)) return
    this.#items.push(item)
  }

  next(): Promise<Item> {
    const item = this.#items.shift()
    if (this.#items.length === 0) for (const go of this.#held.splice(0)) go()
    if (item) return Promise.resolve(item)
    return new Promise((resolve) => {
      this.#taker = resolve
    })
  }
}
