import { HUMAN } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'

/** Whom an agent still waits for: the reader of its oldest question without an answer, or null. */
export async function unansweredBy(db: Db, sender: string): Promise<'human' | 'agent' | null> {
  const question = await db
    .selectFrom('mail as question')
    .select('question.reader')
    .where('question.sender', '=', sender)
    .where('question.type', '=', 'question')
    .where('question.bounced_at', 'is', null)
    .where((is) =>
      is.not(
        is.exists(
          is
            .selectFrom('mail as answer')
            .select('answer.id')
            .whereRef('answer.thread_id', '=', 'question.thread_id')
            .whereRef('answer.sender', '=', 'question.reader'),
        ),
      ),
    )
    .orderBy('question.seq')
    .executeTakeFirst()
  if (!question) return null
  return question.reader === HUMAN ? 'human' : 'agent'
}
