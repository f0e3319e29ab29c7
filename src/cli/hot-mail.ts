import { PRIORITIES, SENDABLE_TYPES } from '../contract/mail.ts'
import type { Post } from '../mail/deliver.ts'
import { checkMail, confirmMail, type Sent, sendFrom, type Taken } from '../mail/service.ts'
import { openPost, plain, say, tell, travel, type Way } from './hot-call.ts'
import { plainWords } from './hot-words.ts'
import { letterText, shortId } from './letter-text.ts'

const HUMAN = { kind: 'human' } as const

/** `ov mail check`, as in commands/mail/check.ts. False, with nothing done, where that one has to do it. */
export async function mailCheck(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, { inject: { type: 'boolean' } })
  if (words === null) return false
  return travel(words, openPost, async (way) => {
    const { offer, mail, prompt, left } = await taken(way)
    const isFramed = words.inject === true || way.is === 'broker'
    const letters =
      offer === null ? '' : `${isFramed ? prompt : letterText(mail, Date.now(), { dim: plain, bold: plain })}\n`
    tell(words, { mail, prompt, left }, letters)
    if (!words.inject) {
      if (offer !== null && left > 0) say(words, `${left} more: ov mail check`)
      if (offer === null) say(words, left > 0 ? `No new mail but ${left} being read elsewhere.` : 'No new mail.')
    }
    if (offer !== null) await confirm(way, offer, mail)
  })
}

async function taken(way: Way<Post>): Promise<Taken> {
  if (way.is === 'broker') return (await way.call('mail.check', {})) as Taken
  return checkMail(way.project, HUMAN, new AbortController().signal)
}

async function confirm(way: Way<Post>, offer: string, mail: Taken['mail']): Promise<void> {
  const ids = mail.map(({ id }) => id)
  if (way.is === 'broker') await way.call('mail.confirm', { offer, ids })
  else await confirmMail(way.project, HUMAN, offer, ids)
}

/** `ov mail send`, as in commands/mail/send.ts. False, with nothing done, where that one has to do it. */
export async function mailSend(argv: readonly string[]): Promise<boolean> {
  const words = plainWords(argv, {
    to: { type: 'string' },
    subject: { type: 'string', short: 's' },
    body: { type: 'string', short: 'b' },
    type: { type: 'string' },
    priority: { type: 'string' },
  })
  if (words === null) return false
  const { to, subject, body = '' } = words
  const type = SENDABLE_TYPES.find((one) => one === (words.type ?? 'status'))
  const priority = PRIORITIES.find((one) => one === (words.priority ?? 'normal'))
  if (to === undefined || subject === undefined || body === '-' || type === undefined || priority === undefined)
    return false
  // It carries its options, which are checked there.
  if (type === 'decision_gate') return false
  const draft = { to, subject, body, type, priority }
  return travel(words, openPost, async (way) => {
    const result =
      way.is === 'broker'
        ? ((await way.call('mail.send', draft)) as { sent: Sent[] })
        : await sendFrom(way.project, HUMAN, draft)
    tell(words, result, `Sent to ${result.sent.map((mail) => `${mail.to} (${shortId(mail.id)})`).join(', ')}.\n`)
  })
}
