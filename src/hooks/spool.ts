import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { HOOK_EVENTS, type HookEvent } from '../contract/runtime.ts'
import { copyWhole, type Entry, listFolder, makePrivateFolder, readEntry, remove, sizeOf } from '../os/files.ts'
import { OV_HOOK } from '../place.ts'
import type { HookFolder } from './folder.ts'

/** One call of `ov-hook`, as it lay in the spool. */
export interface Call {
  /** Name of its file; names sort in the order the calls began, and no two calls have the same. */
  readonly name: string
  readonly event: HookEvent
  /** Its process asks the runner as well, and waits for the answer. */
  readonly asks: boolean
  readonly payload: Payload
}

export type Payload =
  | { readonly is: 'json'; readonly value: unknown }
  /** No whole JSON object: garbage, or cut off. `text` is how it begins. */
  | { readonly is: 'broken'; readonly why: string; readonly text: string }

/** What lies in a spool that has not been taken in. */
export interface Look {
  /** In order, at most a batch. */
  readonly calls: readonly Call[]
  /** More lies there than a batch. */
  readonly more: boolean
  /** The next call in order is still being written: look again soon. */
  readonly unfinished: boolean
  /** Names of all calls that lie there, taken in or not. */
  readonly present: ReadonlySet<string>
  /** How many calls could not be recorded so far, in all; 0 when that has been told. */
  readonly lost: number
}

/** The spool folder of one agent, read by its runner alone. */
export interface Spool {
  look(): Look
  /** What was looked at has been taken in: its files are removed. The newest stays: `ov-hook` numbers on from it. */
  settle(look: Look): void
}

/** Calls taken in at once, and so in one transaction. */
const BATCH = 256
/** Bytes of payload read at once, so that a spool full of long ones does not fill the memory. */
const BATCH_BYTES = 16 * 1024 * 1024
/** A longer payload is broken. The hooks of a tool carry its whole output. */
const LONGEST = 16 * 1024 * 1024
/** A file that is not whole and has not grown for so long will not: its writer was killed, or the disk is full. */
const STALLED_MS = 3_000
/** However it grows, nobody behind it waits longer than this. */
const PATIENCE_MS = 15_000

const NAME = new RegExp(String.raw`^\d{10}-\d+-\d+\.(${HOOK_EVENTS.join('|')})(\.ask)?$`)

/** Opens an agent's spool, making its folder and its `ov-hook`: from then on its hooks record. */
export function openSpool(folder: HookFolder, clock: Pick<Clock, 'monotonic'>): Spool {
  makePrivateFolder(folder.spool)
  copyWhole(folder.program, OV_HOOK, 0o700)
  let told = 0
  /** Taken in, and perhaps not removed yet. */
  const settled = new Set<string>()
  /** Those seen before they were whole: since when, how long they were, and since when they have not grown. */
  const growing = new Map<string, { readonly since: number; bytes: number; at: number }>()

  const isPatient = (name: string, bytes: number): boolean => {
    const now = clock.monotonic()
    const seen = growing.get(name)
    if (seen === undefined) {
      growing.set(name, { since: now, bytes, at: now })
      return true
    }
    if (seen.bytes !== bytes) Object.assign(seen, { bytes, at: now })
    return now - seen.at < STALLED_MS && now - seen.since < PATIENCE_MS
  }

  return {
    look() {
      const names = listFolder(folder.spool).filter((name) => NAME.test(name))
      const present = new Set(names)
      for (const name of settled) if (!present.has(name)) settled.delete(name)
      const calls: Call[] = []
      let bytes = 0
      let more = false
      let unfinished = false
      for (const name of names) {
        if (settled.has(name)) continue
        if (calls.length >= BATCH || bytes >= BATCH_BYTES) {
          more = true
          break
        }
        const entry = readEntry(join(folder.spool, name), LONGEST)
        if (entry.is === 'gone') continue
        const payload = payloadOf(entry)
        if (payload.is === 'broken' && entry.is === 'text' && isPatient(name, entry.bytes)) {
          // Those behind it began later, and are told later.
          unfinished = true
          break
        }
        growing.delete(name)
        if (entry.is === 'text') bytes += entry.bytes
        const [, event, ask] = NAME.exec(name) ?? []
        calls.push({ name, event: event as HookEvent, asks: ask !== undefined, payload })
      }
      const lost = sizeOf(folder.lost)
      return { calls, more, unfinished, present, lost: lost > told ? lost : 0 }
    },
    settle({ calls, lost }) {
      told = Math.max(told, lost)
      for (const { name } of calls) settled.add(name)
      const newest = listFolder(folder.spool)
        .filter((name) => NAME.test(name))
        .at(-1)
      for (const name of settled) if (name !== newest && remove(join(folder.spool, name))) settled.delete(name)
    },
  }
}

/** A whole JSON object is a whole payload: what is left of a cut-off one never parses. */
function payloadOf(entry: Exclude<Entry, { is: 'gone' }>): Payload {
  switch (entry.is) {
    case 'unreadable':
      return { is: 'broken', why: 'no readable file', text: '' }
    case 'too-long':
      return { is: 'broken', why: `${entry.bytes} bytes are too many`, text: entry.text }
    case 'text': {
      const value = objectIn(entry.text)
      if (value !== undefined) return { is: 'json', value }
      return {
        is: 'broken',
        why: entry.text.trim() === '' ? 'empty' : 'no JSON object',
        text: entry.text.slice(0, 4096),
      }
    }
  }
}

/** The JSON object that a text is, undefined when it is none. */
export function objectIn(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    // Foreign text: that it is no JSON is the answer.
    return undefined
  }
}
