import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { releaseLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import type { Schema } from '../db/schema.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { fileState, watchDatabase } from '../os/files.ts'
import { tmuxAt } from '../os/tmux.ts'
import { watchSessions } from '../os/tmux-control.ts'
import { type EventRow, Eyes, type Shown } from './eyes.ts'
import { type Ended, handsFor, type Work } from './hands.ts'
import { claimWatch, type Watcher } from './lease.ts'
import type { Verdict } from './rules.ts'
import type { WatchSpec } from './spec.ts'
import { firstRound, tick } from './tick.ts'

/** Runners whose end tmux tells are asked after this often, in ms: it could be missed. */
const PULSE_MS = 1_000
/** Runners whose end nothing tells. Asking the kernel costs microseconds. */
const QUICK_PULSE_MS = 50
/** What is committed in a burst is read together. */
const READ_PAUSE_MS = 50
/** So often in a row the same work may fail before the watcher gives up, and with it the right to watch. */
const MOST_FAILURES = 5
/** Those who act for a watcher that ends may take this long to end too. */
const LEAVING_MS = 400

export interface Watching {
  /** Aborts when it is to end. */
  readonly gone: AbortSignal
  /** ms between two looks at everything; else what the configuration says. */
  readonly interval: number | null
  /** What was recorded since the watcher looked first, oldest first, with the names of the agents they are about. */
  readonly tell: (events: readonly EventRow[], nameOf: (agent: string) => string) => void
  /** After every round: how many agents are in which state. */
  readonly count: (states: ReadonlyMap<string, number>) => void
}

/**
 * Watches a fleet until `gone`: one round at a time, whenever something is committed, a session ends or begins, or time
 * is up. Acts by `Hands`. Gives up the watch at its end, whatever ends it.
 *
 * @throws {OvError} `watch.busy` when somebody watches already, `watch.lost`, `watch.helpless`
 */
export async function watchFleet(
  db: Kysely<Schema>,
  clock: Clock,
  first: WatchSpec,
  { gone, interval, tell, count }: Watching,
): Promise<void> {
  const claimed = await claimWatch(db, clock)
  if ('pid' in claimed) throw busy(claimed, clock.now())
  await recordEvent(db, { at: clock.now(), type: 'watch.started', data: { pid: process.pid } })
  const round = firstRound(db, clock, claimed, new Eyes(db, clock))
  const wakes = waker(gone)
  const troubles = new Troubles()
  let spec = interval === null ? first : { ...first, interval }
  let config = stateOfConfig(spec)
  const hands = handsFor(
    () => spec,
    (work, ended) => {
      if (ended.ok) spec = interval === null ? ended.spec : { ...ended.spec, interval }
      troubles.note(work, ended)
      wakes.wake()
    },
  )
  const tmux = spec.tmuxSocket === null ? null : tmuxAt(spec.tmuxSocket)
  const sessions = tmux === null ? null : watchSessions(tmux, wakes.wake)
  let dirty = true
  const unwatch = watchDatabase(spec.databasePath, () => {
    dirty = true
    wakes.wake()
  })
  const names = new Map<string, string>()
  try {
    for (let readAt = 0, lastRead = 0; !gone.aborted; ) {
      const now = clock.monotonic()
      const read = now >= readAt || (dirty && now - lastRead >= READ_PAUSE_MS)
      if (read) {
        dirty = false
        lastRead = now
        readAt = now + spec.interval
      }
      const shown = sessions?.panes ?? null
      const pulse = pulseOf(round.eyes, shown)
      const due = Math.min(readAt, now + pulse)
      const limits = { nudgeAfter: spec.nudgeAfter ?? Number.POSITIVE_INFINITY, toolLimit: spec.toolLimit }
      const { verdicts, events, next } = await tick(round, spec, limits, { read, due, shown })
      act(verdicts, (work, silences) => hands.send(work, { fence: claimed.fence, silences }))
      if (read) {
        for (const { id, name } of round.eyes.agents) names.set(id, name)
        if (events.length > 0) tell(events, (id) => names.get(id) ?? 'an agent')
        count(countStates(round.eyes))
        const found = stateOfConfig(spec)
        if (found !== config) hands.send('fleet', { fence: claimed.fence, silences: [] })
        config = found
      }
      await troubles.record(db, clock)
      if (round.eyes.agents.some(({ state }) => state !== 'queued')) sessions?.connect()
      if (round.eyes.agents.some(({ mode, state }) => mode === 'interactive' && state === 'working'))
        sessions?.refresh()
      const wakeAt = Math.min(due, next, dirty ? lastRead + READ_PAUSE_MS : due)
      await wakes.sleep(Math.max(1, wakeAt - clock.monotonic()))
    }
  } finally {
    unwatch()
    sessions?.close()
    round.eyes.close()
    await hands.close(LEAVING_MS)
    await write(db, async (tx) => {
      await releaseLease(tx, claimed)
      await recordEvent(tx, { at: clock.now(), type: 'watch.stopped', data: { pid: process.pid } })
    })
  }
}

/** Has done what the verdicts ask for. */
function act(
  verdicts: readonly Verdict[],
  send: (work: Work, silences: Extract<Verdict, { do: 'nudge' }>[]) => void,
): void {
  const silences = verdicts.filter((verdict) => verdict.do === 'nudge')
  if (silences.length > 0 || verdicts.some((verdict) => verdict.do === 'tend')) send('fleet', silences)
  if (verdicts.some((verdict) => verdict.do === 'merge')) send('merges', [])
}

/** How soon the kernel is to be asked again: rarely when every runner is the process of a pane that tmux watches. */
function pulseOf(eyes: Eyes, panes: Shown): number {
  const live = eyes.agents.filter(({ state }) => state === 'working' || state === 'waiting')
  if (live.length === 0) return eyes.agents.length === 0 ? Number.POSITIVE_INFINITY : PULSE_MS
  return live.every(({ owner_pid: pid }) => pid !== null && panes?.has(pid)) ? PULSE_MS : QUICK_PULSE_MS
}

function countStates(eyes: Eyes): Map<string, number> {
  const states = new Map<string, number>()
  for (const { state } of eyes.agents) states.set(state, (states.get(state) ?? 0) + 1)
  return states
}

function stateOfConfig({ configFiles }: WatchSpec): string {
  return JSON.stringify(configFiles.map(fileState))
}

/** Lets a loop sleep until time is up or somebody wakes it. A wake-up between two sleeps ends the next one at once. */
function waker(gone: AbortSignal): { wake: () => void; sleep: (ms: number) => Promise<void> } {
  let woken = false
  let rise: (() => void) | null = null
  const wake = () => {
    woken = true
    rise?.()
  }
  gone.addEventListener('abort', wake)
  return {
    wake,
    async sleep(ms) {
      if (!woken) {
        let timer: NodeJS.Timeout | undefined
        await new Promise<void>((resolve) => {
          rise = resolve
          timer = setTimeout(resolve, Math.min(ms, LONGEST_SLEEP_MS))
        })
        clearTimeout(timer)
      }
      woken = false
      rise = null
    },
  }
}

/** Timers end at 2³¹ ms. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1

/** What goes wrong with those who act: told once as long as it stays the same, and given up on after a while. */
class Troubles {
  readonly #inARow = new Map<Work, { times: number; why: string }>()
  #untold: { work: Work; why: string }[] = []

  note(work: Work, ended: Ended): void {
    const before = this.#inARow.get(work)
    if (ended.ok) {
      this.#inARow.delete(work)
      return
    }
    if (before?.why !== ended.why) this.#untold.push({ work, why: ended.why })
    this.#inARow.set(work, { times: (before?.times ?? 0) + 1, why: ended.why })
  }

  /** @throws {OvError} `watch.helpless` */
  async record(db: Kysely<Schema>, clock: Clock): Promise<void> {
    for (const { work, why } of this.#untold.splice(0))
      await recordEvent(db, { at: clock.now(), type: 'watch.trouble', data: { work, why: why.slice(0, 2_000) } })
    const helpless = [...this.#inARow.values()].find(({ times }) => times >= MOST_FAILURES)
    if (helpless === undefined) return
    throw new OvError(
      'failed',
      'watch.helpless',
      `The watcher could not act, ${helpless.times} times:\n${helpless.why}`,
      {
        hint: 'Agents look after one another again. To see what is wrong: ov doctor',
      },
    )
  }
}

/** The error of a second watcher. */
export function busy({ pid, since, late }: Watcher, now: number): OvError {
  const silent = late ? ', but has not looked for a while (it is stopped, or the machine is overrun)' : ''
  const began = new Date(since)
  const when = now - since < 12 * 3_600_000 ? began.toTimeString().slice(0, 8) : began.toISOString().slice(0, 16)
  return new OvError('busy', 'watch.busy', `Process ${pid} watches this fleet since ${when}${silent}.`, {
    hint: 'ov watch status, or end it: ov watch stop',
  })
}
