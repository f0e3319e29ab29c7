import type { Priority } from '../contract/mail.ts'
import { oneLine } from '../mail/frame.ts'
import type { MailHead, MailView } from '../mail/view.ts'
import { span } from './ages.ts'
import { letterText, shortId } from './letter-text.ts'
import { type Paint, screenWidth, style } from './style.ts'
import { type Column, table } from './table.ts'

const PAINTS: Partial<Record<Priority, Paint>> = { urgent: style.red, high: style.yellow, low: style.dim }

/** Mails for this screen, as {@link letterText}. */
export function lettersText(
  mails: readonly MailView[],
  now: number,
  options: { readonly whole?: boolean } = {},
): string {
  return letterText(mails, now, style, options)
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
