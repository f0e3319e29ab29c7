import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'
import type {
  AgentEvent,
  AgentRuntime,
  Ask,
  Frame,
  LaunchPlan,
  PlannedFile,
  PlannedLink,
  ProcessExit,
  SessionFacts,
  SessionSpec,
  Verdict,
} from '../contract/runtime.ts'
import { codeOf, messageOf } from '../errors.ts'
import { identify, killProcessGroup, spawnPiped } from '../os/process.ts'
import { AGENT_MARKER, noteLeft } from '../os/tree.ts'
import { splitLines } from './lines.ts'
import type { RawLog } from './raw-log.ts'

/** What the runner drives: one conversation with one agent CLI, whatever its protocol. */
export interface Session {
  /** Begins a turn with this prompt. */
  prompt(text: string): void
  /** Brings text into the running turn; false where the runtime can't. */
  steer(text: string): boolean
  answer(ask: Ask, verdict: Verdict): void
  readonly busy: boolean
  /** Its process runs, between turns too. */
  readonly alive: boolean
  /** Lets the CLI end by itself: end of input, nothing more. */
  endInput(): void
  /** Why nothing goes on until a person has acted; null as a rule. */
  readonly held: Hold | null
  /** A person is at its screen, or has prompted it there. */
  readonly attended: boolean
  /** The last that its process said on stderr, or what its screen showed last, trimmed; empty when it said nothing. */
  readonly lastWords: string
  /** How its last process ended; null while it runs, and before there was one. */
  readonly lastExit: Exit | null
}

/** What only a person can set going again. */
export interface Hold {
  /** In words for them. */
  readonly why: string
  /** What its screen asks, where that is it. */
  readonly dialog: string | null
}

/** Exactly one of the two is set. */
export type Exit = Pick<ProcessExit, 'code' | 'signal'>

export interface SessionOptions {
  readonly runtime: AgentRuntime
  /** The spec of the next launch; `prompt` is the turn's. */
  readonly spec: (prompt: string) => SessionSpec
  /** Absolute path of the runtime's program, null for one that needs none. */
  readonly program: string | null
  /** The argv that runs it held together with all it starts. */
  readonly contain: (argv: readonly string[]) => readonly string[]
  /** The signal that a contained process died by, when its exit code tells of one. */
  readonly deathOf: (code: number | null) => NodeJS.Signals | null
  readonly environment: Readonly<Record<string, string>>
  /** Writes files into the private folder, and makes links in it. */
  readonly writeFiles: (files: readonly PlannedFile[], links: readonly PlannedLink[]) => void
  /** A file of the private folder, null when it isn't there. */
  readonly readFile: (path: string) => string | null
  readonly log: RawLog
  /** `noted`: what of it belongs into the records is there already. */
  readonly emit: (event: AgentEvent, noted?: true) => void
  /** Whether what was emitted is taken in time. */
  readonly reader: Pressure
}

/** Somebody who can fall behind with what is given to them. */
interface Pressure {
  behind(): boolean
  caughtUp(then: () => void): void
}

/** Kept of each stream for error messages, in characters. */
const TAIL = 4096
/** Longest part of a line that is passed on as `unknown`, in characters. */
export const UNKNOWN = 4096
/** So much of a text in pieces is joined, in characters. */
const LONGEST_TEXT = 64 * 1024
/** What a session that is taken up may tell again. */
const REPLAYED: ReadonlySet<AgentEvent['type']> = new Set(['text', 'tool_start', 'tool_end'])
/** A process that should end with its turn, and whose turn has ended, is given this long to go by itself. */
const LINGER_MS = 5_000
/** What a process that has ended left behind in its group may print for so long. */
const LEFT_BEHIND_MS = 1_000

/**
 * Opens a session with a structured runtime. A launch that fails is an event (`failed`), never an exception:
 * once opened, a session only ever reports.
 *
 * ```
 *  duplex: launch ─► prompt ─► events … turn_end ─► prompt ─► …     (one process; gone between turns, it is resumed)
 *  turn:   launch ─► events … turn_end ─► exit ─► launch ─► …        (one process a turn)
 * ```
 */
export function openSession(options: SessionOptions): Session {
  const { runtime, emit, log, reader } = options
  let child: ChildProcess | null = null
  let plan: LaunchPlan | null = null
  let busy = false
  let session: string | undefined
  let turn: string | undefined
  let sequence = 0
  /** A prompt that goes out as soon as the runtime has told its session's id. */
  let held: string | null = null
  /** `turn`: how the turn ended, by the runtime's word; it is reported when the process is gone. */
  let ending: AgentEvent | null = null
  let resetAt: number | null = null
  /** What was given to this process and is not known to be in the context, oldest first, where it says only that. */
  let given: string[] = []
  /** Of a text that comes in pieces, what came so far. */
  let pieces = ''
  let lastWords = () => ''
  let lastExit: Exit | null = null

  const facts = (): SessionFacts => ({
    ...(session === undefined ? {} : { session }),
    ...(turn === undefined ? {} : { turn }),
    busy,
    sequence: sequence++,
  })

  const report = (event: AgentEvent) => {
    const isPiece = held === null && event.type === 'text' && event.piece === true
    if (isPiece) pieces += event.text
    if (pieces !== '' && (!isPiece || pieces.length > LONGEST_TEXT)) {
      emit({ type: 'text', text: pieces })
      pieces = ''
    }
    if (isPiece) return
    // Told before its first prompt went out, it is of an earlier turn of a session that was taken up.
    if (held !== null && REPLAYED.has(event.type)) return
    switch (event.type) {
      case 'started':
        session = event.session ?? session
        emit(event)
        if (held === null || session === undefined) return
        send(held)
        held = null
        return
      case 'turn_start':
        // Also one that nobody prompted: text sent at the very end of a turn makes a turn of its own.
        turn = event.turn
        busy = true
        break
      case 'accepted':
        if (event.text === null) return emit({ type: 'accepted', text: given.shift() ?? '' })
        break
      case 'rate_limited':
        resetAt = event.resetAt
        break
      case 'turn_end':
        busy = false
        resetAt = null
        break
      case 'failed': {
        // It has failed already: what else it says of that turn is no other failure.
        if (!busy) return
        busy = false
        // It failed before it began: the prompt belongs to another launch, if there is one.
        held = null
        // To the second, where the failure itself may tell the minute alone.
        const known = resetAt
        resetAt = null
        if (event.cause === 'rate_limit' && known !== null) return emit({ ...event, resetAt: known })
        break
      }
      case 'unknown':
        return emit({ type: 'unknown', line: event.line.slice(0, UNKNOWN) })
    }
    emit(event)
  }

  /** What was read from the process. With one process a turn, the turn's end waits for the process's. */
  const heard = (event: AgentEvent, from: ChildProcess) => {
    if (plan?.protocol !== 'turn' || !endsTurn(event)) return report(event)
    // One that says that it failed, and then that the turn is over, has failed.
    if (ending?.type !== 'failed') ending = event
    if (plan.control) from.stdin?.end()
    setTimeout(() => {
      if (child === from && from.pid !== undefined) killProcessGroup(from.pid)
    }, LINGER_MS).unref()
  }

  const write = (frame: Frame) => {
    if (frame.via !== 'stdin' || !child?.stdin?.writable) return
    log.write('in', frame.line)
    child.stdin.write(`${frame.line}\n`)
  }

  const send = (text: string) => {
    const input = runtime.sendInput(text, facts())
    if (input.by === 'frame') write(input.frame)
  }

  const collect = (paths: readonly string[]) =>
    Object.fromEntries(
      paths.flatMap((path) => {
        const text = options.readFile(path)
        return text === null ? [] : [[path, text]]
      }),
    )

  const launch = (prompt: string) => {
    const spec = options.spec(prompt)
    const next = runtime.start(spec)
    if (next.protocol !== 'duplex' && next.protocol !== 'turn') {
      report({ type: 'failed', cause: 'refused', message: `${runtime.title} can't be driven by ${next.protocol}.` })
      return
    }
    plan = next
    ending = null
    resetAt = null
    given = [prompt]
    options.writeFiles([...runtime.deployHooks(spec), ...next.files], next.links ?? [])
    const argv = programArgv(options, next.argv)
    const environment = { ...options.environment, ...next.env }
    let started: ChildProcess
    try {
      started = spawnPiped(options.contain(argv), { cwd: spec.worktree, env: environment })
    } catch (error) {
      return report(notStarted(argv, error))
    }
    child = started
    lastExit = null
    started.on('error', (error) => {
      // Spawn itself failed (the binary vanished, too many processes): no exit will follow.
      if (started.pid !== undefined) return
      child = null
      report(notStarted(argv, error))
    })
    started.stdin?.on('error', (error) => {
      // The CLI closed its input; that it ended is told by its exit.
      if (codeOf(error) !== 'EPIPE') report({ type: 'unknown', line: `stdin: ${error.message}` })
    })
    const stdout = follow(started.stdout, { log, reader, runtime }, 'out', (line) => {
      for (const event of runtime.read(line)) heard(event, started)
    })
    const stderr = follow(started.stderr, { log, reader, runtime }, 'err', () => undefined)
    lastWords = () => stderr.tail().trim()
    started.on('exit', () => endPipes(started, [stdout, stderr], options))
    // `close`, not `exit`: every line has been read by then.
    started.on('close', (code, ownSignal) => {
      const signal = ownSignal ?? options.deathOf(code)
      if (child === started) {
        child = null
        lastExit = { code: signal === null ? code : null, signal }
      }
      if (busy) {
        const exit = {
          code: signal === null ? code : null,
          signal,
          stderrTail: stderr.tail(),
          stdoutTail: stdout.tail(),
        }
        const events = runtime.exited({ ...exit, collected: collect(next.collect ?? []) })
        // A turn that an event ended has only details to add; one that none did is ended by the exit.
        for (const event of events) if (ending === null || !endsTurn(event)) report(event)
        if (ending !== null) report(ending)
      }
    })
    for (const frame of next.hello ?? []) write(frame)
    if (next.stdin !== undefined) started.stdin?.end(next.stdin)
    else if (next.protocol === 'turn' && !next.control) started.stdin?.end()
    if (next.firstPrompt === 'at-once') send(prompt)
    if (next.firstPrompt === 'after-started') held = prompt
  }

  return {
    prompt(text) {
      busy = true
      if (child === null) launch(text)
      else send(text)
    },
    steer(text) {
      const takes = plan?.protocol === 'duplex' || (plan?.control === true && ending === null)
      if (!runtime.can.steer || !busy || child === null || !takes || held !== null) return false
      if (plan?.control) given.push(text)
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
    get alive() {
      return child !== null
    },
    endInput() {
      child?.stdin?.end()
    },
    held: null,
    attended: false,
    get lastWords() {
      return lastWords()
    },
    get lastExit() {
      return lastExit
    },
  }
}

/** The failure of a CLI that could not be started. What no kernel takes is not tried again: a prompt that is too long for it. */
export function notStarted([program = '']: readonly string[], error: unknown): Extract<AgentEvent, { type: 'failed' }> {
  const cause = codeOf(error) === 'E2BIG' ? 'refused' : 'crash'
  return { type: 'failed', cause, message: `${program} could not be started: ${messageOf(error)}` }
}

/** An argv of a plan with the program's path in the place of its name. */
export function programArgv(
  { runtime, program }: Pick<SessionOptions, 'runtime' | 'program'>,
  [name = '', ...rest]: readonly string[],
): string[] {
  return [program !== null && runtime.binaries.includes(name) ? program : name, ...rest]
}

export function endsTurn(event: AgentEvent): boolean {
  return event.type === 'turn_end' || event.type === 'failed'
}

/** A stream that is being read. */
export interface Followed {
  /** Its last lines. */
  tail(): string
  /** Whether nothing came since this was last asked, though it was wanted. */
  silent(): boolean
  /** Takes what came so far for all there is. */
  cut(): void
}

/**
 * A process that has ended may have left others behind: they are noted as its agent's. Those that hold its pipes, which
 * then never close, get a moment and are killed when they are of its group; of those that left the group nothing more is
 * read once they are silent.
 */
export function endPipes(
  ended: ChildProcess,
  streams: readonly Followed[],
  { environment }: Pick<SessionOptions, 'environment'>,
): void {
  const agentId = environment[AGENT_MARKER]
  if (ended.pid !== undefined && agentId !== undefined) noteLeft(agentId, ended.pid)
  const look = setInterval(() => {
    // As long as the group has members its number is nobody's pid; a process of that pid would be a stranger.
    if (ended.pid !== undefined && identify(ended.pid) === null) killProcessGroup(ended.pid)
    if (streams.every((stream) => stream.silent())) for (const stream of streams) stream.cut()
  }, LEFT_BEHIND_MS)
  ended.on('close', () => clearInterval(look))
}

/** Reads a stream by lines, logs each, and holds it while the reader is behind. */
export function follow(
  stream: Readable | null,
  { log, reader, runtime }: Pick<SessionOptions, 'log' | 'reader' | 'runtime'>,
  name: 'out' | 'err',
  each: (line: string) => void,
): Followed {
  let tail = ''
  let came = false
  const lines = splitLines((line) => {
    log.write(runtime.saysNothing?.(line) ? 'reply' : name, line)
    tail = `${tail}${line.slice(-TAIL)}\n`.slice(-TAIL)
    each(line)
  })
  stream?.on('data', (chunk: Buffer) => {
    came = true
    lines.push(chunk)
    if (!reader.behind()) return
    stream.pause()
    reader.caughtUp(() => stream.resume())
  })
  stream?.on('end', () => lines.end())
  return {
    tail: () => tail,
    silent() {
      const silent = !came && stream?.isPaused() !== true
      came = false
      return silent
    },
    cut() {
      lines.end()
      stream?.destroy()
    },
  }
}
