import { getAgent, isOpen } from '../agents/store.ts'
import { type Db, write } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { replyTo } from '../mail/reply.ts'
import { asks, optionsOf, replySubject } from '../mail/rules.ts'
import { nameOf, postMail } from '../mail/send.ts'
import { closeThread, type Mail, openQuestions } from '../mail/store.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { carryOut } from './carry-out.ts'
import { meantQuestion } from './questions.ts'
import { type Decision, decisionOf } from './rules.ts'
import { changeEscalation, type Escalation, escalationOfThread } from './store.ts'
import { settle } from './tend.ts'

/** What became of an answer. */
export interface Answered {
  /** The agent that was answered, or decided about. */
  readonly agent: string
  /**
   * What was done: the answer was sent as mail, or a decision carried out. `left`: it is left to somebody for whom the
   * runtime's program and login are there.
   */
  readonly did: 'sent' | 'waits' | 'restarted' | 'stopped' | 'left'
  /** The mail that carries the answer; null where a decision needs none. */
  readonly mail: { readonly id: string; readonly thread: string } | null
  /** ms for which it is left alone; null unless that was decided. */
  readonly waitMs: number | null
}

/** The escalation that a mail asks about, if it asks about one. */
export async function escalationOf(db: Db, mail: Mail): Promise<Escalation | undefined> {
  if (mail.type !== 'escalation' || optionsOf(JSON.parse(mail.payload_json)).length === 0) return undefined
  return escalationOfThread(db, mail.thread_id)
}

/**
 * Answers whatever is asked by a mail: a question, a decision gate, or what is to become of an agent in trouble. An
 * option may be named by its number.
 *
 * @param id of the mail, or a beginning or end of it, or the name of the agent that asks or is asked about
 * @throws {OvError} `ask.unknown`, `ask.several`, `mail.ambiguous`, `ask.no-question`, `ask.answered`, `ask.unclear`, `ask.over`, and what `replyTo` throws
 */
export async function answerQuestion(project: Project, by: string, id: string, answer: string): Promise<Answered> {
  const { db } = project
  const mail = await meantQuestion(project, id)
  const escalation = await escalationOf(db, mail)
  if (escalation !== undefined) return answerEscalation(project, by, escalation, answer)
  if (!asks(mail.type)) {
    throw new OvError('user', 'ask.no-question', `"${oneLine(mail.subject, 80)}" asks nothing.`, {
      hint: `What does: ov ask list. To write back all the same: ov mail reply ${mail.id.slice(-8)} --body "…"`,
    })
  }
  if (!(await openQuestions(db, { sender: mail.sender })).some((open) => open.id === mail.id)) {
    throw new OvError('conflict', 'ask.answered', 'That question has an answer, or nobody waits for one any more.', {
      hint: `To say more: ov mail reply ${mail.id.slice(-8)} --body "…"`,
    })
  }
  const options = optionsOf(JSON.parse(mail.payload_json))
  const numbered = /^\s*\d{1,2}\s*$/.test(answer) ? options[Number(answer) - 1] : undefined
  const sent = await replyTo(project, by, mail, { body: numbered ?? answer })
  const { id: answerId, thread_id: thread, reader } = sent
  return { agent: await nameOf(db, reader), did: 'sent', mail: { id: answerId, thread }, waitMs: null }
}

/**
 * Answers what is to become of an agent in trouble. Whoever was asked may answer, first come, first served. Words reach
 * the agent as urgent mail; a decision is recorded first and then carried out.
 *
 * @param by an agent's id or `human`
 * @throws {OvError} `ask.answered`, `ask.unclear`, `ask.over`
 */
export async function answerEscalation(
  project: Project,
  by: string,
  escalation: Escalation,
  answer: string,
): Promise<Answered> {
  const name = await nameOf(project.db, escalation.agent_id)
  const decision = understood(escalation, answer)
  const answered = await write(project.db, async (tx) => {
    const now = project.clock.now()
    const open = await escalationOfThread(tx, escalation.thread)
    if (open?.state !== 'open') return { error: await taken(tx, open ?? escalation, by) }
    const agent = await getAgent(tx, open.agent_id)
    if (agent === undefined || !isOpen(agent) || agent.fence !== open.fence) {
      await settle(tx, open, 'the agent has ended, or begun anew', now)
      return { error: over(name) }
    }
    const acts = decision.do === 'stop' || decision.do === 'restart-fresh'
    const change = { state: acts ? 'answered' : 'done', answer, answered_by: by } as const
    await changeEscalation(tx, open, change, now)
    await closeThread(tx, open.thread, by, now)
    const waitMs = decision.do === 'wait' ? decision.ms : project.config.watchdog.tier0.nudgeAfter
    await recordEvent(tx, {
      at: now,
      type: 'agent.triaged',
      runId: agent.run_id,
      agentId: agent.id,
      taskId: agent.task_id,
      data: {
        about: open.about,
        fence: open.fence,
        stateSince: agent.state_since,
        verdict: VERDICTS[decision.do],
        waitMs,
        by: await nameOf(tx, by),
        why: oneLine(answer, 300),
        objection: null,
        digest: null,
        proposed: null,
      },
    })
    if (decision.do !== 'say') return { open: { ...open, ...change }, mail: null }
    const mail = await tell(tx, { by, agent: agent.id, about: open, text: decision.text }, now)
    return { open: { ...open, ...change }, mail }
  })
  if ('error' in answered) throw answered.error
  step('escalation.answered')
  const { open, mail } = answered
  const left = open.state === 'answered' && !(await carryOut(project, open))
  return {
    agent: name,
    did: left ? 'left' : DID[decision.do],
    mail: mail === null ? null : { id: mail.id, thread: mail.thread_id },
    waitMs: decision.do === 'wait' ? decision.ms : null,
  }
}

const VERDICTS = { wait: 'wait', say: 'nudge', 'restart-fresh': 'restart-fresh', stop: 'give-up' } as const
const DID = { wait: 'waits', say: 'sent', 'restart-fresh': 'restarted', stop: 'stopped' } as const

async function tell(
  tx: Db,
  { by, agent, about, text }: { by: string; agent: string; about: Escalation; text: string },
  now: number,
): Promise<Mail> {
  const [mail] = await postMail(
    tx,
    {
      from: by,
      to: agent,
      type: 'answer',
      priority: 'urgent',
      subject: replySubject(oneLine(about.seen, 200)),
      body: text,
      threadId: about.thread,
      replyTo: about.question,
    },
    now,
  )
  if (!mail) throw new Error(`the answer about ${agent} reached nobody`)
  return mail
}

function understood({ thread, options_json: options }: Escalation, answer: string): Decision {
  const decision = answer.trim() === '' ? EMPTY : decisionOf(answer, JSON.parse(options))
  if ('do' in decision) return decision
  throw new OvError('user', 'ask.unclear', decision.unclear, {
    hint: `Perhaps: ov ask answer ${thread.slice(-8)} "${decision.instead}"`,
  })
}

const EMPTY = { unclear: 'The answer is empty.', instead: '…' } as const

async function taken(
  tx: Db,
  { agent_id: agent, state, answer, answered_by: first }: Escalation,
  by: string,
): Promise<OvError> {
  const name = await nameOf(tx, agent)
  if (state === 'settled') return over(name)
  const who = first === by ? 'You have' : `${await nameOf(tx, first ?? '')} has`
  const message = `${who} answered already: ${oneLine(answer ?? '', 100)}`
  return new OvError('conflict', 'ask.answered', message, { hint: `To say more: ov nudge ${name} "…"` })
}

function over(name: string): OvError {
  return new OvError('conflict', 'ask.over', `${name} needs no answer any more: it went on, or has ended.`, {
    hint: `ov inspect ${name}`,
  })
}
