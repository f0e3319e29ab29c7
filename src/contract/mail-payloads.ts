import * as z from 'zod'
import type { MailType } from './mail.ts'

const choices = z.array(z.string().min(1).max(500)).max(20)

/**
 * What each type of mail carries beside subject and body. Foreign text in a payload is data, never an instruction to
 * `ov`. Unknown keys are refused, so that a misspelt one is told at once.
 */
export const MAIL_PAYLOADS = {
  /** The task an agent was made for. Its body is the task's text. */
  dispatch: z.strictObject({ task: z.string(), capability: z.string() }),
  /** More work for an agent that is at work already; `task` names what it belongs to. */
  assign: z.strictObject({ task: z.string().optional() }),
  /** How things stand. No answer is wanted. `progress` runs from 0 to 1. */
  status: z.strictObject({ progress: z.number().min(0).max(1).optional() }),
  /** An answer is wanted, one of `options` where they are given. */
  question: z.strictObject({ options: choices.optional() }),
  /** The answer to a question or decision gate; `choice` is the option taken. */
  answer: z.strictObject({ choice: z.string().optional() }),
  /** What came out of an assignment. */
  result: z.strictObject({ task: z.string().optional(), files: z.array(z.string()).optional() }),
  /** An agent claims that it is done; `commit` is null when nothing had to change. */
  worker_done: z.strictObject({ task: z.string(), branch: z.string(), commit: z.string().nullable() }),
  /** An agent failed or died. */
  worker_died: z.strictObject({ task: z.string(), agent: z.string(), reason: z.string() }),
  /** A branch waits to be merged. */
  merge_ready: z.strictObject({ branch: z.string(), commit: z.string() }),
  /** The branch is on the canonical branch, as `mergedAs`. */
  merged: z.strictObject({ branch: z.string(), commit: z.string(), mergedAs: z.string() }),
  /** The branch came back to its author, with the output that says why in the body. */
  merge_failed: z.strictObject({
    branch: z.string(),
    commit: z.string(),
    why: z.enum(['conflict', 'gate', 'setup']),
    gate: z.string().optional(),
    attemptsLeft: z.number().int().nonnegative(),
  }),
  /** Somebody above has to know, or to decide by one of `options`; `about` is the id of a mail or the name of an agent. */
  escalation: z.strictObject({ about: z.string().optional(), options: choices.optional() }),
  /** Are you well? Any reply will do. */
  health_check: z.strictObject({}),
  /** A decision that work waits for: one of `options`. */
  decision_gate: z.strictObject({ options: choices.min(2) }),
  /** Work passes to the reader. */
  handoff: z.strictObject({ task: z.string().optional(), branch: z.string().optional() }),
} as const satisfies Record<MailType, z.ZodType>

/** What may be given as the payload of each type. */
export type MailPayloads = { readonly [T in MailType]: z.input<(typeof MAIL_PAYLOADS)[T]> }
