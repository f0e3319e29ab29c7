import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import { HUMAN, SYSTEM } from '../contract/mail.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { nameOf, postMail } from '../mail/send.ts'
import type { Mail } from '../mail/store.ts'
import { fileState } from '../os/files.ts'
import { bootId } from '../os/process.ts'
import type { Project } from '../project.ts'
import { outputFile } from '../state-dir.ts'
import { step } from '../steps.ts'
import { getTask } from '../tasks/store.ts'
import type { Trouble, TroubleKind } from '../watchdog/trouble.ts'
import { letterOf } from './letter.ts'
import { canAnswer, DECISIONS } from './rules.ts'
import { insertEscalation, isEscalated, openEscalation } from './store.ts'

/** What escalating needs of a project. */
export type Asking = Pick<Project, 'db' | 'clock' | 'config' | 'stateDir'>

/** What somebody above is to decide about. */
export interface Escalating {
  readonly trouble: Trouble
  /** Why nobody below could settle it, in a sentence. */
  readonly why: string
  /** Answers to choose from, beside those that code can carry out. */
  readonly options?: readonly string[]
}

/**
 * Asks for a decision about an agent in trouble: whom it reports to, the next above where that one can't answer, at last
 * the human. One transaction: the mail, the open question, the event `agent.escalated`. While the question is open,
 * asking again changes nothing; nor does it when the agent has another owner by now, or has ended.
 */
export async function escalate(project: Asking, agent: Agent, what: Escalating): Promise<void> {
  const { enabled, answerWithin } = project.config.watchdog.tier3
  if (!enabled) return
  const { trouble, why } = what
  const options = [...new Set([...(what.options ?? []), ...DECISIONS])]
  await write(project.db, async (tx) => {
    const row = await getAgent(tx, agent.id)
    if (row === undefined || !isOpen(row) || row.fence !== trouble.fence) return
    const same = { agent: row.id, fence: trouble.fence, about: trouble.about }
    if ((await openEscalation(tx, same)) !== undefined) return
    const now = project.clock.now()
    const reader = await superiorOf(tx, row, now, answerWithin)
    const facts = { about: trouble.about, seen: trouble.seen, tried: trouble.tried, why, options, before: null }
    const mail = await putQuestion(tx, row, { reader, ...facts }, now)
    await insertEscalation(
      tx,
      { agentId: row.id, fence: trouble.fence, stateSince: row.state_since, ...facts },
      { reader: mail.reader, question: mail.id, at: now, mono: project.clock.monotonic(), boot: bootId() },
    )
    await noteEscalated(tx, row, { about: trouble.about, why, mail, logSize: logSizeOf(project, row) }, now)
  })
  step('escalation.asked')
}

/** How long an agent's log is, in bytes. What it says afterwards is a sign of its own. */
export function logSizeOf(project: Pick<Project, 'stateDir'>, agent: Pick<Agent, 'id'>): number {
  return fileState(outputFile(project, agent))?.size ?? 0
}

/** The nearest above who can be asked about an agent, by id: an agent's, at last `human`. */
export async function superiorOf(
  tx: Db,
  below: Pick<Agent, 'parent_id'>,
  now: number,
  answerWithin: number,
): Promise<string> {
  for (let id = below.parent_id; id !== null; ) {
    const superior = await getAgent(tx, id)
    if (superior === undefined) break
    const facts = {
      state: superior.state,
      waitingOn: superior.waiting_on,
      waitingUntil: superior.waiting_until,
      escalated: await isEscalated(tx, superior.id),
    }
    if (canAnswer(facts, now, answerWithin)) return superior.id
    id = superior.parent_id
  }
  return HUMAN
}

interface Question {
  readonly about: TroubleKind
  readonly reader: string
  readonly seen: string
  readonly tried: readonly string[]
  readonly why: string
  readonly options: readonly string[]
  readonly before: string | null
  /** Where it was asked before: its first mail. */
  readonly thread?: string
}

/** Writes the mail that asks. */
export async function putQuestion(tx: Db, agent: Agent, question: Question, now: number): Promise<Mail> {
  const task = await getTask(tx, agent.task_id)
  const { reader, thread, options } = question
  const letter = letterOf({
    agent: agent.name,
    capability: agent.capability,
    task: task?.title ?? '',
    ...question,
  })
  const [mail] = await postMail(
    tx,
    {
      from: SYSTEM,
      to: reader,
      type: 'escalation',
      priority: 'urgent',
      ...letter,
      payload: { about: agent.name, options: [...options] },
      ...(thread === undefined ? {} : { threadId: thread, replyTo: thread }),
    },
    now,
  )
  if (!mail) throw new Error(`the question about ${agent.name} reached nobody`)
  return mail
}

/** Records that somebody is asked, in the transaction that asks. */
export async function noteEscalated(
  tx: Db,
  agent: Agent,
  { about, why, mail, logSize }: { about: string; why: string; mail: Mail; logSize: number },
  now: number,
): Promise<void> {
  await recordEvent(tx, {
    at: now,
    type: 'agent.escalated',
    runId: agent.run_id,
    agentId: agent.id,
    taskId: agent.task_id,
    data: { about, stateSince: agent.state_since, to: await nameOf(tx, mail.reader), question: mail.id, why, logSize },
  })
}
