import type { Priority } from '../contract/mail.ts'
import { oneLine, plainText, shownBody } from '../mail/frame.ts'
import { asks, optionsOf } from '../mail/rules.ts'
import type { MailHead, MailView } from '../mail/view.ts'
import { ago, span } from './ages.ts'
import { type Paint, screenWidth, style } from './style.ts'
import { type Column, table } from './table.ts'

/** The end of an id: short, random, and accepted wherever a mail's id is asked for. */
export function shortId(id: string): string {
  return id.slice(-8)
}

const PAINTS: Partial<Record<Priority, Paint>> = { urgent: style.red, high: style.yellow, low: style.dim }

/** Mails for a screen, one after another, control characters taken out. `whole`: bodies are not cut. */
export function lettersText(mails: readonly MailView[], now: number, { whole = false } = {}): string {
  return mails
    .map((mail) => {
      const about = [`${oneLine(mail.from)} → ${oneLine(mail.to)}`, mail.type, ago(mail.at, now), shortId(mail.id)]
      if (mail.priority !== 'normal') about.splice(2, 0, mail.priority)
      return [
        style.dim(about.join(' · ')),
        style.bold(oneLine(mail.subject, 300)),
        ...(mail.body.trim() === '' ? [] : ['', whole ? plainText(mail.body) : shownBody(mail)]),
        ...payloadLines(mail),
      ].join('\n')
    })
    .join('\n\n')
}

/** What a mail carries, and for a question how it is answered. */
function payloadLines({ id, type, payload }: MailView): string[] {
  const options = optionsOf(payload)
  const carried = options.length > 0 ? `Options: ${options.map((one) => oneLine(one)).join(' · ')}` : jsonLine(payload)
  const how = asks(type) ? `Answer: ov mail reply ${shortId(id)} --body "…"` : ''
  const lines = [carried, how].filter((line) => line !== '')
  return lines.length === 0 ? [] : ['', ...lines]
}

function jsonLine(payload: unknown): string {
  const text = JSON.stringify(payload)
  return text === '{}' ? '' : plainText(text)
}

const ID: Column<MailHead> = { title: 'ID', cell: ({ id }) => ({ text: shortId(id), paint: style.dim }) }
const SUBJECT: Column<MailHead> = { title: 'SUBJECT', cell: ({ subject }) => oneLine(subject, 300), min: 12 }

function whenAndWho(now: number): Column<MailHead>[] {
  return [
    { title: 'AGE', cell: ({ at }) => span(now - at), align: 'right', goes: 1 },
    { title: 'FROM', cell: ({ from }) => oneLine(from, 40), min: 6 },
    { title: 'TO', cell: ({ to }) => oneLine(to, 40), min: 6 },
  ]
}

/** Heads of mails as a table. */
export function headsTable(mails: readonly MailHead[], now: number): string {
  const columns: Column<MailHead>[] = [
    ID,
    ...whenAndWho(now),
    { title: 'TYPE', cell: ({ type }) => type },
    {
      title: 'PRIORITY',
      cell: ({ priority }) =>
        priority === 'normal' ? '' : { text: priority, ...(PAINTS[priority] ? { paint: PAINTS[priority] } : {}) },
      goes: 2,
    },
    {
      title: 'STATE',
      cell: ({ state }) => (state === 'bounced' ? { text: state, paint: style.red } : state),
    },
    SUBJECT,
  ]
  return table(mails, columns, { width: screenWidth(), paintTitle: style.dim }).join('\n')
}

/** Mails that were found, each with the place where the text stands. */
export function foundTable(mails: readonly (MailHead & { readonly excerpt: string })[], now: number): string {
  const columns: Column<MailHead & { readonly excerpt: string }>[] = [
    ID,
    ...whenAndWho(now),
    { ...SUBJECT, cell: ({ subject }) => oneLine(subject, 60) },
    { title: 'TEXT', cell: ({ excerpt }) => excerpt, min: 20, goes: 3 },
  ]
  return table(mails, columns, { width: screenWidth(), paintTitle: style.dim }).join('\n')
}
