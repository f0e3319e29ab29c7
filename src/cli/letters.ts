import { oneLine, plainText, shownBody } from '../mail/frame.ts'
import type { MailHead, MailView } from '../mail/view.ts'
import { age, columns } from './output.ts'

/** The end of an id: short, random, and accepted wherever a mail's id is asked for. */
export function shortId(id: string): string {
  return id.slice(-8)
}

/** Mails for a screen, one after another, control characters taken out. `whole`: bodies are not cut. */
export function lettersText(mails: readonly MailView[], now: number, { whole = false } = {}): string {
  return mails
    .map((mail) => {
      const about = [mail.type, ...(mail.priority === 'normal' ? [] : [mail.priority]), `${age(now - mail.at)} ago`]
      const lines = [
        `${oneLine(mail.from)} → ${oneLine(mail.to)} · ${about.join(' · ')} · ${shortId(mail.id)}`,
        oneLine(mail.subject, 300),
        ...(mail.body.trim() === '' ? [] : ['', whole ? plainText(mail.body) : shownBody(mail)]),
        ...payloadLines(mail.payload),
      ]
      return lines.join('\n')
    })
    .join('\n\n')
}

function payloadLines(payload: unknown): string[] {
  const text = JSON.stringify(payload)
  return text === '{}' ? [] : ['', plainText(text)]
}

/** Heads of mails as a table. */
export function headsTable(mails: readonly MailHead[], now: number): string {
  const rows = mails.map((mail) => [
    shortId(mail.id),
    age(now - mail.at),
    oneLine(mail.from, 40),
    oneLine(mail.to, 40),
    mail.priority === 'normal' ? mail.type : `${mail.type} (${mail.priority})`,
    mail.state,
    oneLine(mail.subject, 80),
  ])
  return columns([['ID', 'AGE', 'FROM', 'TO', 'TYPE', 'STATE', 'SUBJECT'], ...rows])
}
