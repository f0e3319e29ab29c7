import type { Priority, SendableType } from '../contract/mail.ts'
import { SYSTEM } from '../contract/mail.ts'
import { OvError } from '../errors.ts'
import type { Project } from '../project.ts'
import { asks, choiceOf, replySubject, replyType } from './rules.ts'
import { sendMail } from './send.ts'
import { getMail, type Mail } from './store.ts'

export interface Reply {
  readonly body: string
  /** Instead of what fits: an answer to what asks, else a status. */
  readonly type?: SendableType
  /** Instead of the priority of what is replied to. */
  readonly priority?: Priority
}

/**
 * Replies to a mail in its thread: to its sender, or to its reader when the one who replies has sent it. A reply to
 * a question that names one of its options carries the choice.
 *
 * @param from who replies: an agent's id or `human`
 * @throws {OvError} `mail.reply-to-ov`, `mail.no-body`, and what `sendMail` throws
 */
export async function replyTo(
  project: Pick<Project, 'db' | 'clock'>,
  from: string,
  mail: Mail,
  reply: Reply,
): Promise<Mail> {
  if (reply.body.trim() === '') {
    throw new OvError('user', 'mail.no-body', 'The reply is empty.', {
      hint: `ov mail reply ${mail.id} --body "…"`,
    })
  }
  const following = mail.sender === from && mail.reader !== from
  const to = following ? mail.reader : mail.sender
  if (to === SYSTEM) throw await nobodyThere(project, mail)
  const type = reply.type ?? (following ? 'status' : replyType(mail.type))
  const choice = type === 'answer' && asks(mail.type) ? choiceOf(JSON.parse(mail.payload_json), reply.body) : null
  const [sent] = await sendMail(project, {
    from,
    to,
    type,
    priority: reply.priority ?? mail.priority,
    subject: replySubject(mail.subject),
    body: reply.body,
    payload: choice === null ? {} : { choice },
    threadId: mail.thread_id,
    replyTo: mail.id,
  })
  if (!sent) throw new Error(`reply to ${mail.id} reached nobody`)
  return sent
}

/** `ov` says facts and reads nothing: the one to write to is whom the fact is about. */
async function nobodyThere(project: Pick<Project, 'db'>, mail: Mail): Promise<OvError> {
  const about = mail.reply_to === null ? undefined : await getMail(project.db, mail.reply_to)
  return new OvError('user', 'mail.reply-to-ov', 'This came from ov itself, which reads no mail.', {
    hint:
      about === undefined
        ? 'Write to whom it is about: ov mail send --to NAME --subject "…"'
        : 'The mail it is about was never answered; send it to somebody at work: ov mail send --to NAME --subject "…"',
  })
}
