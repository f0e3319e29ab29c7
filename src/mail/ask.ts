import type { Agent } from '../agents/store.ts'
import { OvError } from '../errors.ts'
import type { Project } from '../project.ts'
import { oneLine } from './frame.ts'
import { nameOf, reportsTo, sendMail } from './send.ts'

/** A question that was sent: its mail id, which is its thread too, and whom it went to. */
export interface Asked {
  readonly question: string
  readonly to: string
}

/**
 * An agent asks whom it reports to, or `to`. The answer comes as mail in the question's thread.
 *
 * @throws {OvError} `ask.empty`, `ask.one`, and what `sendMail` throws
 */
export async function ask(
  project: Pick<Project, 'db' | 'clock'>,
  agent: Agent,
  { question, to, options }: { question: string; to?: string | undefined; options?: readonly string[] | undefined },
): Promise<Asked> {
  if (question.trim() === '') {
    throw new OvError('user', 'ask.empty', 'The question is empty.', { hint: 'ov ask "Which database do we use?"' })
  }
  if (to?.startsWith('@')) {
    throw new OvError('user', 'ask.one', 'A question goes to one, who can answer it.', {
      hint: `Ask one agent, coordinator or human; tell the group with: ov mail send --to ${oneLine(to, 40)} --type status`,
    })
  }
  const [mail] = await sendMail(project, {
    from: agent.id,
    to: to ?? (await reportsTo(project.db, agent)),
    type: 'question',
    priority: 'high',
    subject: oneLine(question, 120),
    body: question,
    payload: options === undefined || options.length === 0 ? {} : { options },
  })
  if (!mail) throw new Error('the question reached nobody')
  return { question: mail.id, to: await nameOf(project.db, mail.reader) }
}
