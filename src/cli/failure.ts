import { Errors } from '@oclif/core'
import { codeOf, type ErrorKind, EXIT_CODES, messageOf, OvError } from '../errors.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import { nearest } from '../nearest.ts'
import { isInterrupted } from './interruption.ts'
import { errStyle } from './style.ts'

/** An error as it is said: to a person, or as `error` in the `--json` document. */
export interface Explained {
  readonly kind: ErrorKind
  /** Stable, dotted, for scripts. */
  readonly code: string
  readonly message: string
  /** The next thing to type. */
  readonly hint: string | null
  readonly exitCode: number
  /** Only of a bug: where it happened. */
  readonly stack: string | null
}

/** What a person could have typed: commands as words (`mail send`), flags without dashes. */
export interface Known {
  readonly commands?: readonly string[]
  readonly flags?: readonly string[]
}

/**
 * Says what was thrown: an error for a person, a command line that makes no sense, what the operating system refused,
 * or a bug, which keeps its stack.
 *
 * @param typed the command as a person types it, for hints
 * @param known what could have been typed instead
 */
export function explain(error: unknown, typed: string, known: Known = {}): Explained {
  const isOwnWord = error instanceof OvError && error.kind === 'interrupted'
  if (isInterrupted() && !isOwnWord) return INTERRUPTED
  if (error instanceof OvError) return said(error.kind, error.code, error.message, error.hint ?? null)
  if (error instanceof Errors.CLIError) {
    const unknown = /^command (\S+) not found$/.exec(error.message)?.[1]
    if (unknown !== undefined) {
      const words = oneLine(unknown.replaceAll(':', ' '), 60)
      const near = commandMeant(words, known.commands ?? [])
      const hint = near === null ? 'See what there is: ov --help' : `Did you mean ov ${near}? All commands: ov --help`
      return said('user', 'cli.unknown-command', `There is no command "${words}".`, hint)
    }
    const message = error.message
      .replace(/\nSee more help with --help$/, '')
      .replace(/^The following error occurred:\n\s*/, '')
    const hint = meantBy(message) ?? flagMeant(message, known.flags ?? []) ?? `See how it is used: ${typed} --help`
    return said('user', 'cli.usage', message, hint)
  }
  const code = codeOf(error)
  if (code !== undefined && code in REFUSALS)
    return said('failed', `os.${code.toLowerCase()}`, messageOf(error), REFUSALS[code] ?? null)
  return {
    ...said('failed', 'bug', messageOf(error), 'This is a bug in ov. Please report it with these lines.'),
    stack: (error instanceof Error ? error.stack : undefined)?.split('\n').slice(1).join('\n') ?? null,
  }
}

/** What was most likely meant by a value that is none of a flag's options; null where nothing is near. */
function meantBy(message: string): string | null {
  const [, flag, value = '', options = ''] = /^Expected (--[\w-]+)=(.*) to be one of: (.+)$/s.exec(message) ?? []
  const near = nearest(value, options.split(', '))
  return flag === undefined || near === null ? null : `Did you mean ${flag} ${near}?`
}

/** The flag that was most likely meant by one there is not; null where nothing is near. */
function flagMeant(message: string, flags: readonly string[]): string | null {
  const wrong = /^Nonexistent flags?: --([^\s=]+)/.exec(message)?.[1]
  const near =
    wrong === undefined ? null : (nearest(wrong, flags) ?? only(flags.filter((flag) => flag.startsWith(wrong))))
  return near === null ? null : `Did you mean --${near}?`
}

/** The command that was most likely meant: one nearly spelled so, or one of a topic whose name was left out. */
function commandMeant(words: string, commands: readonly string[]): string | null {
  return (
    nearest(words, commands) ??
    only(commands.filter((command) => command.endsWith(` ${words}`))) ??
    only(commands.filter((command) => command.startsWith(words)))
  )
}

function only(found: readonly string[]): string | null {
  return found.length === 1 ? (found[0] ?? null) : null
}

const INTERRUPTED = said('interrupted', 'cli.interrupted', 'Interrupted.', 'See how things stand: ov status')

/** Says it to a person, on stderr. */
export function sayFailure({ message, hint, stack }: Explained): void {
  process.stderr.write(`${errStyle.red('✖')} ${plainText(message)}\n`)
  if (stack !== null) process.stderr.write(`${errStyle.dim(plainText(stack))}\n`)
  if (hint !== null) process.stderr.write(`${errStyle.dim('Hint:')} ${plainText(hint)}\n`)
}

/** The document of a command that failed, for `--json`. */
export function failureDocument({ kind, code, message, hint }: Explained): {
  error: Omit<Explained, 'exitCode' | 'stack'>
} {
  return { error: { kind, code, message, hint } }
}

/** What the operating system refuses, by its code, and what a person can do about it. */
const REFUSALS: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full. Free some space, then run the same command again.',
  EDQUOT: 'Your quota is used up. Free some space, then run the same command again.',
  EACCES: 'Check who may read and write there, then run: ov doctor',
  EPERM: 'Check who may read and write there, then run: ov doctor',
  EROFS: 'That file system is read-only. ov needs to write into .overstory and .git.',
  EMFILE: 'Too many files are open. Raise the limit (ulimit -n), then run the same command again.',
  ENFILE: 'Too many files are open on this machine. End something, then run the same command again.',
  EAGAIN: 'Too many processes are running. End something, then run the same command again.',
}

function said(kind: ErrorKind, code: string, message: string, hint: string | null): Explained {
  return { kind, code, message, hint, exitCode: EXIT_CODES[kind], stack: null }
}
