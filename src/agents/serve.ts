import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentEvent, Frame, ServerAnswer, Service, SessionFacts } from '../contract/runtime.ts'
import { codeOf, messageOf } from '../errors.ts'
import { ask, openStream } from '../os/http.ts'
import { killProcessGroup, spawnPiped } from '../os/process.ts'
import { endPipes, endsTurn, follow, programArgv, type Session, type SessionOptions, UNKNOWN } from './session.ts'
import { sseData } from './sse.ts'

type Failure = Extract<AgentEvent, { type: 'failed' }>
type Retry = Extract<AgentEvent, { type: 'retrying' }>

/** A running server of the CLI's. */
interface Server {
  readonly child: ReturnType<typeof spawnPiped>
  readonly service: Service
  readonly hello: readonly Frame[]
  readonly headers: Readonly<Record<string, string>>
  /** Its address, once it is ready. */
  origin: string | null
  /** Its events flowed once, and it was greeted. */
  greeted: boolean
  /** Requests, one after another. */
  requests: Promise<unknown>
  /** Closes the stream of events. */
  hangUp: () => void
  /** Lines that wait until it is known what a cut stream missed. */
  waiting: string[] | null
  /** It is meant to end. */
  dismissed: boolean
}

/** A request is answered at once, or its server is broken. */
const ANSWER_MS = 60_000
const OPEN_MS = 10_000
/** The exit of a server may be told so much later than that its connections broke. */
const EXIT_MS = 1_000
/** A server that lives but opens no stream of events for so long is broken. */
const REOPEN_MS = 30_000
/** What has failed is over, or goes on, within this time. */
const SETTLE_MS = 10_000
/** A CLI may try again by itself so often; and wait so long each time, where waiting helps, or where a limit was reached. */
const RETRIES = 4
const WAIT_MS = 15_000
const LIMIT_WAIT_MS = 3_000
/** A request that nobody got. */
const UNREACHED = Symbol('unreached')
/** So many names of lines are kept, to know those that come again. */
const NAMES = 20_000

/** Of another session than the agent's own (a helper that it called) only this matters. */
const SHARED = new Set<AgentEvent['type']>(['ask', 'usage', 'tool_start', 'tool_end', 'retrying', 'unknown'])

/**
 * Opens a session with a CLI that is a server: prompts are requests, what happens comes as a stream of events. Nobody
 * but this process knows the password it has for this server. As with `openSession`, whatever goes wrong is an event.
 *
 * ```
 *  launch ─► ready ─► stream open ─► hello ─► started ─► prompt ─► events … turn_end ─► prompt ─► …
 *                         ▲                                 │ cut
 *                         └──── what was missed is asked ◄──┘         (gone between turns, it is resumed)
 * ```
 */
export function openServe(options: SessionOptions): Session {
  const { runtime, emit, log, reader } = options
  const passed = new Set<string>()
  let server: Server | null = null
  let busy = false
  /** The turn that was asked for has been seen to begin; an end that is told before that is an earlier one's. */
  let begun = false
  /** It has been told that it runs. */
  let running = false
  /** A prompt that met a server which was gone: it takes another. */
  let unsent: string | null = null
  /** How the turn ends, unless it goes on after all. */
  let failure: Failure | null = null
  let session: string | undefined
  let sequence = 0
  /** A prompt that goes out as soon as the session has begun. */
  let held: string | null = null
  let lastWords = () => ''

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

  const shutDown = (at: Server) => {
    if (server === at) server = null
    at.dismissed = true
    at.hangUp()
    if (at.child.pid !== undefined) killProcessGroup(at.child.pid)
  }

  const broken = (at: Server, why: string) => {
    if (server !== at || at.dismissed) return
    shutDown(at)
    if (busy && !takeAnother())
      finish({ type: 'failed', cause: 'crash', message: `The server of ${runtime.title} is broken: ${why}.` })
  }

  /** Launches another server for a prompt that the last one never got. */
  const takeAnother = (): boolean => {
    if (unsent === null || begun) return false
    const text = unsent
    unsent = null
    launch(text)
    return true
  }

  /** The turn fails with this once it has ended, which it is made to where it would not by itself. */
  const failWith = (event: Failure, at: Server) => {
    failure = event
    setTimeout(() => {
      if (failure !== event) return
      finish(event)
      shutDown(at)
    }, SETTLE_MS).unref()
  }

  const bound = (event: Retry, at: Server) => {
    const wait = event.until === undefined ? event.delayMs : event.until - Date.now()
    const longest = event.cause === 'rate_limit' ? LIMIT_WAIT_MS : WAIT_MS
    if (!busy || failure !== null || (event.attempt < RETRIES && wait <= longest)) return
    const { cause, until, message = 'It tried again and again.' } = event
    // Longer than its own pause: the service named that time.
    const named = until !== undefined && wait > 1.5 * event.delayMs
    const resetAt = cause === 'rate_limit' && named ? { resetAt: until } : {}
    failWith({ type: 'failed', cause, message, ...resetAt }, at)
    const stop = runtime.interrupt(facts())
    if (stop !== null) send(stop)
  }

  const hear = (event: AgentEvent, at: Server) => {
    switch (event.type) {
      case 'turn_start':
        // Also one that nobody prompted: text sent at the very end of a turn makes a turn of its own.
        busy = true
        begun = true
        if (failure?.cause === 'context') failure = null
        // It says so before every step.
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
        if (busy && begun && failure === null) failWith(event, at)
        return
      case 'retrying':
        emit(event)
        return bound(event, at)
      case 'unknown':
        return emit({ type: 'unknown', line: event.line.slice(0, UNKNOWN) })
      default:
        emit(event)
    }
  }

  /** A line of the stream; one that comes again is not kept, or a command that prints would be kept at every step. */
  const take = (line: string, at: Server) => {
    const { session: whose, once } = runtime.stream?.of(line) ?? {}
    if (once !== undefined) {
      if (passed.has(once)) return
      passed.add(once)
      if (passed.size > NAMES) for (const oldest of [...passed].slice(0, NAMES / 2)) passed.delete(oldest)
    }
    log.write('out', line)
    const own = whose === undefined || whose === session
    for (const event of runtime.read(line)) if (own || SHARED.has(event.type)) hear(event, at)
  }

  /** Makes a request; the line of its answer, null where none came. */
  const exchange = async (at: Server, frame: Frame): Promise<string | typeof UNREACHED | null> => {
    if (frame.via !== 'http' || at.origin === null) return null
    if (at.dismissed) return UNREACHED
    const { method, path, body } = frame
    log.write('in', `${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`)
    try {
      const { status, text } = await ask({ ...frame, origin: at.origin, headers: at.headers }, ANSWER_MS)
      const answer: ServerAnswer = { answer: `${method} ${path}`, status, body: jsonOrText(text) }
      const line = JSON.stringify(answer)
      log.write('out', line)
      return line
    } catch (error) {
      // Its end is told by its exit, which may come a moment later.
      if (at.child.exitCode === null && at.child.signalCode === null) await delay(EXIT_MS)
      if (codeOf(error) !== 'ECONNREFUSED') broken(at, messageOf(error))
      return codeOf(error) === 'ECONNREFUSED' ? UNREACHED : null
    }
  }

  /** What an answer says holds at once: a refused prompt begins no turn whose end could be waited for. */
  const answered = (line: string | null, at: Server) => {
    if (line === null || server !== at) return
    for (const event of runtime.read(line)) {
      if (event.type === 'started') {
        session = event.session ?? session
        emit(event)
        const text = held
        held = null
        if (text !== null) prompt(text, true)
      } else if (endsTurn(event)) {
        if (busy) finish(event)
        // A session that did not begin is of no use to the next prompt.
        if (session === undefined) shutDown(at)
      } else hear(event, at)
    }
  }

  const send = (frame: Frame, text: string | null = null) => {
    const at = server
    if (at === null) return
    const request = async () => {
      const line = await exchange(at, frame)
      if (line !== UNREACHED) return answered(line, at)
      unsent = text ?? unsent
      broken(at, 'it does not answer')
    }
    at.requests = at.requests.then(request)
  }

  /** @param begins it begins a turn, so it goes to another server where this one does not get it */
  const prompt = (text: string, begins: boolean) => {
    const input = runtime.sendInput(text, facts())
    if (input.by === 'frame') send(input.frame, begins ? text : null)
  }

  const catchUp = async (at: Server) => {
    for (const frame of session === undefined ? [] : (runtime.stream?.missed(facts()) ?? [])) {
      const line = await exchange(at, frame)
      if (line === null || line === UNREACHED) return
      for (const one of runtime.stream?.caughtUp(line, facts()) ?? []) take(one, at)
    }
    const lines = at.waiting ?? []
    at.waiting = null
    for (const line of lines) take(line, at)
  }

  const connect = async (at: Server, origin: string) => {
    const until = performance.now() + REOPEN_MS
    for (let wait = 10; server === at && !at.dismissed; wait = Math.min(2 * wait, 1_000)) {
      try {
        const request = { origin, method: 'GET', path: at.service.events, headers: at.headers }
        return flow(at, origin, await openStream(request, OPEN_MS))
      } catch (error) {
        if (performance.now() > until) return broken(at, messageOf(error))
        await delay(wait)
      }
    }
  }

  const flow = (at: Server, origin: string, stream: Awaited<ReturnType<typeof openStream>>) => {
    if (at.dismissed) return void stream.destroy()
    at.hangUp = () => stream.destroy()
    let silent = true
    const events = sseData((line) => {
      if (at.waiting === null) take(line, at)
      else at.waiting.push(line)
      if (!silent) return
      // Only now is it certain that nothing of what is asked for is missed.
      silent = false
      if (at.greeted) {
        at.requests = at.requests.then(() => catchUp(at))
        return
      }
      at.greeted = true
      for (const frame of at.hello) send(frame)
    })
    const quiet = setTimeout(() => (stream.isPaused() ? quiet.refresh() : stream.destroy()), at.service.quietMs)
    quiet.unref()
    stream.on('data', (chunk: Buffer) => {
      quiet.refresh()
      events.push(chunk)
      if (!reader.behind()) return
      stream.pause()
      reader.caughtUp(() => stream.resume())
    })
    // That it broke off is told by its closing too.
    stream.on('error', () => undefined)
    stream.on('close', () => {
      clearTimeout(quiet)
      if (server !== at || at.dismissed) return
      log.write('ov', 'its stream of events was cut')
      if (at.greeted) at.waiting ??= []
      connect(at, origin)
    })
  }

  const launch = (text: string) => {
    const spec = options.spec(text)
    const next = runtime.start(spec)
    const { service } = next
    if (next.protocol !== 'serve' || service === undefined) {
      return finish({ type: 'failed', cause: 'refused', message: `${runtime.title} plans no server.` })
    }
    session = undefined
    held = text
    options.writeFiles([...runtime.deployHooks(spec), ...next.files], next.links ?? [])
    const argv = programArgv(options, next.argv)
    const password = randomBytes(24).toString('base64url')
    const child = spawnPiped(options.contain(argv), {
      cwd: spec.worktree,
      env: { ...options.environment, ...next.env, [service.login.variable]: password },
    })
    const at: Server = {
      child,
      service,
      hello: next.hello ?? [],
      headers: { authorization: `Basic ${Buffer.from(`${service.login.user}:${password}`).toString('base64')}` },
      origin: null,
      greeted: false,
      requests: Promise.resolve(),
      hangUp: () => undefined,
      waiting: null,
      dismissed: false,
    }
    server = at
    child.on('error', (error) => {
      // Spawn itself failed (the binary vanished, too many processes): no exit will follow.
      if (child.pid !== undefined) return
      server = null
      finish({ type: 'failed', cause: 'crash', message: `${argv[0]} could not be started: ${error.message}` })
    })
    // That it closed its input is told by its exit.
    child.stdin?.on('error', () => undefined)
    const stdout = follow(child.stdout, { log, reader }, 'out', (line) => {
      const [, address = ''] = at.origin === null ? (new RegExp(service.ready).exec(line) ?? []) : []
      const origin = loopback(address)
      if (origin === null) return
      at.origin = origin
      connect(at, origin)
    })
    const stderr = follow(child.stderr, { log, reader }, 'err', () => undefined)
    lastWords = () => stderr.tail().trim()
    child.on('exit', () => endPipes(child, [stdout, stderr]))
    child.on('close', (code, ownSignal) => {
      at.dismissed = true
      at.hangUp()
      if (server !== at) return
      server = null
      const signal = ownSignal ?? options.deathOf(code)
      if (!busy) return
      if (failure !== null) return finish(failure)
      const exit = { code: signal === null ? code : null, signal, stderrTail: stderr.tail(), stdoutTail: stdout.tail() }
      const events = runtime.exited({ ...exit, collected: {} })
      // A request that is under way says whether it was still taken.
      at.requests.then(() => {
        if (!busy || server !== null || takeAnother()) return
        for (const event of events) (endsTurn(event) ? finish : emit)(event)
      })
    })
  }

  return {
    prompt(text) {
      busy = true
      begun = false
      failure = null
      unsent = null
      if (server === null) launch(text)
      else if (session === undefined) held = text
      else prompt(text, true)
    },
    steer(text) {
      if (!runtime.can.steer || !busy || server === null || session === undefined || held !== null) return false
      prompt(text, false)
      return true
    },
    answer(ask, verdict) {
      const frame = runtime.answer(ask, verdict, facts())
      if (frame) send(frame)
    },
    get busy() {
      return busy
    },
    get alive() {
      return server !== null
    },
    endInput() {
      if (server === null) return
      server.dismissed = true
      server.hangUp()
      server.child.stdin?.end()
    },
    held: null,
    attended: false,
    get lastWords() {
      return lastWords()
    },
  }
}

/** The origin of an address on loopback, null for any other. */
function loopback(address: string): string | null {
  if (!URL.canParse(address)) return null
  const { protocol, hostname, origin } = new URL(address)
  return protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname) ? origin : null
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No JSON: it is passed on as it is.
    return text
  }
}
