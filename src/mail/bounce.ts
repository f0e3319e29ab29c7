import type { Agent } from '../agents/store.ts'
import { getAgent, isOpen } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { postMail } from './send.ts'
import { bounceMail } from './store.ts'

/** Mail types whose sender is told when they could not be delivered: all but what `ov` itself states. */
export async function bounceUnread(tx: Db, reader: Pick<Agent, 'id' | 'name'>, now: number): Promise<number> {
  const bounced = await bounceMail(tx, reader.id, now)
  for (const mail of bounced) {
    await recordEvent(tx, {
      at: now,
      type: 'mail.bounced',
      agentId: reader.id,
      data: { mail: mail.id, from: mail.sender, type: mail.type },
    })
    if (mail.sender === SYSTEM || mail.type === 'dispatch') continue
    const sender = await getAgent(tx, mail.sender)
    if (sender && !isOpen(sender)) continue
    await postMail(
      tx,
      {
        from: SYSTEM,
        to: mail.sender,
        type: 'escalation',
        subject: `Not delivered to ${reader.name}: ${mail.subject}`,
        body: `${reader.name} ended before it read this.\n\n${mail.body}`,
        payload: { about: mail.id },
        threadId: mail.thread_id,
        replyTo: mail.id,
      },
      now,
    )
  }
  return bounced.length
}
