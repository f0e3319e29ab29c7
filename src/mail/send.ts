import { type Agent, findAgent, getAgent, isOpen, openAgents } from '../agents/store.ts'
import { COORDINATOR, HUMAN, type MailType, type Priority, SYSTEM } from '../contract/mail.ts'
import type { MailPayloads } from '../contract/mail-payloads.ts'
import { CAPABILITIES, NAME_PATTERN } from '../contract/states.ts'
import { afterCommit, type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { markMail } from '../hooks/marker.ts'
import { nearest } from '../nearest.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { oneLine } from './frame.ts'
import { checkedPayload } from './payload.ts'
import { checkText, keptText } from './rules.ts'
import { insertMail, type Mail, openQuestions } from './store.ts'

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

/**
 * Sends a mail somebody wrote; when this resolves it is committed. One row for each reader. An answer that names no
 * thread belongs to the newest question its reader still has with the sender.
 *
 * @throws {OvError} `mail.no-subject`, `mail.too-long`, and what `postMail` throws
 */
export async function sendMail(project: Pick<Project, 'db' | 'clock'>, draft: Draft): Promise<Mail[]> {
  checkText({ subject: draft.subject, body: draft.body ?? '', payload: draft.payload })
  const checked = { ...draft, payload: await checkedPayload(draft.type, draft.payload) } as Posted
  step('send.checked')
  const sent = await write(project.db, async (tx) => {
    const now = project.clock.now()
    if (draft.type !== 'answer' || draft.threadId !== undefined) return postMail(tx, checked, now)
    const [reader, ...others] = await resolveReaders(tx, draft.to, draft.from)
    const asked =
      reader === undefined || others.length > 0
        ? undefined
        : (await openQuestions(tx, { sender: reader, reader: draft.from })).at(-1)
    return postMail(tx, asked ? { ...checked, threadId: asked.thread_id, replyTo: asked.id } : checked, now)
  })
  step('send.committed')
  return sent
}

/** A mail whose payload is what its type carries. */
export type Posted = {
  [T in MailType]: Omit<Draft, 'type' | 'payload'> & { readonly type: T; readonly payload?: MailPayloads[T] }
}[MailType]

/**
 * Sends a mail inside a transaction of the caller's, so that a fact and the mail about it are one.
 *
 * @throws {OvError} `mail.recipient-unknown`, `mail.recipient-gone`
 */
export async function postMail(tx: Db, draft: Posted, now: number): Promise<Mail[]> {
  const sent: Mail[] = []
  for (const reader of await resolveReaders(tx, draft.to, draft.from)) {
    const mail = await insertMail(
      tx,
      {
        sender: draft.from,
        reader,
        type: draft.type,
        priority: draft.priority ?? 'normal',
        subject: keptText(draft.subject),
        body: keptText(draft.body ?? ''),
        payload: draft.payload ?? {},
        ...(draft.threadId === undefined ? {} : { threadId: draft.threadId }),
        ...(draft.replyTo === undefined ? {} : { replyTo: draft.replyTo }),
      },
      now,
    )
    await recordEvent(tx, {
      at: now,
      type: 'mail.sent',
      agentId: reader === HUMAN ? null : reader,
      data: { mail: mail.id, from: draft.from, to: reader, type: mail.type, priority: mail.priority },
    })
    // Its reader's hooks look for the marker alone, so it must not be seen before the mail can be.
    afterCommit(tx, (stateDir) => markMail(stateDir, reader, mail.priority))
    sent.push(mail)
    step('send.posted')
  }
  return sent
}

/** Readers' ids of an address: an agent's name or id, `@capability`, `@all`, `coordinator`, `human`. */
export async function resolveReaders(tx: Db, to: string, from: string): Promise<string[]> {
  if (to === HUMAN) return [HUMAN]
  if (to.startsWith('@')) {
    const group = to.slice(1)
    if (group !== 'all' && !(CAPABILITIES as readonly string[]).includes(group)) throw await unknownReader(tx, to)
    const members = (await openAgents(tx)).filter(
      (agent) => agent.id !== from && (group === 'all' || agent.capability === group),
    )
    if (members.length === 0)
      throw new OvError('user', 'mail.recipient-gone', `Nobody is in ${to} right now.`, {
        hint: 'See who is there: ov status',
      })
    return members.map((agent) => agent.id)
  }
  if (to === COORDINATOR) {
    const coordinator = (await openAgents(tx)).find((one) => one.capability === COORDINATOR && one.id !== from)
    // Without a coordinator at work its mail is the human's to read.
    return [coordinator?.id ?? HUMAN]
  }
  const agent = (await getAgent(tx, to)) ?? (await findAgent(tx, to))
  if (!agent) throw await unknownReader(tx, to)
  if (!isOpen(agent)) throw await endedReader(tx, agent, from)
  return [agent.id]
}

async function endedReader(tx: Db, agent: Agent, from: string): Promise<OvError> {
  const id = await reportsTo(tx, agent)
  const instead = await nameOf(tx, id)
  return new OvError('user', 'mail.recipient-gone', `${agent.name} is ${agent.state} and will not read mail.`, {
    hint:
      id === from
        ? `What became of it: ov inspect ${agent.name}. Give its task to another: ov sling --task "…"`
        : `It reported to ${instead}: ov mail send --to ${instead} --subject "…"`,
  })
}

async function unknownReader(tx: Db, to: string): Promise<OvError> {
  const addresses = [...CAPABILITIES.map((one) => `@${one}`), '@all', COORDINATOR, HUMAN]
  const names = (await openAgents(tx)).map((agent) => agent.name)
  const shown = oneLine(to, 60)
  const what =
    NAME_PATTERN.test(to) || to.startsWith('@')
      ? `There is no "${shown}" to write to.`
      : `"${shown}" is not an address.`
  const meant = nearest(to, [...names, ...addresses])
  return new OvError('user', 'mail.recipient-unknown', what, {
    hint:
      meant === null
        ? `Write to an agent's name, ${addresses.join(', ')}. See who is there: ov status`
        : `Did you mean ${meant}?`,
  })
}

/** The address of whoever an agent reports to: the nearest open ancestor, else the human. */
export async function reportsTo(tx: Db, agent: { readonly parent_id: string | null }): Promise<string> {
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
