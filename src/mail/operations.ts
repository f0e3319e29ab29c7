import * as z from 'zod'
import { mailboxOf, operation } from '../broker/operation.ts'
import { PRIORITIES, SENDABLE_TYPES } from '../contract/mail.ts'
import { write } from '../db/open.ts'
import { frameMail } from './frame.ts'
import { nameOf, sendMail } from './send.ts'
import { confirmMail, OFFER_LEASE_MS, offerMail } from './store.ts'

/** What can be asked about mail. */
export const MAIL_OPERATIONS = {
  'mail.send': operation(
    z.strictObject({
      to: z.string(),
      subject: z.string(),
      body: z.string(),
      type: z.enum(SENDABLE_TYPES),
      priority: z.enum(PRIORITIES),
      payload: z.unknown().optional(),
    }),
    async (project, speaker, input) => {
      const sent = await sendMail(project, { ...input, from: mailboxOf(speaker) })
      return {
        sent: await Promise.all(sent.map(async (mail) => ({ id: mail.id, to: await nameOf(project.db, mail.reader) }))),
      }
    },
  ),
  /** Offers what is unread. The caller prints it and then confirms; what it could not print is offered again. */
  'mail.check': operation(z.strictObject({}), async (project, speaker) => {
    const offered = await write(project.db, (tx) =>
      offerMail(tx, mailboxOf(speaker), project.clock.now(), OFFER_LEASE_MS),
    )
    const mails = await Promise.all(
      offered.map(async (mail) => ({ mail, from: await nameOf(project.db, mail.sender) })),
    )
    return {
      mail: mails.map(({ mail, from }) => ({
        id: mail.id,
        from,
        type: mail.type,
        priority: mail.priority,
        subject: mail.subject,
        body: mail.body,
        at: mail.created_at,
      })),
      prompt: mails.length === 0 ? '' : frameMail(mails),
    }
  }),
  'mail.confirm': operation(z.strictObject({ ids: z.array(z.string()) }), async (project, speaker, input) => ({
    confirmed: await write(project.db, (tx) => confirmMail(tx, mailboxOf(speaker), input.ids, project.clock.now())),
  })),
} as const
