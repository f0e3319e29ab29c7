import { systemClock } from '../clock.ts'
import { openDatabase } from '../db/open.ts'
import type { Post } from '../mail/deliver.ts'
import type { Draft } from '../mail/send.ts'
import { checkMail, confirmMail, type Sent, sendFrom, type Taken } from '../mail/service.ts'
import { databaseOf } from '../state-dir.ts'
import { type Manner, plain, say, type TheirWay, tell, travel, type Way } from './hot-call.ts'
import { letterText, shortId } from './letter-text.ts'

const HUMAN = { kind: 'human' } as const

/** Takes mail, prints it, and confirms it once it is out. */
export async function checkMailBy(
  theirs: TheirWay,
  words: Manner & { readonly inject?: boolean | undefined },
): Promise<void> {
  await travel(theirs, words, openPost, async (way) => {
    const { offer, mail, prompt, left } = await taken(way)
    const isFramed = words.inject === true || way.is === 'broker'
    const letters = () => (isFramed ? prompt : letterText(mail, Date.now(), { dim: plain, bold: plain }))
    tell(words, { mail, prompt, left }, offer === null ? '' : `${letters()}\n`)
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

/** Sends a mail and says to whom. */
export async function sendMailBy(theirs: TheirWay, words: Manner, draft: Omit<Draft, 'from'>): Promise<void> {
  await travel(theirs, words, openPost, async (way) => {
    const result =
      way.is === 'broker'
        ? ((await way.call('mail.send', draft)) as { sent: Sent[] })
        : await sendFrom(way.project, HUMAN, draft)
    tell(words, result, `Sent to ${result.sent.map((mail) => `${mail.to} (${shortId(mail.id)})`).join(', ')}.\n`)
  })
}

async function openPost(root: string): Promise<Post & { close(): Promise<void> }> {
  const databasePath = databaseOf(root)
  const db = openDatabase(databasePath)
  return { db, clock: systemClock, databasePath, close: () => db.destroy() }
}
