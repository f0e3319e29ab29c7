/**
 * The kind says who can do what about it, and sets the exit code:
 * `failed` 1 · `user` 2 · `conflict` 3 · `busy` 4 · `budget` 5 · `blocked` 6 · `timeout` 7 · `interrupted` 130.
 */
export const EXIT_CODES = {
  failed: 1,
  user: 2,
  conflict: 3,
  busy: 4,
  budget: 5,
  blocked: 6,
  timeout: 7,
  interrupted: 130,
} as const

export type ErrorKind = keyof typeof EXIT_CODES

/** An error for a person: what happened, and in `hint` the next thing to type. Anything else thrown is a bug. */
export class OvError extends Error {
  readonly kind: ErrorKind
  /** Stable, dotted, for scripts: `mail.recipient-gone`. */
  readonly code: string
  readonly hint: string | undefined

  constructor(kind: ErrorKind, code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OvError'
    this.kind = kind
    this.code = code
    this.hint = options.hint
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind]
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system error (`ENOENT`, `EACCES`, …) or of SQLite's, if it has one. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code
  return undefined
}
