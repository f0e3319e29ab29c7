import { type Agent, getAgent, isOpen, namesOf, openAgents } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import type { Db } from '../db/open.ts'
import { OvError } from '../errors.ts'
import { meantMail } from '../mail/find.ts'
import { oneLine } from '../mail/frame.ts'
import { optionsOf } from '../mail/rules.ts'
import { nameOf } from '../mail/send.ts'
import { getMail, type Mail, openQuestions } from '../mail/store.ts'
import { openMerges } from '../merge/store.ts'
import { nearest } from '../nearest.ts'
import type { Project } from '../project.ts'
import { type Blocks, blockedByAgent, type FleetFacts, weightOf } from './blocked.ts'
import { type Escalation, pendingEscalations } from './store.ts'

/** Something that waits for somebody's answer. */
export interface OpenQuestion {
  /** Of the mail that asks; the answer names it, or its end. */
  readonly id: string
  readonly kind: 'question' | 'decision_gate' | 'escalation'
  /** Who asks; for an escalation, whom it is about. */
  readonly agent: string
  /** Who is to answer: an agent's name or `human`. */
  readonly to: string
  readonly subject: string
  readonly body: string
  /** Answers to choose from; none: any text. */
  readonly options: readonly string[]
  /** Since when it waits for whoever is to answer, ms since the epoch. */
  readonly since: number
  readonly blocks: Blocks
}

/**
 * What waits for an answer, that which holds up most first, then the oldest first. Who has ended waits no more.
 *
 * @param whose what waits for the human, or for whomever
 */
export async function listQuestions(
  project: Pick<Project, 'db' | 'config'>,
  whose: 'human' | 'all',
): Promise<OpenQuestion[]> {
  const { db } = project
  const fleet = await fleetOf(project)
  const asked = whose === 'human' ? await openQuestions(db, { reader: HUMAN }) : await openQuestions(db, {})
  const escalations = (await pendingEscalations(db)).filter(
    ({ state, reader }) => state === 'open' && (whose === 'all' || reader === HUMAN),
  )
  const questions = [
    ...(await Promise.all(asked.map((mail) => questionOf(db, mail, fleet)))),
    ...(await Promise.all(escalations.map((one) => escalatedOf(db, one, fleet)))),
  ].filter((question) => question !== null)
  return questions.sort((a, b) => weightOf(b.blocks) - weightOf(a.blocks) || a.since - b.since)
}

/**
 * The mail somebody means who answers: by its id, a part of it, or the name of the agent that asks or is asked about.
 * @throws {OvError} `ask.unknown`, `ask.several`, `mail.ambiguous`
 */
export async function meantQuestion(project: Pick<Project, 'db' | 'config'>, id: string): Promise<Mail> {
  const open = await listQuestions(project, 'all')
  const named = open.filter(({ agent }) => agent === id.trim())
  if (named.length > 1) {
    throw new OvError('user', 'ask.several', `${id.trim()} waits for several answers.`, {
      hint: `Name one: ${named.map((one) => one.id.slice(-8)).join(', ')}`,
    })
  }
  try {
    return await meantMail(project.db, named[0]?.id ?? id, undefined)
  } catch (error) {
    if (!(error instanceof OvError) || error.code !== 'mail.unknown') throw error
    const near = nearest(
      id,
      open.flatMap((one) => [one.id.slice(-8), one.agent]),
    )
    throw new OvError('user', 'ask.unknown', `Nothing is asked under "${oneLine(id, 60)}".`, {
      hint: near === null ? 'See what is asked: ov ask list' : `Did you mean ${near}? See what is asked: ov ask list`,
    })
  }
}

async function questionOf(db: Db, mail: Mail, fleet: FleetFacts): Promise<OpenQuestion | null> {
  const sender = await getAgent(db, mail.sender)
  if (sender === undefined || !isOpen(sender)) return null
  const kind = mail.type === 'decision_gate' ? 'decision_gate' : 'question'
  return { ...(await shown(db, mail)), kind, agent: sender.name, blocks: blockedByAgent(sender.name, fleet) }
}

async function escalatedOf(db: Db, { agent_id: id, question }: Escalation, fleet: FleetFacts) {
  const agent = await getAgent(db, id)
  const mail = await getMail(db, question)
  if (agent === undefined || !isOpen(agent) || mail === undefined) return null
  const blocks = blockedByAgent(agent.name, fleet)
  return { ...(await shown(db, mail)), kind: 'escalation' as const, agent: agent.name, blocks }
}

async function shown(db: Db, mail: Mail) {
  const { id, subject, body, created_at: since } = mail
  return {
    id,
    to: await nameOf(db, mail.reader),
    subject,
    body,
    options: optionsOf(JSON.parse(mail.payload_json)),
    since,
  }
}

async function fleetOf({ db, config }: Pick<Project, 'db' | 'config'>): Promise<FleetFacts> {
  const agents = await openAgents(db)
  const names = await namesOf(
    db,
    agents.flatMap(({ parent_id: parent }) => parent ?? []),
  )
  return {
    agents: agents.map((agent) => memberOf(agent, names)),
    maxConcurrent: config.agents.maxConcurrent,
    merges: (await openMerges(db)).length,
  }
}

function memberOf(agent: Agent, names: ReadonlyMap<string, string>) {
  return {
    name: agent.name,
    parent: names.get(agent.parent_id ?? '') ?? null,
    state: agent.state,
    waitingOn: agent.state === 'waiting' ? agent.waiting_on : null,
    persistent: agent.persistent === 1,
  }
}
