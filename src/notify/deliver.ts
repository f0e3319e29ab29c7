import { setTimeout as delay } from 'node:timers/promises'
import { withoutSecrets } from '../config/secrets.ts'
import { claimLease, type Lease, ownsLease, releaseLease, renewLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { newId } from '../ids.ts'
import { ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { redactorOf } from '../runner/redact.ts'
import { step } from '../steps.ts'
import { type Message, senderFor } from './channels.ts'
import { channelsOf } from './channels-of.ts'
import { collectNotices } from './outbox.ts'
import { afterSending, MOST_TRIES, messageOf, SPACING_MS } from './rules.ts'
import {
  type Channel,
  changeNotifications,
  giveUpOthers,
  lastSent,
  type Notification,
  nextDue,
  outbox,
} from './store.ts'

/** The right to send: one process at a time. */
const LEASE = 'notify'
/** Longer than the longest time a channel may take. */
const LEASE_MS = 3 * 60_000

/**
 * Sends what is in the outbox: each batch is recorded as being sent, under an id, before it is, and as sent afterwards.
 * What a process that was killed left in between is sent again under the same id: at least once, never twice for any
 * other reason. Ends when nothing is due; gives when that will be, ms since the epoch, null for never.
 */
export async function deliverNotices(project: Project, gone: AbortSignal): Promise<number | null> {
  const { db, clock } = project
  const lease = await write(db, (tx) => claimLease(tx, LEASE, ownIdentity(), clock, LEASE_MS))
  if (lease === null) return null
  try {
    await collectNotices(project)
    const channels = channelsOf(project.config)
    await write(db, (tx) => giveUpOthers(tx, channels, clock.now()))
    for (const channel of channels) {
      while (!gone.aborted) {
        const batch = await takeBatch(project, lease, channel)
        if (batch === null) break
        step('notify.taken')
        const sent = batch.tries > MOST_TRIES ? KILLED : await senderFor(project, channel)(messageFor(project, batch))
        step('notify.sent')
        await settle(project, lease, batch, sent)
        step('notify.settled')
        await collectNotices(project)
      }
    }
    return await nextDue(db)
  } finally {
    await write(db, (tx) => releaseLease(tx, lease))
  }
}

/** Whoever sent it so often was killed before it could say how it went. */
const KILLED = { ok: false, why: 'each time it was sent, the sender was killed', refused: true } as const

/** What is due within this time is waited for, in ms; for the rest somebody comes again. */
const PATIENCE_MS = 60_000

/** Sends what is in the outbox, and what of it becomes due soon. */
export async function tellPeople(project: Project, gone: AbortSignal): Promise<void> {
  for (;;) {
    const due = await deliverNotices(project, gone)
    const wait = due === null ? Number.POSITIVE_INFINITY : due - project.clock.now()
    if (wait > PATIENCE_MS || gone.aborted) return
    await delay(Math.max(100, wait), undefined, { signal: gone }).catch((error: unknown) => {
      // Asked to end: what waits stays in the outbox.
      if (!gone.aborted) throw error
    })
  }
}

/** What goes out as one message. */
interface Batch {
  /** The same whenever it is tried again. */
  readonly id: string
  readonly channel: Channel
  readonly notices: readonly Notification[]
  /** This time included. */
  readonly tries: number
}

/** Takes what is to be sent next on a channel, and records that it is being sent; null: nothing is due. */
async function takeBatch({ db, clock }: Project, lease: Lease, channel: Channel): Promise<Batch | null> {
  return write(db, async (tx) => {
    if (!(await ownsLease(tx, lease))) return null
    await renewLease(tx, lease, clock, LEASE_MS)
    const now = clock.now()
    const rows = await outbox(tx, channel)
    const left = rows.find(({ state }) => state === 'sending')
    // Batches go out in their order: one that has to wait keeps the later ones waiting, and they are folded.
    const notices = left === undefined ? rows : rows.filter(({ batch }) => batch === left.batch)
    if (notices.length === 0 || notices.some(({ not_before: from }) => isLater(from, now))) return null
    const last = await lastSent(tx, channel)
    const ids = notices.map(({ id }) => id)
    if (last !== null && isLater(last + SPACING_MS, now)) {
      await changeNotifications(tx, ids, { not_before: last + SPACING_MS }, now)
      return null
    }
    const id = left?.batch ?? newId()
    const tries = Math.max(...notices.map((one) => one.tries)) + 1
    await changeNotifications(tx, ids, { state: 'sending', batch: id, tries }, now)
    return { id, channel, notices, tries }
  })
}

/** The longest a message is put off; what is later than that comes of a clock that was set back. */
const LONGEST_WAIT_MS = 15 * 60_000

function isLater(at: number, now: number): boolean {
  return at > now && at - now <= LONGEST_WAIT_MS
}

async function settle(
  { db, clock }: Project,
  lease: Lease,
  { id, channel, notices, tries }: Batch,
  sent: Parameters<typeof afterSending>[0],
): Promise<void> {
  const next = afterSending(sent, tries)
  const error = sent.ok ? null : sent.why
  const ids = notices.map((one) => one.id)
  await write(db, async (tx) => {
    if (!(await ownsLease(tx, lease))) return
    const now = clock.now()
    const data = { channel, id, count: notices.length, tries }
    if (next.do === 'done') {
      await changeNotifications(tx, ids, { state: 'sent', error }, now)
      await recordEvent(tx, { at: now, type: 'notify.sent', data })
    } else if (next.do === 'again') await changeNotifications(tx, ids, { not_before: now + next.inMs, error }, now)
    else {
      await changeNotifications(tx, ids, { state: 'given-up', error }, now)
      await recordEvent(tx, { at: now, type: 'notify.given-up', data: { ...data, why: next.why } })
    }
  })
}

function messageFor(project: Project, { id, notices }: Batch): Message {
  const redact = redactorOf(process.env)
  const clean = (text: string) => withoutSecrets(redact(text))
  const { title, text, hint } = messageOf(notices, project.name, clean)
  return {
    id,
    project: project.name,
    kinds: [...new Set(notices.map(({ kind }) => kind))],
    title,
    text,
    hint,
    count: notices.length,
    at: Math.max(...notices.map(({ created_at: at }) => at)),
  }
}
