import type { ChildProcess } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'
import type {
  AgentEvent,
  AgentRuntime,
  Ask,
  Frame,
  LaunchPlan,
  SessionFacts,
  SessionSpec,
  Verdict,
} from '../contract/runtime.ts'
import { codeOf } from '../errors.ts'
import { identify, type ProcessIdentity, spawnPiped } from '../os/process.ts'
import type { RawLog } from './raw-log.ts'

/** What the runner drives: one conversation with one agent CLI, whatever its protocol. */
export interface Session {
  /** Begins a turn with this prompt. */
  prompt(text: string): void
  /** Brings text into the running turn; false where the runtime can't. */
  steer(text: string): boolean
  answer(ask: Ask, verdict: Verdict): void
  readonly busy: boolean
  readonly pid: number | null
  /** Lets the CLI end by itself: end of input, nothing more. */
  endInput(): void
}

export interface SessionOptions {
  readonly runtime: AgentRuntime
  /** The spec of the next launch; `prompt` is the turn's. */
  readonly spec: (prompt: string) => SessionSpec
  readonly program: string | null
  readonly environment: Readonly<Record<string, string>>
  readonly writeFiles: (plan: LaunchPlan) => void
  readonly log: RawLog
  readonly emit: (event: AgentEvent) => void
}

/** Longest line that is parsed, in characters. A longer one is cut and reported as unknown. */
const MAX_LINE = 16 * 1024 * 1024
/** Kept of each stream for error messages, in characters. */
const TAIL = 4096

/**
 * Opens a session with a structured runtime. A launch that fails is an event (`failed`), never an exception:
 * once opened, a session only ever reports.
 */
export function openSession(options: SessionOptions): Session {
  const { runtime, emit } = options
  let child: ChildProcess | null = null
  let protocol: LaunchPlan['protocol'] | null = null
  let busy = false
  let sessionId: string | undefined
  let turn: string | undefined
  let sequence = 0

  const facts = (): SessionFacts => ({
    ...(sessionId === undefined ? {} : { session: sessionId }),
    ...(turn === undefined ? {} : { turn }),
    busy,
    sequence: sequence++,
  })

  const report = (event: AgentEvent) => {
    if (event.type === 'started' && event.session !== undefined) sessionId = event.session
    if (event.type === 'turn_start') turn = event.turn
    if (event.type === 'turn_end' || event.type === 'failed') busy = false
    emit(event)
  }

  const write = (frame: Frame) => {
    if (frame.via !== 'stdin' || !child?.stdin?.writable) return
    child.stdin.write(`${frame.line}\n`)
  }

  const launch = (prompt: string) => {
    const plan = runtime.start(options.spec(prompt))
    protocol = plan.protocol
    options.writeFiles(plan)
    const [name = '', ...rest] = plan.argv
    const argv = [options.program !== null && runtime.binaries.includes(name) ? options.program : name, ...rest]
    const started = spawnPiped(argv, {
      cwd: options.spec(prompt).worktree,
      env: { ...options.environment, ...plan.env },
    })
    child = started
    let stdoutTail = ''
    let stderrTail = ''
    started.on('error', (error) => {
      // Spawn itself failed (the binary vanished, too many processes): no exit will follow.
      if (started.pid === undefined)
        report({ type: 'failed', cause: 'crash', message: `${argv[0]} could not be started: ${error.message}` })
    })
    started.stdin?.on('error', (error) => {
      // The CLI closed its input; that it ended is told by its exit.
      if (codeOf(error) !== 'EPIPE') report({ type: 'unknown', line: `stdin: ${error.message}` })
    })
    readLines(started.stdout, options.log, 'out', (line) => {
      stdoutTail = `${stdoutTail}${line}\n`.slice(-TAIL)
      for (const event of runtime.read(line)) report(event)
    })
    readLines(started.stderr, options.log, 'err', (line) => {
      stderrTail = `${stderrTail}${line}\n`.slice(-TAIL)
    })
    // `close`, not `exit`: every line has been read by then.
    started.on('close', (code, signal) => {
      if (child === started) child = null
      // A turn that was not ended by an event is ended by the exit. One that ended before (a `duplex` process told to go,
      // a `turn` whose last line said so) has nothing more to report.
      if (busy)
        for (const event of runtime.exited({ code: signal === null ? code : null, signal, stderrTail, stdoutTail }))
          report(event)
    })
    for (const frame of plan.hello ?? []) write(frame)
    if (plan.stdin !== undefined) started.stdin?.end(plan.stdin)
    else if (plan.protocol === 'turn') started.stdin?.end()
    if (!plan.promptIncluded) send(prompt)
  }

  const send = (text: string) => {
    const input = runtime.sendInput(text, facts())
    if (input.by === 'frame') write(input.frame)
  }

  return {
    prompt(text) {
      busy = true
      if (child === null) launch(text)
      else send(text)
    },
    steer(text) {
      if (!runtime.can.steer || !busy || child === null || protocol !== 'duplex') return false
      send(text)
      return true
    },
    answer(ask, verdict) {
      const frame = runtime.answer(ask, verdict, facts())
      if (frame) write(frame)
    },
    get busy() {
      return busy
    },
    get pid() {
      return child?.pid ?? null
    },
    endInput() {
      child?.stdin?.end()
    },
  }
}

/** Splits a stream into lines by `\n` alone (JSON may hold U+2028), logs each, and holds the stream while the log is behind. */
function readLines(
  stream: NodeJS.ReadableStream | null,
  log: RawLog,
  name: 'out' | 'err',
  each: (line: string) => void,
): void {
  if (!stream) return
  const decoder = new StringDecoder('utf8')
  let rest = ''
  const flush = (text: string) => {
    if (text === '') return
    log.write(name, text)
    each(text)
  }
  stream.on('data', (chunk: Buffer) => {
    const parts = (rest + decoder.write(chunk)).split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > MAX_LINE) {
      flush(rest.slice(0, TAIL))
      rest = ''
    }
    for (const line of parts) flush(line.length > MAX_LINE ? line.slice(0, TAIL) : line)
    if (log.behind()) {
      stream.pause()
      log.caughtUp(() => stream.resume())
    }
  })
  stream.on('end', () => flush(rest + decoder.end()))
}

/** The identity of a session's process, for stopping its tree. */
export function sessionProcess(session: Session): ProcessIdentity | null {
  return session.pid === null ? null : identify(session.pid)
}
