import { HUMAN, SYSTEM } from '../contract/mail.ts'
import { isFinal } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import { recentEvents } from '../events/store.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import { nameOf, postMail } from '../mail/send.ts'
import { findMail, type Mail, openQuestions, withdrawMail } from '../mail/store.ts'
import { compactOutput } from '../merge/compact.ts'
import type { Project } from '../project.ts'
import { getRun } from '../tasks/runs.ts'
import { getTask, type Task } from '../tasks/store.ts'
import type { Changes } from '../worktrees/changes.ts'
import { describeState } from './rules.ts'
import { type Agent, agentsOfRun, childrenOf, isOpen, openAgents, stateOf } from './store.ts'

/** Mails of its own that an agent is reminded of, and most characters of each. */
const MAILS = 20
const MAIL_CHARACTERS = 600
/** Changed files that are named one by one. */
const CHANGED_FILES = 40
/** Events back in which the last failure is looked for, and most characters of what it said. */
const EVENTS = 200
const FAILURE_CHARACTERS = 2_000
/** Tasks that are named one by one; of more only the newest. */
const TASKS = 40

/** What an agent that begins again has to know. Times are ms since the epoch. */
export interface DigestFacts {
  readonly run: string | null
  /** Since when it was away, when it still has its conversation; null: it begins anew and is told everything. */
  readonly since: number | null
  /** It was in the middle of a turn. */
  readonly cutOff: boolean
  /** The task that it has, and what it has done of it; null for who has none. */
  readonly own?: { readonly body: string; readonly changes: Changes } | null
  /** What went wrong last, as it was reported: of its CLI, and of its work's last merge. For who begins anew. */
  readonly failures: readonly { readonly what: string; readonly said: string }[]
  /** Work under way, in words. */
  readonly open: readonly string[]
  /** Work that has ended, in words. */
  readonly ended: readonly string[]
  /** Questions that wait: the agent's own, and those to it. */
  readonly questions: readonly string[]
  /** The last mails from and to it, oldest first. */
  readonly mails: readonly string[]
  readonly now: number
}

/** The digest as text; null when there is nothing to tell. */
export function digestText(facts: DigestFacts): string | null {
  const { since, cutOff, own = null, failures, open, ended, questions, mails } = facts
  const anew = since === null
  const sections = [
    ...(anew && own !== null ? ownWork(own) : []),
    ...(anew ? failures.map(({ what, said }) => `${what}:\n\n${compactOutput(said, FAILURE_CHARACTERS)}`) : []),
    section(anew ? 'Work under way' : 'Work under way now', anew || ended.length > 0 || cutOff ? open : []),
    section(anew ? 'Work that has ended in this run' : 'Work that ended meanwhile', ended),
    section('Questions without an answer', questions),
    section('Your last mail, oldest first', anew ? mails : []),
  ].filter((part) => part !== null)
  if (sections.length === 0 && !cutOff) return null
  const head = anew
    ? 'Your earlier conversation is lost. This is what the records say, so that you can go on.'
    : `You were away from ${at(since)} to ${at(facts.now)}. Your conversation until then is still with you.`
  const run = facts.run === null ? [] : [`The run is ${facts.run}.`]
  const look = own === null ? 'ov status' : 'git status'
  const next = cutOff
    ? [`You were cut off in the middle of a turn. Look how things stand (\`${look}\`), then finish what you were at.`]
    : []
  return [[head, ...run].join(' '), ...next, ...sections].join('\n\n')
}

/** What an agent that has lost its conversation has to know of its own work. The task is as it was written. */
function ownWork({ body, changes }: NonNullable<DigestFacts['own']>): (string | null)[] {
  const { commits, uncommitted } = changes
  const shown = [...commits].reverse().map(({ sha, subject }) => `${sha.slice(0, 8)} ${oneLine(subject, 200)}`)
  return [
    `Your task:\n\n${plainText(body).trim()}`,
    section('Committed on your branch so far, oldest first', shown),
    section('Not committed in your worktree', [
      ...uncommitted.slice(0, CHANGED_FILES).map((line) => oneLine(line, 300)),
      ...(uncommitted.length > CHANGED_FILES ? [`and ${uncommitted.length - CHANGED_FILES} more: \`git status\``] : []),
    ]),
  ]
}

function section(title: string, lines: readonly string[]): string | null {
  return lines.length === 0 ? null : `${title}:\n${lines.map((line) => `- ${line}`).join('\n')}`
}

function at(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ')
}

/** What is known of an agent's absence. */
export interface Absence {
  /** Since when it was away, when it still has its conversation; null: it begins anew. */
  readonly since: number | null
  readonly cutOff: boolean
  /** What it has done, for an agent with a task. */
  readonly changes?: Changes | null
}

/**
 * Leaves word for an agent that begins again: what happened since, or, when its conversation is lost (`since` is null),
 * how everything stands. It comes with its next turn; a turn that was cut off begins with it at once. What was left so
 * before and not read is taken back. False: there is nothing to tell.
 */
export async function leaveWord(tx: Db, agent: Agent, absence: Absence, now: number): Promise<boolean> {
  const { since, cutOff } = absence
  await withdrawMail(tx, { sender: SYSTEM, reader: agent.id, types: ['status'] }, now)
  const text = await whatHappened(tx, agent, absence, now)
  if (text === null) return false
  await postMail(
    tx,
    {
      from: SYSTEM,
      to: agent.id,
      type: 'status',
      priority: cutOff ? 'urgent' : 'high',
      subject: since === null ? 'You begin anew: how things stand' : 'You were away: what happened since',
      body: text,
    },
    now,
  )
  return true
}

/**
 * What an agent with a task has to know whose CLI remembers nothing of its earlier turns: the task, what it has done so
 * far, its mail.
 */
export async function recollection(
  project: Pick<Project, 'db' | 'clock'>,
  agent: Agent,
  changes: Changes | null,
): Promise<string> {
  const told = await whatHappened(project.db, agent, { since: null, cutOff: false, changes }, project.clock.now())
  return [told, 'What is new:'].filter((part) => part !== null).join('\n\n')
}

/**
 * What happened while an agent was away, or how everything stands when it begins anew, as text for its prompt; null when
 * there is nothing to tell.
 */
async function whatHappened(
  db: Db,
  agent: Agent,
  { since, cutOff, changes = null }: Absence,
  now: number,
): Promise<string | null> {
  const task = await getTask(db, agent.task_id)
  const run = await getRun(db, agent.run_id)
  const mayKnow = agent.persistent === 1 ? [...(await agentsOfRun(db, agent.run_id)), ...(await openAgents(db))] : []
  const others = [...mayKnow, ...(await childrenOf(db, agent.id))]
  const workers = [...new Map(others.map((one) => [one.id, one])).values()].filter((one) => one.persistent === 0)
  const open: string[] = []
  const ended: string[] = []
  for (const worker of workers) {
    const task = await getTask(db, worker.task_id)
    if (!task) continue
    if (!isFinal(task.state) && isOpen(worker)) open.push(lineOf(worker, task, describeState(stateOf(worker))))
    else if (since === null || task.updated_at >= since) ended.push(lineOf(worker, task, outcomeOf(task)))
  }
  const mine = await openQuestions(db, { sender: agent.id })
  const toMe = await openQuestions(db, { reader: agent.id })
  const questions = [...mine, ...toMe].filter((mail) => since === null || mail.created_at >= since)
  const mails = since === null ? (await findMail(db, { party: agent.id }, MAILS)).reverse() : []
  return digestText({
    run: run?.name ?? null,
    since,
    cutOff,
    own: changes === null || !task ? null : { body: task.body, changes },
    failures: since === null ? await lastFailures(db, agent) : [],
    open: open.slice(-TASKS),
    ended: ended.slice(-TASKS),
    questions: await Promise.all(questions.map((mail) => mailLine(db, agent, mail))),
    // What still waits comes as mail itself.
    mails: await Promise.all(
      mails.filter((mail) => mail.sender !== SYSTEM && isOver(mail, agent)).map((mail) => mailLine(db, agent, mail)),
    ),
    now,
  })
}

/** The last word of a CLI that failed, and what its work was sent back for, as far as the agent has been told. */
async function lastFailures(db: Db, agent: Agent): Promise<DigestFacts['failures']> {
  const events = await recentEvents(db, { agentId: agent.id }, EVENTS)
  const failed = events.findLast(({ type }) => type === 'runtime.failed')
  const [sentBack] = await findMail(db, { reader: agent.id, types: ['merge_failed'] }, 1)
  return [
    ...(failed === undefined
      ? []
      : [{ what: 'Your CLI failed with', said: String(JSON.parse(failed.data_json).message ?? '') }]),
    ...(sentBack === undefined || sentBack.delivered_at === null
      ? []
      : [{ what: `Your work was sent back (${oneLine(sentBack.subject, 200)})`, said: sentBack.body }]),
  ].filter(({ said }) => said.trim() !== '')
}

function isOver(mail: Mail, agent: Agent): boolean {
  return mail.reader !== agent.id || mail.delivered_at !== null
}

function lineOf({ name, capability }: Agent, task: Task, state: string): string {
  return `${name} (${capability}), ${oneLine(state, 300)}: ${oneLine(task.title, 200)}`
}

function outcomeOf(task: Task): string {
  switch (task.state) {
    case 'merged':
      return `merged as ${task.merged_as?.slice(0, 8)}`
    case 'failed':
    case 'stopped':
      return `${task.state}${task.reason ? `: ${task.reason}` : ''}`
    default:
      return task.state
  }
}

async function mailLine(db: Db, agent: Agent, mail: Mail): Promise<string> {
  const from = mail.sender === agent.id ? 'you' : await nameOf(db, mail.sender)
  const to = mail.reader === agent.id ? 'you' : mail.reader === HUMAN ? HUMAN : await nameOf(db, mail.reader)
  const body = plainText(mail.body).trim()
  const text = body === '' || body === mail.subject ? '' : ` · ${oneLine(body, MAIL_CHARACTERS)}`
  return `${at(mail.created_at)} ${from} → ${to}, ${mail.type} ${mail.id}: ${oneLine(mail.subject, 200)}${text}`
}
