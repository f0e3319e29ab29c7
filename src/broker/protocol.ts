import type { ErrorKind } from '../errors.ts'

/** One request a line, one answer a line, over the unix socket that only this agent has. */
export type Answer =
  | { readonly ok: true; readonly result: unknown }
  | {
      readonly ok: false
      readonly error: {
        readonly kind: ErrorKind
        readonly code: string
        readonly message: string
        readonly hint?: string
      }
    }

/** Longest request, in bytes. */
export const MAX_REQUEST = 8 * 1024 * 1024

/** The variable that tells a process which broker is its own. */
export const BROKER_VARIABLE = 'OV_BROKER'
