import { readerOf, type Speaker, senderOf } from '../broker/operation.ts'
import type { Project } from '../project.ts'
import { confirmDelivery, type Delivery, letGo, type Post, takeMail } from './deliver.ts'
import { frameMail } from './frame.ts'
import { type Draft, sendMail } from './send.ts'
import { countWaiting, type Mail } from './store.ts'
import { headsOf, type MailView, viewsOf } from './view.ts'

/*
 * What anybody who speaks to `ov` can do with mail, without what checks a request: the fast door has done that itself.
 */

/** Mail a reader takes: to be shown, then confirmed by its `offer`. What is not confirmed is offered again. */
export interface Taken {
  /** Null when there is nothing to confirm. */
  readonly offer: string | null
  readonly mail: readonly MailView[]
  /** All of it as one framed block, for a prompt; empty when there is none. */
  readonly prompt: string
  /** How much more waits, which somebody else has in hand or which did not fit. */
  readonly left: number
}

/** One mail that was sent, for each reader. */
export interface Sent {
  readonly id: string
  readonly thread: string
  readonly to: string
}

/** Sends a mail in the name of whoever speaks. */
export async function sendFrom(
  project: Pick<Project, 'db' | 'clock'>,
  speaker: Speaker,
  draft: Omit<Draft, 'from'>,
): Promise<{ sent: Sent[] }> {
  return { sent: await receiptsOf(project, await sendMail(project, { ...draft, from: senderOf(speaker) })) }
}

/** Takes what waits. The caller shows it and then confirms; `gone` lets go of it. */
export async function checkMail(project: Post, speaker: Speaker, gone: AbortSignal): Promise<Taken> {
  return handed(project, senderOf(speaker), await takeMail(project, readerOf(speaker)), gone)
}

/** Confirms mail that was taken and shown. */
export async function confirmMail(
  project: Post,
  speaker: Speaker,
  offer: string,
  ids: readonly string[],
): Promise<{ confirmed: string[] }> {
  return { confirmed: await confirmDelivery(project, senderOf(speaker), offer, ids) }
}

/** Mail in hand as an answer. Whoever hangs up lets go of it, confirmed or not. */
export async function handed(
  project: Post,
  reader: string,
  delivery: Delivery | null,
  gone: AbortSignal,
): Promise<Taken> {
  if (delivery === null) return { offer: null, mail: [], prompt: '', left: await countWaiting(project.db, reader) }
  const { offer, letters } = delivery
  if (gone.aborted) letGo(offer)
  else gone.addEventListener('abort', () => letGo(offer), { once: true })
  return {
    offer,
    mail: await viewsOf(
      project.db,
      letters.map(({ mail }) => mail),
    ),
    prompt: frameMail(letters),
    left: (await countWaiting(project.db, reader)) - letters.length,
  }
}

/** What a sender is told of each mail. */
export async function receiptsOf(project: Pick<Project, 'db'>, mails: readonly Mail[]): Promise<Sent[]> {
  return (await headsOf(project.db, mails)).map(({ id, thread, to }) => ({ id, thread, to }))
}
