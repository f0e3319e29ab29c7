import { HUMAN } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import { openQuestions } from './store.ts'

/** Whom an agent still waits for: the reader of its oldest question without an answer (in a thread), or null. */
export async function unansweredBy(db: Db, sender: string, thread?: string): Promise<'human' | 'agent' | null> {
  const questions = await openQuestions(db, { sender })
  const question = questions.find((one) => thread === undefined || one.thread_id === thread)
  if (!question) return null
  return question.reader === HUMAN ? 'human' : 'agent'
}
