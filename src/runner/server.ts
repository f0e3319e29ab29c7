import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Frame, LaunchPlan, ProcessExit, ServerAnswer, Service, SessionFacts } from '../contract/runtime.ts'
import { codeOf, messageOf } from '../errors.ts'
import { ask, openStream } from '../os/http.ts'
import { killProcessGroup, spawnPiped } from '../os/process.ts'
import { endPipes, follow, programArgv, type SessionOptions } from './session.ts'
import { sseData } from './sse.ts'

/** A CLI's server that was started, and its stream of events. */
export interface Server {
  /** It runs, as far as is known. */
  readonly alive: boolean
  /** The last that it said on stderr, trimmed. */
  readonly lastWords: string
  /** Makes a request, after all earlier ones. `lost` is called where it was not there any more to get it. */
  send(frame: Frame, lost?: () => void): void
  /** Nothing it says matters any more; its input ends. */
  dismiss(): void
  /** Ends it at once, with its process group. */
  kill(): void
}

/** Is told what a server says, in order, until it is dismissed. */
interface ServerListener {
  facts(): SessionFacts
  /** A line of its stream, none twice, none left out because the stream was cut. */
  line(text: string): void
  /** What a request was answered, as the line of a `ServerAnswer`. */
  answer(line: string): void
  /** It could not be started, or it can't be spoken to and was killed. */
  broken(why: string): void
  /** It ended by itself; whether it still got what was sent has been told. */
  ended(exit: ProcessExit): void
}

/** A request is answered at once, or its server is broken. */
const ANSWER_MS = 60_000
const OPEN_MS = 10_000
/** The exit of a server may be told so much later than that its connections broke. */
const EXIT_MS = 1_000
/** A server that lives but opens no stream of events for so long is broken. */
const REOPEN_MS = 30_000
/** So many names of lines are kept, to know those that come again. */
const NAMES = 20_000

/** The request reached nobody. */
const LOST = Symbol('lost')

/**
 * Starts the server of a plan, with a password that only this process and the server know, and greets it once its events
 * flow. When the stream of events is cut it is opened again, what was missed is asked for, and what comes meanwhile waits.
 */
export function startServer(
  options: SessionOptions,
  { service, ...plan }: LaunchPlan & { readonly service: Service },
  cwd: string,
  listener: ServerListener,
): Server {
  const { runtime, log, reader } = options
  const argv = programArgv(options, plan.argv)
  const password = randomBytes(24).toString('base64url')
  const headers = { authorization: `Basic ${Buffer.from(`${service.login.user}:${password}`).toString('base64')}` }
  const ready = new RegExp(service.ready)
  const passed = new Set<string>()
  let origin: string | null = null
  let stream: IncomingMessage | null = null
  let greeted = false
  /** How often the stream was cut. */
  let cuts = 0
  /** Lines that wait until it is known what a cut stream missed. */
  let waiting: string[] | null = null
  /** Requests, one after another. */
  let requests: Promise<unknown> = Promise.resolve()
  let alive = true
  let dismissed = false

  const child = spawnPiped(options.contain(argv), {
    cwd,
    env: { ...options.environment, ...plan.env, [service.login.variable]: password },
  })

  const dismiss = () => {
    dismissed = true
    stream?.destroy()
    child.stdin?.end()
  }

  const kill = () => {
    alive = false
    dismiss()
    if (child.pid !== undefined) killProcessGroup(child.pid)
  }

  const giveUp = (why: string) => {
    if (dismissed) return
    kill()
    listener.broken(why)
  }

  /** Makes a request; the line of its answer, null where something went wrong, which has been told. */
  const exchange = async (frame: Frame): Promise<string | typeof LOST | null> => {
    if (frame.via !== 'http' || origin === null) return null
    if (dismissed || !alive) return LOST
    const { method, path, body } = frame
    log.write('in', `${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`)
    try {
      const { status, text } = await ask({ ...frame, origin, headers }, ANSWER_MS)
      const answer: ServerAnswer = { answer: `${method} ${path}`, status, body: jsonOrText(text) }
      const line = JSON.stringify(answer)
      log.write('reply', line)
      return line
    } catch (error) {
      if (codeOf(error) === 'ECONNREFUSED') return LOST
      // As a rule it is about to end, and its exit says more.
      await delay(alive ? EXIT_MS : 0)
      if (alive) giveUp(messageOf(error))
      return null
    }
  }

  const send = (frame: Frame, lost: () => void = () => undefined) => {
    const request = async () => {
      const line = await exchange(frame)
      if (line === null) return
      if (line !== LOST) return dismissed ? undefined : listener.answer(line)
      lost()
      await delay(alive ? EXIT_MS : 0)
      if (alive) giveUp('it does not answer')
    }
    requests = requests.then(request)
  }

  /** A line that comes again is not kept either: what a command prints comes again with every further piece. */
  const take = (line: string) => {
    const { once } = runtime.stream?.of(line) ?? {}
    if (once !== undefined) {
      if (passed.has(once)) return
      passed.add(once)
      if (passed.size > NAMES) for (const oldest of [...passed].slice(0, NAMES / 2)) passed.delete(oldest)
    }
    log.write(runtime.saysNothing?.(line) ? 'reply' : 'out', line)
    if (!dismissed) listener.line(line)
  }

  const catchUp = async (after: number) => {
    const facts = listener.facts()
    for (const frame of facts.session === undefined ? [] : (runtime.stream?.missed(facts) ?? [])) {
      const line = await exchange(frame)
      // Gone; or cut again, and then caught up with again.
      if (line === null || line === LOST) return
      for (const one of runtime.stream?.caughtUp(line, listener.facts()) ?? []) take(one)
    }
    if (cuts !== after) return
    const lines = waiting ?? []
    waiting = null
    for (const line of lines) take(line)
  }

  const greet = () => {
    if (greeted) {
      const after = cuts
      requests = requests.then(() => catchUp(after))
      return
    }
    greeted = true
    for (const frame of plan.hello ?? []) send(frame)
  }

  const connect = async (at: string) => {
    const until = performance.now() + REOPEN_MS
    for (let wait = 10; alive && !dismissed; wait = Math.min(2 * wait, 1_000)) {
      try {
        return flow(at, await openStream({ origin: at, method: 'GET', path: service.events, headers }, OPEN_MS))
      } catch (error) {
        if (performance.now() > until) return giveUp(messageOf(error))
        await delay(wait)
      }
    }
  }

  const flow = (at: string, opened: IncomingMessage) => {
    if (dismissed) return void opened.destroy()
    stream = opened
    let silent = true
    const events = sseData((line) => {
      if (waiting === null) take(line)
      else waiting.push(line)
      // Only with the first event is it certain that none is missed of what is asked for now.
      if (silent) greet()
      silent = false
    })
    const quiet = setTimeout(() => (opened.isPaused() ? quiet.refresh() : opened.destroy()), service.quietMs)
    quiet.unref()
    opened.on('data', (chunk: Buffer) => {
      quiet.refresh()
      events.push(chunk)
      if (!reader.behind()) return
      opened.pause()
      reader.caughtUp(() => opened.resume())
    })
    // That it broke off is told by its closing too.
    opened.on('error', () => undefined)
    opened.on('close', () => {
      clearTimeout(quiet)
      if (!alive || dismissed) return
      log.write('ov', 'its stream of events was cut')
      cuts += 1
      if (greeted) waiting ??= []
      connect(at)
    })
  }

  const stdout = follow(child.stdout, { log, reader, runtime }, 'out', (line) => {
    if (origin !== null) return
    origin = loopback(ready.exec(line)?.[1] ?? '')
    if (origin !== null) connect(origin)
  })
  const stderr = follow(child.stderr, { log, reader, runtime }, 'err', () => undefined)
  // That it closed its input is told by its exit.
  child.stdin?.on('error', () => undefined)
  child.on('error', (error) => {
    // Spawn itself failed (the binary vanished, too many processes): no exit will follow.
    if (child.pid === undefined) giveUp(`${argv[0]} could not be started: ${error.message}`)
  })
  child.on('exit', () => endPipes(child, [stdout, stderr], options))
  child.on('close', (code, ownSignal) => {
    alive = false
    stream?.destroy()
    const signal = ownSignal ?? options.deathOf(code)
    const exit = { code: signal === null ? code : null, signal, stderrTail: stderr.tail(), stdoutTail: stdout.tail() }
    // A request that is under way says whether it was still taken.
    requests = requests.then(() => (dismissed ? undefined : listener.ended({ ...exit, collected: {} })))
  })

  return {
    get alive() {
      return alive
    },
    get lastWords() {
      return stderr.tail().trim()
    },
    send,
    dismiss,
    kill,
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
