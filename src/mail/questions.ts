import { HUMAN } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import { openQuestions } from './store.ts'

/** Whom an agent still waits for: the reader of its oldest question without an answer, or null. */
export async function unansweredBy(db: Db, sender: string): Promise<'human' | 'agent' | null> {
  const [question] = await openQuestions(db, { sender })
  if (!question) return null
  return question.reader === HUMAN ? 'human' : 'agent'
}
