import { findAgent, getAgent, isOpen, openAgents } from '../agents/store.ts'
import { HUMAN, MAIL_PAYLOADS, type MailType, type Priority, SYSTEM } from '../contract/mail.ts'
import { CAPABILITIES, NAME_PATTERN } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import type { Project } from '../project.ts'
import { insertMail, type Mail } from './store.ts'

/** A mail before it has readers: `to` is an address, `from` an agent's id, `human` or `ov`. */
export interface Draft {
  readonly from: string
  readonly to: string
  readonly type: MailType
  readonly priority?: Priority
  readonly subject: string
  readonly body?: string
  readonly payload?: unknown
  readonly threadId?: string
  readonly replyTo?: string
}

/** Sends a mail; when this resolves it is committed. One row for each reader. */
export function sendMail(project: Project, draft: Draft): Promise<Mail[]> {
  return write(project.db, (tx) => postMail(tx, draft, project.clock.now()))
}

/**
 * Sends a mail inside a transaction of the caller's, so that a fact and the mail about it are one.
 *
 * @throws {OvError} `mail.recipient-unknown`, `mail.recipient-gone`, `mail.payload`
 */
export async function postMail(tx: Db, draft: Draft, now: number): Promise<Mail[]> {
  const payload = MAIL_PAYLOADS[draft.type].safeParse(draft.payload ?? {})
  if (!payload.success) {
    throw new OvError(
      'user',
      'mail.payload',
      `A mail of type ${draft.type} cannot carry this payload: ${payload.error.issues[0]?.message}.`,
    )
  }
  const readers = await resolveReaders(tx, draft.to, draft.from)
  const sent: Mail[] = []
  for (const reader of readers) {
    const mail = await insertMail(
      tx,
      {
        sender: draft.from,
        reader,
        type: draft.type,
        priority: draft.priority ?? 'normal',
        subject: draft.subject,
        body: draft.body ?? '',
        payload: payload.data,
        ...(draft.threadId === undefined ? {} : { threadId: draft.threadId }),
        ...(draft.replyTo === undefined ? {} : { replyTo: draft.replyTo }),
      },
      now,
    )
    await recordEvent(tx, {
      at: now,
      type: 'mail.sent',
      agentId: reader === HUMAN ? null : reader,
      data: { mail: mail.id, from: draft.from, type: draft.type },
    })
    sent.push(mail)
  }
  return sent
}

/** Readers' ids of an address: an agent's name or id, `@capability`, `@all`, `coordinator`, `human`. */
async function resolveReaders(tx: Db, to: string, from: string): Promise<string[]> {
  if (to === HUMAN) return [HUMAN]
  if (to === '@all' || to.startsWith('@')) {
    const group = to.slice(1)
    if (group !== 'all' && !(CAPABILITIES as readonly string[]).includes(group)) throw unknownReader(to)
    const members = (await openAgents(tx)).filter(
      (agent) => agent.id !== from && (group === 'all' || agent.capability === group),
    )
    if (members.length === 0)
      throw new OvError('user', 'mail.recipient-gone', `Nobody is in ${to} right now.`, {
        hint: 'See who is there: ov status',
      })
    return members.map((agent) => agent.id)
  }
  const agent =
    to === 'coordinator'
      ? (await openAgents(tx)).find((one) => one.capability === 'coordinator')
      : ((await getAgent(tx, to)) ?? (await findAgent(tx, to)))
  if (!agent) {
    // Without a coordinator at work its mail is the human's to read.
    if (to === 'coordinator') return [HUMAN]
    throw unknownReader(to)
  }
  if (!isOpen(agent)) {
    throw new OvError('user', 'mail.recipient-gone', `${agent.name} is ${agent.state} and will not read mail.`, {
      hint: 'Send it to its lead, or sling a new agent: ov sling --task "…"',
    })
  }
  return [agent.id]
}

function unknownReader(to: string): OvError {
  const what = NAME_PATTERN.test(to) ? `There is no agent "${to}".` : `"${to}" is not an address.`
  return new OvError('user', 'mail.recipient-unknown', what, {
    hint: `An agent's name, ${CAPABILITIES.map((one) => `@${one}`).join(', ')}, @all, coordinator or human. See who is there: ov status`,
  })
}

/** The address of whoever an agent reports to: the nearest open ancestor, else the human. */
export async function reportsTo(tx: Db, agent: { parent_id: string | null }): Promise<string> {
  for (let id = agent.parent_id; id !== null; ) {
    const parent = await getAgent(tx, id)
    if (!parent) break
    if (isOpen(parent)) return parent.id
    id = parent.parent_id
  }
  return HUMAN
}

/** What a person calls a sender or reader: an agent's name, `human` or `ov`. */
export async function nameOf(db: Db, id: string): Promise<string> {
  if (id === HUMAN || id === SYSTEM) return id
  return (await getAgent(db, id))?.name ?? id
}
