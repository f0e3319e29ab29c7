import { findProgram } from './files.ts'
import { run } from './process.ts'

/** A server that has not opened a session within this time will not, and the agent goes without. */
const START_MS = 5_000

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
  const args = [
    ['start-server'],
    // Between two agents there may be no session for a moment: the server stays until `letServerEnd`.
    ['set-option', '-s', 'exit-empty', 'off'],
    ['set-option', '-g', 'update-environment', Object.keys(clientEnv).join(' ')],
    ['set-option', '-g', 'history-limit', '2000'],
    ['new-session', '-d', '-s', session, '-x', '200', '-y', '50', '-c', literal(cwd), ...argv.map(escapeSeparator)],
  ].flatMap((one, index) => (index === 0 ? one : [';', ...one]))
  for (let attempt = 0; ; attempt++) {
    const outcome = await run(command(tmux, ...args), { env: clientEnv, timeoutMs: START_MS })
    if (outcome.ok) return null
    // A server that is just ending refuses new sessions; the next call starts another.
    const ending = /server exited|lost server|no server running|error connecting/.test(outcome.output)
    if (!ending || attempt >= 5) return outcome.output.trim()
  }
}

/** Lets the server end with its last session: nothing runs when nobody uses it. */
export async function letServerEnd(tmux: Tmux): Promise<void> {
  await run(command(tmux, 'set-option', '-s', 'exit-empty', 'on'), { timeoutMs: 2_000 })
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
  const outcome = await run(command(tmux, 'list-panes', '-a', '-F', '#{pane_pid} #{session_name}'), {
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
  await run(command(tmux, 'kill-session', '-t', exactly(session)), { timeoutMs: 2_000 })
}

/** What to run to look at a session, and with `write` to type into it. */
export function attachCommand(tmux: Tmux, session: string, { write }: { write: boolean }): string[] {
  return command(tmux, 'attach-session', ...(write ? [] : ['-r']), '-t', exactly(session))
}

/** Ends the whole private server. */
export async function killServer(tmux: Tmux): Promise<void> {
  await run(command(tmux, 'kill-server'))
}

/** The version of tmux, as `3.3a`, or null when it is not installed or does not answer. */
export async function tmuxVersion(): Promise<string | null> {
  if (findProgram('tmux') === null) return null
  const outcome = await run(['tmux', '-V'], { timeoutMs: 1_000 })
  return outcome.ok ? outcome.stdout.trim().replace(/^tmux /, '') : null
}
