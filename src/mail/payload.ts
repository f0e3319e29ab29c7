import type { MailType } from '../contract/mail.ts'
import { OvError } from '../errors.ts'

/** Types that may carry nothing, and as a rule do: then what checks payloads need not even be loaded. */
const MAY_BE_EMPTY: readonly MailType[] = [
  'status',
  'question',
  'answer',
  'result',
  'assign',
  'escalation',
  'health_check',
  'handoff',
]

/**
 * What a mail carries, checked against its type.
 *
 * @throws {OvError} `mail.payload`
 */
export async function checkedPayload(type: MailType, payload: unknown): Promise<unknown> {
  if (payload === undefined && MAY_BE_EMPTY.includes(type)) return {}
  const { MAIL_PAYLOADS } = await import('../contract/mail-payloads.ts')
  const checked = MAIL_PAYLOADS[type].safeParse(payload ?? {})
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]
  const where = issue?.path.length ? ` at "${issue.path.join('.')}"` : ''
  throw new OvError(
    'user',
    'mail.payload',
    `A mail of type ${type} cannot carry this payload${where}: ${issue?.message}.`,
    { hint: HINTS[type] ?? `Leave --payload out, or see what ${type} carries: docs/mail.md` },
  )
}

const HINTS: Partial<Record<MailType, string>> = {
  decision_gate: `Give the choices: --payload '{"options":["ship it","wait"]}'`,
  question: `Choices are optional: --payload '{"options":["yes","no"]}'`,
}
