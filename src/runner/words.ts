import { type Agent, openChildren } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import { unansweredBy } from '../mail/questions.ts'
import { replyTo } from '../mail/reply.ts'
import { asks, MAX_BODY } from '../mail/rules.ts'
import { unreported } from '../mail/store.ts'
import type { Project } from '../project.ts'
import type { PutBack } from '../worktrees/untouched.ts'

/**
 * Makes the last words of a turn the reply to what the human wanted of an agent, where it has written none itself and
 * nothing is left open: nobody reads its screen, so what it only said there would reach nobody.
 *
 * @param since when that turn began, ms since the epoch: what it wrote in it is its reply
 */
export async function reportWords(project: Project, agent: Agent, words: string, since: number): Promise<void> {
  const body = plainText(words).trim().slice(0, MAX_BODY)
  if (body === '') return
  if ((await openChildren(project.db, agent.id)).length > 0) return
  if ((await unansweredBy(project.db, agent.id)) !== null) return
  const wanted = { sender: HUMAN, reader: agent.id, types: ['assign', 'question', 'decision_gate'] as const, since }
  for (const mail of await unreported(project.db, wanted)) {
    await replyTo(project, agent.id, mail, { body, type: asks(mail.type) ? 'answer' : 'result' })
  }
}

/** So many of the files that were put back are named. */
export const FILES_NAMED = 20

/** What a read-only agent is told whose changes were put back. */
export function putBackLetter({ files, moved, kept }: PutBack): { readonly subject: string; readonly body: string } {
  const named = files.slice(0, FILES_NAMED).map((file) => `- ${oneLine(file, 200)}`)
  const more = files.length - named.length
  return {
    subject: 'Your changes were put back: your role is read-only',
    body: [
      `Your worktree is again as it was before your turn${moved ? ', and so is its branch' : ''}. Change no file and commit nothing; say what you found by ov done --summary "…", or by mail. To try something, work in a temporary folder outside the worktree.`,
      ...(files.length === 0 ? [] : ['', 'What was changed:', ...named, ...(more > 0 ? [`… and ${more} more`] : [])]),
      '',
      `It is kept as the commit ${kept}.`,
    ].join('\n'),
  }
}
