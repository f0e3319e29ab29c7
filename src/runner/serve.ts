import type { AgentEvent, ProcessExit, SessionFacts } from '../contract/runtime.ts'
import { type Server, startServer } from './server.ts'
import { type Exit, endsTurn, type Session, type SessionOptions, UNKNOWN } from './session.ts'

type Failure = Extract<AgentEvent, { type: 'failed' }>
type Retry = Extract<AgentEvent, { type: 'retrying' }>

/** What has failed is over, or goes on, within this time. */
const SETTLE_MS = 10_000
/** A CLI may try again by itself so often; and wait so long each time, where waiting helps, or where a limit was reached. */
const RETRIES = 4
const WAIT_MS = 15_000
const LIMIT_WAIT_MS = 3_000

/** Of another session than the agent's own (a helper that it called) only this matters. */
const SHARED = new Set<AgentEvent['type']>(['ask', 'usage', 'tool_start', 'tool_end', 'retrying', 'unknown'])

/**
 * Opens a session with a CLI that is a server: prompts are requests, what happens comes as a stream of events. As with
 * `openSession`, whatever goes wrong is an event.
 *
 * ```
 *  launch ─► ready ─► stream open ─► hello ─► started ─► prompt ─► events … turn_end ─► prompt ─► …
 *                         ▲                                 │ cut
 *                         └──── what was missed is asked ◄──┘         (gone between turns, it is resumed)
 * ```
 */
export function openServe(options: SessionOptions): Session {
  const { runtime, emit } = options
  let server: Server | null = null
  let busy = false
  /** The turn that was asked for has been seen to begin; an end that is told before that is an earlier one's. */
  let begun = false
  /** It has been told that it runs. */
  let running = false
  /** How the turn ends, unless it goes on after all. */
  let failure: Failure | null = null
  let lastExit: Exit | null = null
  let session: string | undefined
  let sequence = 0
  /** A prompt that goes out as soon as the session has begun. */
  let held: string | null = null
  /** A prompt that met a server which was gone: it takes another. */
  let unsent: string | null = null

  const facts = (): SessionFacts => ({
    ...(session === undefined ? {} : { session }),
    busy,
    sequence: sequence++,
  })

  const finish = (event: AgentEvent) => {
    busy = false
    begun = false
    running = false
    failure = null
    held = null
    unsent = null
    emit(event)
  }

  /** The turn fails with this once it has ended. A server that doesn't say so is of no more use. */
  const failWith = (event: Failure) => {
    failure = event
    setTimeout(() => {
      if (failure !== event) return
      server?.kill()
      finish(event)
    }, SETTLE_MS).unref()
  }

  /** The CLI's own attempts have a bound; what takes longer `ov` waits for, and says so. */
  const bound = (event: Retry) => {
    const wait = event.until === undefined ? event.delayMs : event.until - Date.now()
    const longest = event.cause === 'rate_limit' ? LIMIT_WAIT_MS : WAIT_MS
    if (!busy || failure !== null || (event.attempt < RETRIES && wait <= longest)) return
    const { cause, until, message = 'It tried again and again.' } = event
    // Longer than its own pause: the service named that time.
    const named = until !== undefined && wait > 1.5 * event.delayMs
    failWith({ type: 'failed', cause, message, ...(cause === 'rate_limit' && named ? { resetAt: until } : {}) })
    const stop = runtime.interrupt(facts())
    if (stop !== null) server?.send(stop)
  }

  const hear = (event: AgentEvent) => {
    switch (event.type) {
      case 'turn_start':
        // Also one that nobody prompted: text sent at the very end of a turn makes a turn of its own.
        busy = true
        begun = true
        if (failure?.cause === 'context') failure = null
        // It may say so before every step.
        if (!running) emit(event)
        running = true
        return
      case 'accepted':
        begun = busy
        return emit(event)
      case 'turn_end':
        if (busy && begun) finish(failure ?? event)
        return
      case 'failed':
        if (busy && begun && failure === null) failWith(event)
        return
      case 'retrying':
        emit(event)
        return bound(event)
      case 'unknown':
        return emit({ type: 'unknown', line: event.line.slice(0, UNKNOWN) })
      default:
        emit(event)
    }
  }

  /** @param begins it begins a turn, so it goes to another server where this one does not get it */
  const prompt = (text: string, begins: boolean) => {
    const input = runtime.sendInput(text, facts())
    if (input.by !== 'frame') return
    server?.send(input.frame, () => {
      if (begins) unsent = text
    })
  }

  /** Launches another server for a prompt that the last one never got. */
  const takeAnother = (): boolean => {
    if (unsent === null || begun) return false
    const text = unsent
    unsent = null
    launch(text)
    return true
  }

  const heard = (line: string) => {
    const { session: whose } = runtime.stream?.of(line) ?? {}
    const own = whose === undefined || whose === session
    for (const event of runtime.read(line)) if (own || SHARED.has(event.type)) hear(event)
  }

  const broken = (why: string) => {
    if (!busy || takeAnother()) return
    const message = `The server of ${runtime.title} is broken: ${why}.`
    finish(failure ?? { type: 'failed', cause: 'crash', message })
  }

  const ended = (exit: ProcessExit) => {
    lastExit = { code: exit.code, signal: exit.signal }
    if (!busy || takeAnother()) return
    if (failure !== null) return finish(failure)
    for (const event of runtime.exited(exit)) (endsTurn(event) ? finish : emit)(event)
  }

  /** What an answer says holds at once: a refused prompt begins no turn whose end could be waited for. */
  const answered = (line: string) => {
    for (const event of runtime.read(line)) {
      if (event.type === 'started') {
        session = event.session ?? session
        emit(event)
        const text = held
        held = null
        if (text !== null) prompt(text, true)
      } else if (endsTurn(event)) {
        // A session that did not begin is of no use to the next prompt.
        if (session === undefined) server?.kill()
        if (busy) finish(event)
      } else hear(event)
    }
  }

  const launch = (text: string) => {
    const spec = options.spec(text)
    const { service, ...plan } = runtime.start(spec)
    if (plan.protocol !== 'serve' || service === undefined)
      return finish({ type: 'failed', cause: 'refused', message: `${runtime.title} plans no server.` })
    session = undefined
    held = text
    options.writeFiles([...runtime.deployHooks(spec), ...plan.files], plan.links ?? [])
    // One that has made room for another has nothing more to say.
    const ifCurrent =
      <T>(act: (what: T) => void) =>
      (what: T) => {
        if (server === started) act(what)
      }
    const started = startServer(options, { ...plan, service }, spec.worktree, {
      facts,
      line: ifCurrent(heard),
      answer: ifCurrent(answered),
      broken: ifCurrent(broken),
      ended: ifCurrent(ended),
    })
    server = started
  }

  return {
    prompt(text) {
      busy = true
      begun = false
      failure = null
      unsent = null
      if (server?.alive !== true) launch(text)
      else if (session === undefined) held = text
      else prompt(text, true)
    },
    steer(text) {
      if (!runtime.can.steer || !busy || server?.alive !== true || session === undefined || held !== null) return false
      prompt(text, false)
      return true
    },
    answer(ask, verdict) {
      const frame = runtime.answer(ask, verdict, facts())
      if (frame) server?.send(frame)
    },
    get busy() {
      return busy
    },
    get alive() {
      return server?.alive === true
    },
    endInput() {
      server?.dismiss()
    },
    held: null,
    attended: false,
    get lastWords() {
      return server?.lastWords ?? ''
    },
    get lastExit() {
      return server?.alive === true ? null : lastExit
    },
  }
}
