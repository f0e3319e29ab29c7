import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { spawnPiped } from './process.ts'
import type { Tmux } from './tmux.ts'

/** What is known of the sessions of a tmux server by its own telling. */
export interface SessionWatch {
  /** When each pane last showed something new, in s since the epoch, by the pid of its process; null while tmux can't be asked. */
  readonly panes: ReadonlyMap<number, number> | null
  /** Connects where there is a server to connect to and it is time to try again. Costs nothing when connected. */
  connect(): void
  /** Asks for the panes once more. The answer is there a moment later. */
  refresh(): void
  close(): void
}

/** After a failed connection the next is tried so much later, twice as long each time, up to the last. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 30_000

/**
 * Watches the sessions of a server over one control-mode client (`tmux -C`): the server tells of every session that
 * begins or ends, within milliseconds, and nothing is started to ask. The client is attached to a session, as tmux
 * wants it, without any effect on it: it has no size, reads no output and may not type. It keeps no server alive: with
 * the last session the server ends, and the client with it.
 *
 * @param changed called when sessions came or went, or the connection did
 */
export function watchSessions(tmux: Tmux, changed: () => void): SessionWatch {
  let client: ChildProcess | null = null
  let panes: ReadonlyMap<number, number> | null = null
  let pause = FIRST_PAUSE_MS
  let notBefore = 0
  let closed = false

  const ended = (who: ChildProcess) => {
    if (client !== who) return
    client = null
    panes = null
    notBefore = performance.now() + pause
    pause = Math.min(LONGEST_PAUSE_MS, pause * 2)
    if (!closed) changed()
  }

  const ask = ({ stdin }: ChildProcess) => {
    if (stdin?.writable) stdin.write(`list-panes -a -F '${MARK} #{pane_pid} #{window_activity}'\n`)
  }

  const connect = () => {
    if (client !== null || closed || performance.now() < notBefore || !existsSync(tmux.socket)) return
    // -N: the socket of a server that was killed is there still, and attaching to it would start another.
    const started = spawnPiped(
      ['tmux', '-N', '-S', tmux.socket, '-f', '/dev/null', '-C', 'attach-session', '-E', '-f', FLAGS],
      { cwd: '/', env: clientEnvironment() },
    )
    client = started
    started.on('error', () => ended(started))
    started.on('exit', () => ended(started))
    // It may end while it is written to; its `exit` follows.
    started.stdin?.on('error', () => undefined)
    started.stderr?.resume()
    const read = blocks((lines) => {
      const found = lines.flatMap((line) => {
        const [mark, pid, shownAt] = line.split(' ')
        return mark === MARK ? [[Number(pid), Number(shownAt)] as const] : []
      })
      // The answer to the attaching itself has no line of ours.
      if (found.length === 0) return
      const before = panes
      panes = new Map(found)
      pause = FIRST_PAUSE_MS
      if (before === null || found.length !== before.size || found.some(([pid]) => !before.has(pid))) changed()
    })
    started.stdout?.setEncoding('utf8').on('data', (text: string) => {
      for (const notice of read(text)) {
        if (!/^%(session-changed|sessions-changed|unlinked-window-close|window-close)\b/.test(notice)) continue
        if (!notice.startsWith('%session-changed')) changed()
        ask(started)
      }
    })
  }

  return {
    get panes() {
      return panes
    },
    connect,
    refresh() {
      if (client !== null) ask(client)
    },
    close() {
      closed = true
      // Without its input it ends by itself.
      client?.stdin?.end()
      client?.kill('SIGTERM')
      client = null
    },
  }
}

const FLAGS = 'ignore-size,no-output,read-only'
const MARK = 'pane'

/** What a tmux client needs of our environment. */
function clientEnvironment(): Record<string, string> {
  const { PATH = '', LANG = 'C.UTF-8', TERM = 'xterm-256color' } = process.env
  return { PATH, LANG, TERM }
}

/**
 * Reads the stream of control mode: answers stand between `%begin` and `%end` (or `%error`), everything else is a
 * notice. Gives a function that takes text as it comes and returns the notices in it.
 */
function blocks(answered: (lines: string[]) => void): (text: string) => string[] {
  let rest = ''
  let answer: string[] | null = null
  return (text) => {
    const notices: string[] = []
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (answer === null) {
        if (line.startsWith('%begin ')) answer = []
        else if (line.startsWith('%')) notices.push(line)
      } else if (/^%(end|error) /.test(line)) {
        answered(answer)
        answer = null
      } else answer.push(line)
    }
    return notices
  }
}
