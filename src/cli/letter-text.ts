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
