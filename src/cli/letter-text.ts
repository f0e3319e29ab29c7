import { oneLine, plainText, shownBody } from '../mail/frame.ts'
import { asks, optionsOf } from '../mail/rules.ts'
import type { MailView } from '../mail/view.ts'
import { ago } from './ages.ts'
import type { Paint } from './style.ts'

/** The end of an id: short, random, and accepted wherever a mail's id is asked for. */
export function shortId(id: string): string {
  return id.slice(-8)
}

/**
 * Mails for a screen, one after another, control characters taken out.
 *
 * @param whole bodies are not cut
 */
export function letterText(
  mails: readonly MailView[],
  now: number,
  { dim, bold }: { readonly dim: Paint; readonly bold: Paint },
  { whole = false } = {},
): string {
  return mails
    .map((mail) => {
      const about = [`${oneLine(mail.from)} → ${oneLine(mail.to)}`, mail.type, ago(mail.at, now), shortId(mail.id)]
      if (mail.priority !== 'normal') about.splice(2, 0, mail.priority)
      return [
        dim(about.join(' · ')),
        bold(oneLine(mail.subject, 300)),
        ...(['', mail.subject.trim()].includes(mail.body.trim())
          ? []
          : ['', whole ? plainText(mail.body) : shownBody(mail)]),
        ...payloadLines(mail),
      ].join('\n')
    })
    .join('\n\n')
}

/** What a mail carries, and for a question how it is answered. */
function payloadLines(mail: MailView): string[] {
  const options = optionsOf(mail.payload)
  const carried =
    options.length > 0 ? [`Options: ${options.map((one) => oneLine(one)).join(' · ')}`] : carriedLines(mail)
  const how = asks(mail.type) || options.length > 0 ? [`Answer: ov mail reply ${shortId(mail.id)} --body "…"`] : []
  const lines = [...carried, ...how]
  return lines.length === 0 ? [] : ['', ...lines]
}

/** What a payload says beyond subject and body; ids mean nothing to a person (`--json` has them). */
function carriedLines({ subject, body, payload }: MailView): string[] {
  const isTold = (value: unknown) =>
    typeof value === 'string' && (ID.test(value) || [subject, body].some((told) => told.includes(value)))
  return Object.entries(typeof payload === 'object' && payload !== null ? payload : {})
    .filter(([, value]) => value !== null && !isTold(value))
    .map(
      ([name, value]) =>
        `${oneLine(name, 60)}: ${oneLine(typeof value === 'string' ? value : JSON.stringify(value), 300)}`,
    )
}

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
