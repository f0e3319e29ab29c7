import { findProgram } from './files.ts'
import { runShort } from './process.ts'
import { isListening } from './sockets.ts'

/** The size of a window that nobody looks at, in columns and lines. */
const SIZE = { columns: 200, lines: 50 } as const

/** A server that has not opened a session within this time will not, and the agent goes without. */
const START_MS = 5_000
/** A server that has not answered a question within this time is taken for silent. */
const ANSWER_MS = 2_000
/** Long text takes its time on a busy machine. */
const PASTE_MS = 10_000

/** `ov`'s own tmux server: a private socket, no user configuration. */
export interface Tmux {
  readonly socket: string
}

/** The tmux server of this socket, or null when tmux is not installed. */
export function tmuxAt(socket: string): Tmux | null {
  return findProgram('tmux') === null ? null : { socket }
}

function command(tmux: Tmux, ...args: string[]): string[] {
  return ['tmux', '-S', tmux.socket, '-f', '/dev/null', ...args]
}

/** Exact match: without `=` tmux takes a prefix, and killing `ov-a` would kill `ov-ab`. */
function exactly(session: string): string {
  return `=${session}:`
}

/**
 * Opens a session that runs `argv` (executed directly, no shell). The environment travels over the socket by
 * `update-environment`, so that no value shows in any process list.
 *
 * @returns null when it started, else what tmux said.
 */
export async function openSession(
  tmux: Tmux,
  session: string,
  argv: readonly string[],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<string | null> {
  const clientEnv = { ...env, TERM: env.TERM ?? 'xterm-256color' }
  if (!(await isListening(tmux.socket))) await startServer(tmux, clientEnv)
  const args = [
    ['start-server'],
    // Between two agents there may be no session for a moment: the server stays until `letServerEnd`.
    ['set-option', '-s', 'exit-empty', 'off'],
    ['set-option', '-g', 'update-environment', Object.keys(clientEnv).join(' ')],
    ['set-option', '-g', 'history-limit', '2000'],
    // A person's Esc is not held back for half a second.
    ['set-option', '-s', 'escape-time', '20'],
    [
      'new-session',
      '-d',
      '-s',
      session,
      '-x',
      String(SIZE.columns),
      '-y',
      String(SIZE.lines),
      '-c',
      literal(cwd),
      ...argv.map(escapeSeparator),
    ],
  ].flatMap((one, index) => (index === 0 ? one : [';', ...one]))
  for (let attempt = 0; ; attempt++) {
    const outcome = await runShort(command(tmux, ...args), { env: clientEnv, timeoutMs: START_MS })
    if (outcome.ok) return null
    // A server that is just ending refuses new sessions; the next call starts another.
    const ending = /server exited|lost server|no server running|error connecting/.test(outcome.output)
    if (!ending || attempt >= 5) return outcome.output.trim()
  }
}

/** What a server itself needs to know of whoever starts it. */
const SERVER_ENVIRONMENT = ['PATH', 'HOME', 'TERM', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TMPDIR', 'XDG_RUNTIME_DIR']

/**
 * Starts the server with little in its environment: sessions inherit what is in it, and what somebody had set for the
 * first of them would be in all later ones, though it has been taken back since.
 */
async function startServer(tmux: Tmux, env: Readonly<Record<string, string>>): Promise<void> {
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => SERVER_ENVIRONMENT.includes(name)))
  const args = command(tmux, 'start-server', ';', 'set-option', '-s', 'exit-empty', 'off')
  // What is wrong with it shows when the session is opened.
  await runShort(args, { env: own, timeoutMs: START_MS })
}

/** Lets the server end with its last session: nothing runs when nobody uses it. */
export async function letServerEnd(tmux: Tmux): Promise<void> {
  await runShort(command(tmux, 'set-option', '-s', 'exit-empty', 'on'), { timeoutMs: 2_000 })
}

/** A path that tmux takes as it is: it reads `#{…}` as a variable of its own, and `#(…)` as a command to run. */
function literal(path: string): string {
  return escapeSeparator(path.replaceAll('#', '##'))
}

/** A lone `;` at the end of an argument would separate tmux commands. */
function escapeSeparator(argument: string): string {
  return argument.endsWith(';') ? `${argument.slice(0, -1)}\\;` : argument
}

/** Names of all sessions with the pid of their pane; an empty map when no server runs. One process, whatever the number. */
export async function listSessions(tmux: Tmux): Promise<Map<string, number>> {
  const outcome = await runShort(command(tmux, 'list-panes', '-a', '-F', '#{pane_pid} #{session_name}'), {
    timeoutMs: 2_000,
  })
  const sessions = new Map<string, number>()
  if (!outcome.ok) return sessions
  for (const line of outcome.stdout.split('\n')) {
    // A tab would not do: where the locale is not UTF-8, tmux prints it as another character.
    const [pid, name] = line.split(' ')
    if (name && pid) sessions.set(name, Number(pid))
  }
  return sessions
}

export async function killSession(tmux: Tmux, session: string): Promise<void> {
  await runShort(command(tmux, 'kill-session', '-t', exactly(session)), { timeoutMs: 2_000 })
}

/** What to run to look at a session, and with `write` to type into it. */
export function attachCommand(tmux: Tmux, session: string, { write }: { write: boolean }): string[] {
  return command(tmux, 'attach-session', ...(write ? [] : ['-r']), '-t', exactly(session))
}

/** What a pane shows, and who looks at it. */
export interface PaneView {
  /** The lines of its screen, no more. */
  readonly text: string
  readonly title: string
  /** The pane's own process. A new server gives the same names to other panes; the process tells them apart. */
  readonly pid: number
  /** Clients that are attached to its session. */
  readonly clients: number
  readonly columns: number
  readonly lines: number
}

/** The pane this process runs in, as tmux names it (`%7`): exact, whatever sessions are called. Null outside tmux. */
export function ownPane(): string | null {
  return process.env.TMUX_PANE ?? null
}

const VIEW = '#{pane_pid} #{session_attached} #{window_width} #{window_height} #{pane_title}'

/** Looks at a pane, in one call. Null when there is no such pane, no server, or no answer in time. */
export async function viewPane(tmux: Tmux, pane: string): Promise<PaneView | null> {
  const args = ['display-message', '-p', '-t', pane, VIEW, ';', 'capture-pane', '-p', '-t', pane]
  const outcome = await runShort(command(tmux, ...args), { timeoutMs: ANSWER_MS })
  if (!outcome.ok) return null
  const end = outcome.stdout.indexOf('\n')
  const [pid, clients, columns, lines, ...title] = outcome.stdout.slice(0, end).split(' ')
  return {
    text: outcome.stdout.slice(end + 1),
    title: title.join(' '),
    pid: Number(pid),
    clients: Number(clients),
    columns: Number(columns),
    lines: Number(lines),
  }
}

/** Whether there is such a pane; null when its server does not answer, which says nothing. */
export async function paneExists(tmux: Tmux, pane: string): Promise<boolean | null> {
  const outcome = await runShort(command(tmux, 'display-message', '-p', '-t', pane, '#{pane_id}'), {
    timeoutMs: ANSWER_MS,
  })
  if (outcome.ok) return outcome.stdout.trim() === pane
  return /no server running|error connecting|can't find pane|server exited/.test(outcome.output) ? false : null
}

/**
 * Pastes text into a pane, in brackets where the program there has asked for them, every line break as it is. The text
 * goes to tmux over a pipe: it may be long, and shows in no list of processes. Control characters other than tab and
 * line feed must be gone from it: one of them could close the brackets.
 *
 * @returns whether tmux took it
 */
export async function pasteInto(tmux: Tmux, pane: string, text: string): Promise<boolean> {
  const buffer = `ov-${pane}`
  const args = [
    ...['load-buffer', '-b', buffer, '-', ';'],
    ...['paste-buffer', '-p', '-r', '-d', '-b', buffer, '-t', pane],
  ]
  return (await runShort(command(tmux, ...args), { input: text, timeoutMs: PASTE_MS })).ok
}

/**
 * Sends a carriage return to the program in a pane. Not as a key: a person who scrolls back there would get it instead.
 *
 * @returns whether tmux took it
 */
export async function submitIn(tmux: Tmux, pane: string): Promise<boolean> {
  const buffer = `ov-enter-${pane}`
  const args = [...['set-buffer', '-b', buffer, '\r', ';'], ...['paste-buffer', '-r', '-d', '-b', buffer, '-t', pane]]
  return (await runShort(command(tmux, ...args), { timeoutMs: ANSWER_MS })).ok
}

/** Presses keys in a pane, by tmux's names for them (`Down`, `Enter`). */
export async function pressIn(tmux: Tmux, pane: string, keys: readonly string[]): Promise<boolean> {
  return (await runShort(command(tmux, 'send-keys', '-t', pane, '--', ...keys), { timeoutMs: ANSWER_MS })).ok
}

/**
 * Gives a window its own size back that nobody looks at any more: what a narrow terminal left behind would garble the
 * screen. The next who attaches gets it in the size of their terminal all the same.
 */
export async function restoreSize(tmux: Tmux, pane: string): Promise<void> {
  const size = ['-x', String(SIZE.columns), '-y', String(SIZE.lines)]
  const args = ['resize-window', '-t', pane, ...size, ';', 'set-option', '-w', '-u', '-t', pane, 'window-size']
  await runShort(command(tmux, ...args), { timeoutMs: ANSWER_MS })
}

/** Whether a window has the size it has while nobody looks at it. */
export function hasOwnSize({ columns, lines }: Pick<PaneView, 'columns' | 'lines'>): boolean {
  return columns === SIZE.columns && lines === SIZE.lines
}

/** Ends the whole private server. */
export async function killServer(tmux: Tmux): Promise<void> {
  await runShort(command(tmux, 'kill-server'), { timeoutMs: ANSWER_MS })
}

/** The version of tmux, as `3.3a`, or null when it is not installed or does not answer. */
export async function tmuxVersion(): Promise<string | null> {
  if (findProgram('tmux') === null) return null
  const outcome = await runShort(['tmux', '-V'], { timeoutMs: 1_000 })
  return outcome.ok ? outcome.stdout.trim().replace(/^tmux /, '') : null
}
