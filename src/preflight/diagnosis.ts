import { messageOf, OvError } from '../errors.ts'

/** `error`: `ov` can't do its work. `warning`: part of it will fail or be worse. `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info'

/** Something a person should know, and the next thing to type. */
export interface Issue {
  readonly severity: Severity
  /** Stable, dotted, for scripts: `git.too-old`. */
  readonly code: string
  readonly message: string
  readonly hint: string | null
  /** `ov doctor --fix` mends it, and loses nothing by that. */
  readonly fixable: boolean
}

/** An issue with the means to mend it, which says what it did. */
export interface Found extends Omit<Issue, 'fixable'> {
  readonly fix?: () => Promise<string>
}

/** One line of the picture: what was looked at, what was seen, what is wrong with it. */
export interface Check {
  readonly name: string
  readonly summary: string
  readonly found: readonly Found[]
}

/** The issue an error stands for. */
export function foundError(error: unknown, severity: Severity = 'error'): Found {
  if (error instanceof OvError) return { severity, code: error.code, message: error.message, hint: error.hint ?? null }
  return { severity, code: 'doctor.failed', message: `A check failed: ${messageOf(error)}`, hint: null }
}

/** What is shown of a found issue. */
export function issueOf({ fix, ...issue }: Found): Issue {
  return { ...issue, fixable: fix !== undefined }
}
