import { ASKING_TYPES, type MailType, SYSTEM } from '../contract/mail.ts'
import { OvError } from '../errors.ts'

/** Longest subject, in characters: one line. */
export const MAX_SUBJECT = 300
/** Longest body, in characters: a letter, not an archive. */
export const MAX_BODY = 2 * 1024 * 1024
/** Longest payload, in characters of its JSON. */
const MAX_PAYLOAD = 64 * 1024

/**
 * Text as it is kept: as it was written, control characters included, for they may be what the mail is about. Only
 * what no database text can hold is replaced: NUL and halves of surrogate pairs become U+FFFD. What reaches a
 * terminal or a prompt goes through `plainText` first.
 */
export function keptText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD')
}

/**
 * Whether a person or an agent may send this text.
 * @throws {OvError} `mail.no-subject`, `mail.too-long`
 */
export function checkText(mail: { subject: string; body: string; payload?: unknown }): void {
  if (!/[\p{L}\p{N}\p{P}\p{S}]/u.test(mail.subject)) {
    throw new OvError('user', 'mail.no-subject', 'The subject is empty.', {
      hint: 'Say in a line what it is about: --subject "Tests are green"',
    })
  }
  tooLong('subject', mail.subject.length, MAX_SUBJECT, 'Put the rest into the body: --body "…", or --body - to read it')
  tooLong('body', mail.body.length, MAX_BODY, 'Commit the material as a file and name it in the mail.')
  tooLong('payload', JSON.stringify(mail.payload ?? {}).length, MAX_PAYLOAD, 'Put the material into the body.')
}

function tooLong(what: string, length: number, most: number, hint: string): void {
  if (length > most)
    throw new OvError('user', 'mail.too-long', `The ${what} has ${length} characters, more than ${most}.`, { hint })
}

/** The type of a reply: an answer to what asks, else word of how things stand. */
export function replyType(type: MailType): MailType {
  return asks(type) ? 'answer' : 'status'
}

export function asks(type: MailType): boolean {
  return (ASKING_TYPES as readonly MailType[]).includes(type)
}

/** The option of a question that a reply names, whatever its case; null when it says something else. */
export function choiceOf(payload: unknown, reply: string): string | null {
  const said = reply.trim().toLowerCase()
  return optionsOf(payload).find((option) => option.trim().toLowerCase() === said) ?? null
}

/** The options a question gives; none when any answer will do. */
export function optionsOf(payload: unknown): readonly string[] {
  const options: unknown =
    typeof payload === 'object' && payload !== null && 'options' in payload ? payload.options : []
  return Array.isArray(options) && options.every((one) => typeof one === 'string') ? options : []
}

/** The subject of a reply: one `Re:`, however long the thread. */
export function replySubject(subject: string): string {
  return `Re: ${subject.replace(/^(\s*re:\s*)+/i, '')}`.slice(0, MAX_SUBJECT)
}

/** The first mails, in order, whose bodies stay within `characters` together; always at least one. Gives their ids. */
export function batchWithin(mails: readonly { id: string; size: number }[], characters: number): string[] {
  const batch: string[] = []
  let left = characters
  for (const { id, size } of mails) {
    if (batch.length > 0 && size > left) break
    batch.push(id)
    left -= size
  }
  return batch
}

/** Word of how a task went. It must reach somebody, whoever it was meant for. */
const TIDINGS: readonly MailType[] = ['worker_done', 'worker_died']

/**
 * What becomes of mail whose reader has ended: its sender is told; tidings, and `ov`'s own calls for help, go on to
 * whoever stands in for the reader; the rest (a dispatch, whose task's end is told anyway, or word of a merge) is
 * only recorded. So is what asks for a decision about an agent: the escalation goes up by itself.
 */
export function bounceOf(mail: {
  readonly sender: string
  readonly type: MailType
  readonly payload_json: string
}): 'tell-sender' | 'pass-on' | 'record' {
  if (mail.type === 'dispatch') return 'record'
  if (TIDINGS.includes(mail.type)) return 'pass-on'
  if (mail.sender !== SYSTEM) return 'tell-sender'
  if (mail.type !== 'escalation') return 'record'
  return optionsOf(JSON.parse(mail.payload_json)).length > 0 ? 'record' : 'pass-on'
}
