import * as z from 'zod'
import { whileWaiting } from '../agents/waiting.ts'
import { operation, readerOf, type Speaker, senderOf } from '../broker/operation.ts'
import { MAIL_TYPES, PRIORITIES, SENDABLE_TYPES, SYSTEM } from '../contract/mail.ts'
import { OvError } from '../errors.ts'
import type { Project } from '../project.ts'
import { lettersOf, type Post, takeMail } from './deliver.ts'
import { meantMail, meantParty } from './find.ts'
import { excerptOf, framesOf } from './frame.ts'
import { unansweredBy } from './questions.ts'
import { replyTo } from './reply.ts'
import { checkMail, confirmMail, handed, receiptsOf, type Sent, sendFrom } from './service.ts'
import { findMail, type Mail, type MailQuery, type Wanted } from './store.ts'
import { headsOf, type MailHead, viewsOf } from './view.ts'
import { waitForMail } from './wait.ts'

/** Most mails listed at once. */
const MAX_LIST = 1_000

const text = () => z.string().optional()
const types = () => z.array(z.enum(MAIL_TYPES)).optional()

/** What can be asked about mail. */
export const MAIL_OPERATIONS = {
  'mail.send': operation(
    () =>
      z.strictObject({
        to: z.string(),
        subject: z.string(),
        body: z.string(),
        type: z.enum(SENDABLE_TYPES),
        priority: z.enum(PRIORITIES),
        payload: z.unknown().optional(),
      }),
    (project, speaker, input) => sendFrom(project, speaker, input),
  ),
  'mail.reply': operation(
    () =>
      z.strictObject({
        id: z.string(),
        body: z.string(),
        type: z.enum(SENDABLE_TYPES).optional(),
        priority: z.enum(PRIORITIES).optional(),
      }),
    async (project, speaker, { id, body, type, priority }): Promise<Replied> => {
      const mail = await meantMail(project.db, id, visibleTo(speaker))
      const answered = type === undefined ? await decided(project, speaker, mail, body) : null
      if (answered !== null) return answered
      const sent = await replyTo(project, senderOf(speaker), mail, {
        body,
        ...(type === undefined ? {} : { type }),
        ...(priority === undefined ? {} : { priority }),
      })
      return { sent: await receiptsOf(project, [sent]), decided: null }
    },
  ),
  /** Takes what waits. The caller shows it and then confirms; hanging up before lets go of it. */
  'mail.check': operation(
    () => z.strictObject({}),
    (project, speaker, _input, gone) => checkMail(project, speaker, gone),
  ),
  /** What waits, by its heads alone, taking nothing. */
  'mail.peek': operation(
    () => z.strictObject({}),
    async (project, speaker): Promise<{ mail: MailHead[] }> => {
      const mails = await findMail(project.db, { reader: senderOf(speaker), unread: true }, MAX_LIST)
      const ordered = mails.sort((a, b) => a.priority_rank - b.priority_rank || a.seq - b.seq)
      return { mail: await headsOf(project.db, ordered) }
    },
  ),
  /** Waits for mail and takes it, as `mail.check` does. */
  'mail.wait': operation(
    () =>
      z.strictObject({
        from: text(),
        types: types(),
        thread: text(),
        timeoutMs: z.number().positive().optional(),
      }),
    async (project, speaker, input, gone) => {
      const wanted: Wanted = {
        ...(input.from === undefined ? {} : { sender: await meantParty(project.db, input.from) }),
        ...(input.types === undefined ? {} : { types: input.types }),
        ...(input.thread === undefined ? {} : { thread: await threadOf(project, speaker, input.thread) }),
      }
      const wait = () => waitForMail(project, readerOf(speaker), wanted, { timeoutMs: input.timeoutMs, gone })
      if (speaker.kind === 'human') return handed(project, senderOf(speaker), await wait(), gone)
      const on = (await unansweredBy(project.db, speaker.agent.id, wanted.thread)) === 'human' ? 'human' : 'mail'
      return handed(project, senderOf(speaker), await whileWaiting(project, speaker.agent, on, wait), gone)
    },
  ),
  'mail.confirm': operation(
    () => z.strictObject({ offer: z.string(), ids: z.array(z.string()) }),
    (project, speaker, { offer, ids }) => confirmMail(project, speaker, offer, ids),
  ),
  'mail.list': operation(
    () =>
      z.strictObject({
        from: text(),
        to: text(),
        types: types(),
        thread: text(),
        unread: z.boolean().optional(),
        limit: z.number().int().min(1).max(MAX_LIST),
      }),
    async (project, speaker, input): Promise<{ mail: MailHead[] }> => {
      const query: MailQuery = {
        ...ownOf(speaker),
        ...(input.from === undefined ? {} : { sender: await meantParty(project.db, input.from) }),
        ...(input.to === undefined ? {} : { reader: await meantParty(project.db, input.to) }),
        ...(input.types === undefined ? {} : { types: input.types }),
        ...(input.thread === undefined ? {} : { thread: await threadOf(project, speaker, input.thread) }),
        unread: input.unread ?? false,
      }
      return { mail: await headsOf(project.db, (await findMail(project.db, query, input.limit)).reverse()) }
    },
  ),
  /** Whole mails by id. Unread mail of one's own is taken by it, and confirmed like any other. */
  'mail.read': operation(
    () => z.strictObject({ ids: z.array(z.string()).min(1).max(MAX_LIST) }),
    async (project, speaker, { ids }, gone) => {
      const mails: Mail[] = []
      for (const id of ids) mails.push(await meantMail(project.db, id, visibleTo(speaker)))
      const own = mails.filter((mail) => mail.reader === senderOf(speaker) && mail.delivered_at === null)
      const delivery =
        own.length === 0 ? null : await takeMail(project, readerOf(speaker), { ids: own.map((mail) => mail.id) })
      const { offer } = await handed(project, senderOf(speaker), delivery, gone)
      const prompt = framesOf(await lettersOf(project.db, mails), { whole: true })
      const taken = delivery?.letters.map(({ mail }) => mail.id) ?? []
      return { offer, taken, mail: await viewsOf(project.db, mails), prompt }
    },
  ),
  /** Mails that hold a text in subject or body, newest first. */
  'mail.search': operation(
    () => z.strictObject({ text: z.string(), limit: z.number().int().min(1).max(MAX_LIST) }),
    async (project, speaker, { text, limit }): Promise<{ mail: (MailHead & { excerpt: string })[] }> => {
      if (text.trim() === '')
        throw new OvError('user', 'mail.no-text', 'What is to be looked for?', { hint: 'ov mail search "login form"' })
      const mails = await findMail(project.db, { ...ownOf(speaker), text }, limit)
      const heads = await headsOf(project.db, mails)
      return { mail: heads.map((head, index) => ({ ...head, excerpt: excerptOf(mails[index]?.body ?? '', text) })) }
    },
  ),
} as const

/** Answers what is to become of an agent in trouble, where that is what a mail asks; null where it is not. */
async function decided(project: Project, speaker: Speaker, mail: Mail, body: string): Promise<Replied | null> {
  if (mail.sender !== SYSTEM || mail.type !== 'escalation') return null
  // Only here: what can be decided about an agent takes much to carry out.
  const { answerEscalation, escalationOf } = await import('../escalation/answer.ts')
  const escalation = await escalationOf(project.db, mail)
  if (escalation === undefined) return null
  const { agent, did, mail: sent, waitMs } = await answerEscalation(project, senderOf(speaker), escalation, body)
  const decision = did === 'sent' ? null : { agent, did, waitMs }
  return { sent: sent === null ? [] : [{ ...sent, to: agent }], decided: decision }
}

/** A reply: the mail that was sent, or what it decided about an agent in trouble. */
interface Replied {
  readonly sent: readonly Sent[]
  readonly decided: {
    readonly agent: string
    readonly did: 'waits' | 'restarted' | 'stopped' | 'left'
    /** ms for which it is left alone; null unless that was decided. */
    readonly waitMs: number | null
  } | null
}

/** Whose mail a speaker may see: an agent its own, the human everybody's (undefined). */
function visibleTo(speaker: Speaker): string | undefined {
  return speaker.kind === 'human' ? undefined : speaker.agent.id
}

function ownOf(speaker: Speaker): { party?: string } {
  const party = visibleTo(speaker)
  return party === undefined ? {} : { party }
}

/** The thread a mail of this id belongs to: any of its mails names it. */
async function threadOf(project: Post, speaker: Speaker, id: string): Promise<string> {
  return (await meantMail(project.db, id, visibleTo(speaker))).thread_id
}
