import * as z from 'zod'
import type { AgentEvent, FailureCause, ProcessExit } from './runtime.ts'

/** What adapters read alike, whatever their CLI: pure. */

/** Why a model's provider refused, by the status of its answer; null: it never answered. */
export function causeOfStatus(status: number | null): FailureCause {
  if (status === null) return 'network'
  if (status >= 500) return 'overloaded'
  switch (status) {
    case 400:
      return 'refused'
    case 401:
    case 403:
      return 'auth'
    case 402:
      return 'quota'
    case 404:
      return 'model'
    case 408:
      return 'network'
    case 413:
      return 'context'
    case 429:
      return 'rate_limit'
    default:
      return 'unknown'
  }
}

/** A line as JSON; undefined, which every schema refuses, where it is none: the line is then reported as unknown. */
export function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

/**
 * A CLI that ended in the middle of its turn: asked to (by a signal, or by whoever sits at its screen), or it crashed.
 *
 * @param said what it said about it
 * @param cause where that tells why
 */
export function endedEarly(
  title: string,
  { code, signal }: ProcessExit,
  said: string,
  cause: FailureCause | null = null,
): AgentEvent {
  const asked = signal === 'SIGINT' || signal === 'SIGTERM' || code === 0 || code === 130 || code === 143
  return {
    type: 'failed',
    cause: cause ?? (asked ? 'interrupted' : 'crash'),
    message: `${title} ended in the middle of a turn (${signal ?? `exit code ${code}`}).\n${said}`.trim(),
  }
}

const parts = z.array(z.looseObject({ text: z.string().optional() }))

/** The text of a message or a tool's output: a string, or parts of which some are text. Empty where it is neither. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  const known = parts.safeParse(value)
  return known.success ? known.data.flatMap((one) => one.text ?? []).join('\n') : ''
}

/** Longest summary of a tool's use, in characters. */
const BRIEF = 1000

/** A value as a summary: text as it is, all else as JSON; of what is too long, the beginning and the end. */
export function brief(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  if (text.length <= BRIEF) return text
  const end = text.slice(-BRIEF / 4)
  return `${text.slice(0, BRIEF - end.length - 1)}…${end}`
}
