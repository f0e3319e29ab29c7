import { getAgent } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { NOTICE_KINDS } from '../contract/notices.ts'
import { type Db, write } from '../db/open.ts'
import { lastEventId, notableBeyond } from '../events/store.ts'
import { nameOf } from '../mail/send.ts'
import { getMail } from '../mail/store.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { channelsOf } from './channels-of.ts'
import { NOTABLE, type Noted, noticeOf } from './rules.ts'
import { type Channel, cursors, moveCursor, nextDue, queueNotice } from './store.ts'

/** A cursor that lags so far behind is moved, also when nothing was told. */
const LAG = 2_000

/**
 * Puts what happened since into the outbox of each channel, each event once. A channel that is new begins with what
 * happens from now on. Gives whether something is to be sent now.
 */
export async function collectNotices(project: Project): Promise<boolean> {
  const { db, clock, config } = project
  const channels = channelsOf(config)
  if (channels.length === 0) return false
  const known = await cursors(db)
  const last = await lastEventId(db)
  const from = Math.min(...channels.map((channel) => known.get(channel) ?? last))
  const events = await notableBeyond(db, from, NOTABLE)
  const isNew = channels.some((channel) => !known.has(channel))
  if (isNew || events.length > 0 || last - from > LAG) {
    const upTo = Number(events.at(-1)?.id ?? last)
    await write(db, async (tx) => {
      for (const channel of channels) {
        const told = (await cursors(tx)).get(channel) ?? last
        for (const event of events) if (Number(event.id) > told) await queue(tx, channel, event, config, clock.now())
        await moveCursor(tx, channel, Math.max(told, upTo))
      }
    })
    step('notify.collected')
  }
  const due = await nextDue(db)
  return due !== null && due <= clock.now()
}

async function queue(
  tx: Db,
  channel: Channel,
  event: Awaited<ReturnType<typeof notableBeyond>>[number],
  { notify }: Project['config'],
  now: number,
): Promise<void> {
  const notice = noticeOf(await notedOf(tx, event))
  const wanted: readonly string[] = notify.on ?? NOTICE_KINDS
  if (notice === null || !wanted.includes(notice.kind)) return
  await queueNotice(tx, { channel, eventId: Number(event.id), notice }, now)
}

async function notedOf(tx: Db, event: Awaited<ReturnType<typeof notableBeyond>>[number]): Promise<Noted> {
  const data: Record<string, unknown> = JSON.parse(event.data_json)
  const id = event.type === 'agent.escalated' ? data.question : data.mail
  const mail = typeof id === 'string' ? await getMail(tx, id) : undefined
  return {
    type: event.type,
    data,
    agent: event.agent_id === null ? null : ((await getAgent(tx, event.agent_id))?.name ?? null),
    mail:
      mail === undefined
        ? null
        : {
            id: mail.id,
            from: await nameOf(tx, mail.sender),
            bySystem: mail.sender === SYSTEM,
            type: mail.type,
            subject: mail.subject,
          },
  }
}
