import type { Capability } from './states.ts'

/** What each means, and what it carries beside subject and body: `mail-payloads.ts`. */
export const MAIL_TYPES = [
  'dispatch',
  'assign',
  'status',
  'question',
  'answer',
  'result',
  'worker_done',
  'worker_died',
  'merge_ready',
  'merged',
  'merge_failed',
  'escalation',
  'health_check',
  'decision_gate',
  'handoff',
] as const
export type MailType = (typeof MAIL_TYPES)[number]

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
export type SendableType = (typeof SENDABLE_TYPES)[number]

/** Types whose sender wants an answer. */
export const ASKING_TYPES = ['question', 'decision_gate'] as const satisfies readonly MailType[]

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
/** Address of the coordinator at work, whatever its name. */
export const COORDINATOR = 'coordinator'

/** Whether mail from an agent of this name could be taken for somebody else's. */
export function isReservedName(name: string, capability: Capability): boolean {
  return name === HUMAN || name === SYSTEM || (name === COORDINATOR && capability !== COORDINATOR)
}
