import { assertOwned } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { newId } from '../ids.ts'
import { liveness, ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { markOf } from './frame.ts'
import { batchWithin } from './rules.ts'
import { nameOf } from './send.ts'
import {
  claimMail,
  confirmMail,
  type Mail,
  type Offered,
  offerableMail,
  unconfirmedMail,
  type Wanted,
} from './store.ts'

/*
 * How a mail enters its reader's context exactly once:
 *
 *   waiting ──take──► offered ──(printed, prompted)──► confirm ──► delivered
 *      ▲                 │
 *      │                 │ the offer's holder died or let go of it
 *      │                 ▼
 *      └──no── does the reader's transcript have it? ──yes──────► delivered
 *
 * An offer stands as long as the process that made it lives and holds it: that is asked of the kernel, no clock
 * decides it. While it stands nobody else gets the mail. Once it has fallen, the transcript decides; a reader that
 * has none (a person, a command) is offered the mail again, which is at least once, with visible ids.
 */

/** What is in a reader's context for good, as its runtime keeps it. */
export interface Transcript {
  /** Whether the mark of a mail (`markOf`) stands in it. Throwing means it can't be told; the mail stays where it is. */
  has(mark: string): Promise<boolean>
}

/** Somebody who takes mail. */
export interface Reader {
  /** An agent's id, or `human`. */
  readonly id: string
  readonly transcript?: Transcript
  /** For an agent's owner: a newer fence refuses the taking. */
  readonly fence?: number
}

/** A mail with its sender's name. */
export interface Letter {
  readonly mail: Mail
  readonly from: string
}

/** Mail in hand: offered to its reader, to be confirmed once it is in the reader's context, or let go. */
export interface Delivery {
  readonly offer: string
  /** In order of delivery, never empty. */
  readonly letters: readonly Letter[]
}

/** What the mail stories need of a project. */
export type Post = Pick<Project, 'db' | 'clock' | 'databasePath'>

/** Most mails handed over at once. */
const BATCH = 50
/** Most characters of mail bodies handed over at once; a longer single mail still goes. */
const BATCH_CHARACTERS = 100_000

/** Offers this process stands for. In memory on purpose: they fall with the process. */
const standing = new Set<string>()

/**
 * Takes what waits for a reader, in order of delivery, and holds it until it is confirmed or let go. Null when there
 * is nothing to take. Offers that have fallen are first looked up in the reader's transcript.
 *
 * @throws {OvError} `agent.fenced` when `reader.fence` is not the agent's any more
 */
export async function takeMail(post: Post, reader: Reader, wanted: Wanted = {}): Promise<Delivery | null> {
  const fallen = await fallenOffers(post.db, reader)
  const offer = { id: newId(), holder: ownIdentity() }
  standing.add(offer.id)
  try {
    const mails = await write(post.db, async (tx) => {
      const now = post.clock.now()
      if (reader.fence !== undefined) await assertOwned(tx, { id: reader.id, fence: reader.fence })
      const delivered: string[] = []
      for (const { offer: old, seen } of fallen) delivered.push(...(await confirmMail(tx, reader.id, old, seen, now)))
      await recordDelivery(tx, reader.id, delivered, now, 'transcript')
      const free = new Set(fallen.map((one) => one.offer))
      const held = [...offersOf(await unconfirmedMail(tx, reader.id)).keys()].filter((id) => !free.has(id))
      const batch = batchWithin(await offerableMail(tx, reader.id, wanted, held, BATCH), BATCH_CHARACTERS)
      const claimed = await claimMail(tx, batch, held, offer, now)
      // Whoever asks for a mail by its id may get it before earlier ones: that is told, so that it is not taken for a fault.
      if (wanted.ids !== undefined && claimed.length > 0) await recordPick(tx, reader.id, claimed, now)
      return claimed
    })
    if (mails.length > 0) return { offer: offer.id, letters: await lettersOf(post.db, mails) }
    standing.delete(offer.id)
    return null
  } catch (error) {
    standing.delete(offer.id)
    throw error
  }
}

/**
 * Records that mail of this offer is in its reader's context. What of the offer is not named stays in hand. Confirming
 * twice changes nothing; an offer that was overtaken confirms nothing. Gives the ids delivered by it.
 */
export function confirmDelivery(post: Post, reader: string, offer: string, ids: readonly string[]): Promise<string[]> {
  return write(post.db, async (tx) => {
    const now = post.clock.now()
    const delivered = await confirmMail(tx, reader, offer, ids, now)
    await recordDelivery(tx, reader, delivered, now, 'confirmed')
    return delivered
  })
}

/**
 * Lets go of an offer, as everybody who took mail does in the end. What of it is unconfirmed is offered again,
 * unless the reader's transcript has it.
 */
export function letGo(offer: string): void {
  standing.delete(offer)
}

/**
 * Settles every fallen offer of a reader by its transcript, taking nothing new: what is in it is delivered. To be
 * called before an agent is ended, so that what it has read doesn't bounce.
 */
export async function settleFallen(post: Post, reader: Reader): Promise<string[]> {
  const fallen = await fallenOffers(post.db, reader)
  if (fallen.every(({ seen }) => seen.length === 0)) return []
  return write(post.db, async (tx) => {
    const now = post.clock.now()
    const delivered: string[] = []
    for (const { offer, seen } of fallen) delivered.push(...(await confirmMail(tx, reader.id, offer, seen, now)))
    await recordDelivery(tx, reader.id, delivered, now, 'transcript')
    return delivered
  })
}

/** Whether mail waits for a reader that nobody has in hand: a look without the write lock. */
export async function waitsFor(db: Db, reader: string, wanted: Wanted = {}): Promise<boolean> {
  const held = [...offersOf(await unconfirmedMail(db, reader))].flatMap(([offer, [first]]) =>
    first !== undefined && stands(first) ? [offer] : [],
  )
  return (await offerableMail(db, reader, wanted, held, 1)).length > 0
}

/** Whether an offer still stands: its holder lives and has not let go. What can't be told counts as standing. */
export function stands(mail: Offered): boolean {
  if (mail.offer_id === null || mail.holder_pid === null || mail.holder_start === null || mail.holder_boot === null)
    return false
  const holder = { pid: mail.holder_pid, start: mail.holder_start, boot: mail.holder_boot }
  const own = ownIdentity()
  if (holder.pid === own.pid && holder.start === own.start && holder.boot === own.boot)
    return standing.has(mail.offer_id)
  return liveness(holder) !== 'gone'
}

/** Mails under the same offer, by offer. */
function offersOf(mails: readonly Offered[]): Map<string, Offered[]> {
  return Map.groupBy(mails, (mail) => mail.offer_id ?? '')
}

/** Offers to a reader that stand no more, each with the mails of it that are in the transcript. */
async function fallenOffers(db: Db, reader: Reader): Promise<{ offer: string; seen: string[] }[]> {
  const fallen: { offer: string; seen: string[] }[] = []
  for (const [offer, mails] of offersOf(await unconfirmedMail(db, reader.id))) {
    const [first] = mails
    if (first === undefined || stands(first)) continue
    const seen: string[] = []
    for (const mail of mails) if (await reader.transcript?.has(markOf(mail.id))) seen.push(mail.id)
    fallen.push({ offer, seen })
  }
  return fallen
}

async function recordDelivery(
  tx: Db,
  reader: string,
  mail: readonly string[],
  now: number,
  by: 'confirmed' | 'transcript',
): Promise<void> {
  if (mail.length === 0) return
  await recordEvent(tx, {
    at: now,
    type: 'mail.delivered',
    agentId: reader === HUMAN ? null : reader,
    data: { mail, by },
  })
}

function recordPick(tx: Db, reader: string, mails: readonly Mail[], now: number): Promise<void> {
  const data = { mail: mails.map(({ id }) => id) }
  return recordEvent(tx, { at: now, type: 'mail.picked', agentId: reader === HUMAN ? null : reader, data })
}

/** Mails with their senders' names. */
export async function lettersOf(db: Db, mails: readonly Mail[]): Promise<Letter[]> {
  const names = new Map<string, string>()
  const letters: Letter[] = []
  for (const mail of mails) {
    const from = names.get(mail.sender) ?? (await nameOf(db, mail.sender))
    names.set(mail.sender, from)
    letters.push({ mail, from })
  }
  return letters
}
