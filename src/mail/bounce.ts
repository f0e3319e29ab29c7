import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import { HUMAN, SYSTEM } from '../contract/mail.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { step } from '../steps.ts'
import { oneLine } from './frame.ts'
import { bounceOf } from './rules.ts'
import { nameOf, postMail, reportsTo } from './send.ts'
import { bounceMail, type Mail, openQuestions, waitingReaders } from './store.ts'

type Ended = Pick<Agent, 'id' | 'name' | 'parent_id'>

/**
 * Bounces all that an ending agent will not read any more, in the transaction that ends it: senders are told, tidings
 * go to whoever stands in for it, and whoever waits for its answer learns that none will come. Gives how many bounced.
 */
export async function bounceUnread(tx: Db, reader: Ended, now: number): Promise<number> {
  const bounced = await bounceMail(tx, reader.id, now)
  for (const mail of bounced) {
    const fate = bounceOf(mail)
    await recordEvent(tx, {
      at: now,
      type: 'mail.bounced',
      agentId: reader.id,
      data: { mail: mail.id, from: mail.sender, type: mail.type, fate },
    })
    if (fate === 'pass-on') await passOn(tx, mail, reader, now)
    if (fate === 'tell-sender') {
      await notify(tx, await mailboxFor(tx, mail.sender), mail, now, {
        subject: `Not delivered to ${reader.name}: ${mail.subject}`,
        body: `${reader.name} ended before it read this.\n\n${mail.body}`,
      })
    }
  }
  step('bounce.told')
  for (const question of await openQuestions(tx, { reader: reader.id })) {
    if (!(await reads(tx, question.sender))) continue
    await notify(tx, question.sender, question, now, {
      subject: `Not answered by ${reader.name}: ${question.subject}`,
      body: `${reader.name} read this and ended without an answer.\n\n${question.body}`,
    })
  }
  return bounced.length
}

/**
 * Bounces mail that waits for agents which have ended, whoever ended them and however. A net beneath `bounceUnread`:
 * with it, what can't be delivered is back within one round of whoever looks after the fleet.
 */
export async function bounceStranded(post: {
  readonly db: Parameters<typeof write>[0]
  readonly clock: { now(): number }
}): Promise<number> {
  let bounced = 0
  for (const id of await waitingReaders(post.db)) {
    if (await reads(post.db, id)) continue
    bounced += await write(post.db, async (tx) => {
      const agent = await getAgent(tx, id)
      if (agent && isOpen(agent)) return 0
      return bounceUnread(tx, agent ?? { id, name: id, parent_id: null }, post.clock.now())
    })
  }
  return bounced
}

/** Whether somebody of this id will read mail. */
async function reads(db: Db, id: string): Promise<boolean> {
  if (id === HUMAN) return true
  const agent = await getAgent(db, id)
  return agent !== undefined && isOpen(agent)
}

/** Who reads what is meant for this id: itself, else the nearest open ancestor, else the human. */
async function mailboxFor(tx: Db, id: string): Promise<string> {
  if (await reads(tx, id)) return id
  const agent = await getAgent(tx, id)
  return agent ? reportsTo(tx, agent) : HUMAN
}

async function passOn(tx: Db, mail: Mail, reader: Ended, now: number): Promise<void> {
  await postMail(
    tx,
    {
      from: mail.sender,
      to: await reportsTo(tx, reader),
      type: mail.type,
      priority: mail.priority,
      subject: mail.subject,
      body: mail.body,
      payload: JSON.parse(mail.payload_json),
      threadId: mail.thread_id,
      replyTo: mail.id,
    },
    now,
  )
}

async function notify(
  tx: Db,
  to: string,
  about: Mail,
  now: number,
  text: { subject: string; body: string },
): Promise<void> {
  const stoodIn = to === about.sender ? '' : `It was sent by ${await nameOf(tx, about.sender)}.\n`
  await postMail(
    tx,
    {
      from: SYSTEM,
      to,
      type: 'escalation',
      priority: 'high',
      subject: oneLine(text.subject, 200),
      body: `${stoodIn}${text.body}`,
      payload: { about: about.id },
      threadId: about.thread_id,
      replyTo: about.id,
    },
    now,
  )
}
