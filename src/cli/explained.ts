import { codeOf, type ErrorKind, EXIT_CODES, messageOf, OvError } from '../errors.ts'
import { plainText } from '../mail/frame.ts'
import { isInterrupted } from './interruption.ts'
import type { Paint } from './style.ts'

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

/** What is said in place of anything thrown once the person has had enough; null where that is not so, or is said by it. */
export function explainInterruption(error: unknown): Explained | null {
  const isOwnWord = error instanceof OvError && error.kind === 'interrupted'
  if (!isInterrupted() || isOwnWord) return null
  return said('interrupted', 'cli.interrupted', 'Interrupted.', 'See how things stand: ov status')
}

/** Says what was thrown: an error for a person, what the operating system refused, or a bug, which keeps its stack. */
export function explainThrown(error: unknown): Explained {
  if (error instanceof OvError) return said(error.kind, error.code, error.message, error.hint ?? null)
  const code = codeOf(error)
  if (code === 'ENOENT' && error instanceof Error && 'syscall' in error && error.syscall === 'uv_cwd')
    return said('user', 'os.no-folder', 'The folder you are in has been deleted.', 'Go to one that is there: cd ~')
  if (code !== undefined && code in REFUSALS)
    return said('failed', `os.${code.toLowerCase()}`, messageOf(error), REFUSALS[code] ?? null)
  return {
    ...said('failed', 'bug', messageOf(error), 'This is a bug in ov. Please report it with these lines.'),
    stack: (error instanceof Error ? error.stack : undefined)?.split('\n').slice(1).join('\n') ?? null,
  }
}

/** A failure as a person reads it, on lines of its own. */
export function failureText(
  { message, hint, stack }: Explained,
  { red, dim }: { readonly red: Paint; readonly dim: Paint },
): string {
  return [
    `${red('✖')} ${plainText(message)}\n`,
    ...(stack === null ? [] : [`${dim(plainText(stack))}\n`]),
    ...(hint === null ? [] : [`${dim('Hint:')} ${plainText(hint)}\n`]),
  ].join('')
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

/** An error of this kind, without a stack. */
export function said(kind: ErrorKind, code: string, message: string, hint: string | null): Explained {
  return { kind, code, message, hint, exitCode: EXIT_CODES[kind], stack: null }
}
