import { type Agent, getAgent } from '../agents/store.ts'
import { HUMAN, type MailType } from '../contract/mail.ts'
import { OvError } from '../errors.ts'
import { type Delivery, takeMail } from '../mail/deliver.ts'
import { type Mail, openQuestions } from '../mail/store.ts'
import { waitForMail } from '../mail/wait.ts'
import type { Project } from '../project.ts'
import { whileOpen } from '../reports/follow.ts'
import { outputJournal } from '../reports/journal.ts'

/** Types of mail that end the waiting for a reply. */
const REPLIES: readonly MailType[] = ['answer', 'result', 'escalation']

export interface Waiting {
  /** Its words and tools meanwhile, a line each. */
  readonly tell: (line: string) => void
  /** Something it asks the human meanwhile, each once. */
  readonly asked: (question: Mail) => void
  readonly timeoutMs?: number
  readonly gone: AbortSignal
}

/**
 * Waits until the coordinator has replied to what it was told: with an answer, with word that the work is done, or with
 * `ov`'s word that it never will. The mail is taken, to be confirmed once it is shown.
 *
 * @throws {OvError} `coordinator.timeout`, `coordinator.ended` when it ends without a reply, `mail.hung-up`
 */
export async function replyOf(project: Project, agent: Agent, told: Mail, waiting: Waiting): Promise<Delivery> {
  const over = new AbortController()
  const gone = AbortSignal.any([waiting.gone, over.signal])
  const wanted = { thread: told.thread_id, types: REPLIES }
  const journal = await outputJournal(project, agent, { count: 0, raw: false })
  const mail = waitForMail(project, { id: HUMAN }, wanted, {
    gone,
    ...(waiting.timeoutMs === undefined ? {} : { timeoutMs: waiting.timeoutMs }),
  })
  const ended = Promise.all([
    journal.follow(({ lines }) => lines.forEach(waiting.tell), gone),
    whileOpen(project, agent, questionsAfter(project, agent, told, waiting.asked), gone),
  ]).then(() => null)
  try {
    const first = await Promise.race([mail, ended])
    if (first !== null) return first
    // What it said last, or that it will say nothing any more, may have come in the same moment.
    over.abort()
    const late = await mail.catch(noneCame)
    return late ?? (await takeMail(project, { id: HUMAN }, wanted)) ?? (await refuse(project, agent, waiting))
  } catch (error) {
    throw error instanceof OvError && error.code === 'mail.timeout' ? timeout() : error
  } finally {
    over.abort()
    // Its end is waited for, not its outcome: what it failed with before the reply has been thrown above.
    await Promise.allSettled([ended])
  }
}

/** Whoever waits no longer has no mail; any other trouble is told. */
function noneCame(error: unknown): null {
  if (error instanceof OvError && ['mail.hung-up', 'mail.timeout'].includes(error.code)) return null
  throw error
}

/** Calls `asked` with each question to the human that comes after `told`, once. To be called again and again. */
function questionsAfter(project: Project, agent: Agent, told: Mail, asked: (question: Mail) => void) {
  const seen = new Set<string>()
  return async () => {
    for (const question of await openQuestions(project.db, { sender: agent.id, reader: HUMAN })) {
      if (question.seq < told.seq || seen.has(question.id)) continue
      seen.add(question.id)
      asked(question)
    }
  }
}

async function refuse(project: Project, agent: Agent, { gone }: Waiting): Promise<never> {
  if (gone.aborted) throw new OvError('interrupted', 'mail.hung-up', 'Nobody waits for the reply any more.')
  const now = await getAgent(project.db, agent.id)
  const why = now?.reason ? `: ${now.reason}` : ''
  const how = now?.state === 'failed' || now?.state === 'stopped' ? now.state : 'gone'
  throw new OvError('failed', 'coordinator.ended', `The coordinator is ${how} and has not replied${why}.`, {
    hint: 'ov coordinator start: it goes on where it was',
  })
}

function timeout(): OvError {
  return new OvError('timeout', 'coordinator.timeout', 'The coordinator has not replied in time.', {
    hint: 'It goes on; its reply comes as mail: ov mail check',
  })
}
