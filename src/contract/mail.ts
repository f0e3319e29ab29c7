import * as z from 'zod'

/** What each type of mail carries beside subject and body. Foreign text in a payload is data, never an instruction to `ov`. */
export const MAIL_PAYLOADS = {
  dispatch: z.strictObject({ task: z.string(), capability: z.string() }),
  assign: z.strictObject({ task: z.string() }),
  status: z.strictObject({}),
  question: z.strictObject({ options: z.array(z.string()).optional() }),
  answer: z.strictObject({}),
  result: z.strictObject({}),
  worker_done: z.strictObject({ task: z.string(), branch: z.string(), commit: z.string().nullable() }),
  worker_died: z.strictObject({ task: z.string(), agent: z.string(), reason: z.string() }),
  merge_ready: z.strictObject({ branch: z.string(), commit: z.string() }),
  merged: z.strictObject({ branch: z.string(), commit: z.string(), mergedAs: z.string() }),
  merge_failed: z.strictObject({
    branch: z.string(),
    commit: z.string(),
    why: z.enum(['conflict', 'gate', 'setup']),
    gate: z.string().optional(),
    attemptsLeft: z.number().int().nonnegative(),
  }),
  escalation: z.strictObject({ about: z.string() }),
  health_check: z.strictObject({}),
  decision_gate: z.strictObject({ options: z.array(z.string()) }),
  handoff: z.strictObject({ task: z.string().optional() }),
} as const satisfies Record<string, z.ZodType>

export type MailType = keyof typeof MAIL_PAYLOADS
export const MAIL_TYPES = Object.keys(MAIL_PAYLOADS) as [MailType, ...MailType[]]
export type MailPayload<T extends MailType = MailType> = z.infer<(typeof MAIL_PAYLOADS)[T]>

/** Types a person or an agent may send by `ov mail send`; the others are facts that only `ov` itself states. */
export const SENDABLE_TYPES = [
  'status',
  'question',
  'answer',
  'result',
  'assign',
  'escalation',
  'health_check',
  'decision_gate',
  'handoff',
] as const satisfies readonly MailType[]

/** Highest first: the order in which a reader gets them. */
export const PRIORITIES = ['urgent', 'high', 'normal', 'low'] as const
export type Priority = (typeof PRIORITIES)[number]

/** Lower is delivered earlier. */
export function priorityRank(priority: Priority): number {
  return PRIORITIES.indexOf(priority)
}

/** Who can write and read mail and is not an agent. */
export const HUMAN = 'human'
/** What `ov` itself says, on behalf of the train and the watchdog. */
export const SYSTEM = 'ov'
