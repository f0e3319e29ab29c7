import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import { HUMAN } from '../contract/mail.ts'
import { type Db, write } from '../db/open.ts'
import { messageOf } from '../errors.ts'
import { recentEvents, recordEvent } from '../events/store.ts'
import { closeThread } from '../mail/store.ts'
import { fileState } from '../os/files.ts'
import { bootId } from '../os/process.ts'
import type { Project } from '../project.ts'
import { isPassing } from '../runner/passing.ts'
import { outputFile } from '../state-dir.ts'
import { step } from '../steps.ts'
import { hasSpoken } from '../watchdog/log.ts'
import { showsLife } from '../watchdog/signs.ts'
import { minutes } from '../watchdog/tries.ts'
import { carryOut } from './carry-out.ts'
import { logSizeOf, noteEscalated, putQuestion, superiorOf } from './escalate.ts'
import { type Next, nextStep, type Standing } from './rules.ts'
import { changeEscalation, type Escalation, escalationOfThread, pendingEscalations } from './store.ts'

/** Carries out what was answered about agents and nobody lived to carry out. What goes wrong with one is its own. */
export async function carryOutAnswers(project: Project): Promise<void> {
  for (const escalation of await pendingEscalations(project.db)) {
    if (escalation.state !== 'answered') continue
    try {
      await carryOut(project, escalation)
    } catch (error) {
      if (isPassing(error)) throw error
      const data = { about: escalation.about, why: messageOf(error).slice(0, 2_000) }
      const event = { at: project.clock.now(), type: 'triage.failed', agentId: escalation.agent_id, data }
      await recordEvent(project.db, event)
    }
  }
}

/**
 * Looks after all questions about agents in trouble: one that nobody needs answered any more is closed, one whose reader
 * has ended or is late goes to the next above, and an answer that nobody lived to carry out is carried out.
 */
export async function tendEscalations(project: Project): Promise<void> {
  await carryOutAnswers(project)
  for (const escalation of await pendingEscalations(project.db)) {
    if (escalation.state === 'open') await tend(project, escalation)
  }
}

async function tend(project: Project, escalation: Escalation): Promise<void> {
  const { db, clock, config } = project
  const next = nextStep(await standingOf(project, escalation), config.watchdog.tier3.answerWithin)
  if (next.do === 'keep') return
  await write(db, async (tx) => {
    // Somebody else may have been faster, at this or at the answer.
    const same = await escalationOfThread(tx, escalation.thread)
    if (same?.state !== 'open' || same.question !== escalation.question) return
    const now = clock.now()
    switch (next.do) {
      case 'count-anew':
        await changeEscalation(tx, escalation, { asked_mono: clock.monotonic(), asked_boot: bootId() }, now)
        return
      case 'settle':
        await settle(tx, escalation, next.why, now)
        return
      case 'go-up':
        await goUp(tx, project, escalation, next.why)
        step('escalation.going-up')
        return
    }
  })
}

/** Closes an escalation that needs no answer any more, in a transaction of the caller's. */
export async function settle(tx: Db, escalation: Escalation, why: string, now: number): Promise<void> {
  if (!(await changeEscalation(tx, escalation, { state: 'settled' }, now))) return
  await closeThread(tx, escalation.thread, null, now)
  const agent = await getAgent(tx, escalation.agent_id)
  await recordEvent(tx, {
    at: now,
    type: 'agent.escalation-settled',
    runId: agent?.run_id ?? null,
    agentId: escalation.agent_id,
    taskId: agent?.task_id ?? null,
    data: { about: escalation.about, why },
  })
}

async function goUp(
  tx: Db,
  project: Project,
  escalation: Escalation,
  why: Extract<Next, { do: 'go-up' }>['why'],
): Promise<void> {
  const agent = await getAgent(tx, escalation.agent_id)
  const before = await getAgent(tx, escalation.reader)
  if (agent === undefined || before === undefined) return
  const now = project.clock.now()
  const { answerWithin } = project.config.watchdog.tier3
  const said =
    why === 'ended'
      ? `${before.name} was asked, and can't answer any more.`
      : `${before.name} was asked, and has not answered for ${minutes(now - escalation.asked_at)}.`
  const question = {
    about: escalation.about,
    reader: await superiorOf(tx, before, now, answerWithin),
    seen: escalation.seen,
    tried: JSON.parse(escalation.tried_json),
    why: escalation.why,
    options: JSON.parse(escalation.options_json),
    before: said,
    thread: escalation.thread,
  }
  await closeThread(tx, escalation.thread, null, now)
  const mail = await putQuestion(tx, agent, question, now)
  const put = {
    question: mail.id,
    reader: mail.reader,
    asked_at: now,
    asked_mono: project.clock.monotonic(),
    asked_boot: bootId(),
  }
  await changeEscalation(tx, escalation, put, now)
  await noteEscalated(tx, agent, { about: escalation.about, why: said, mail, logSize: logSizeOf(project, agent) }, now)
}

/** How an open escalation stands, as the rule wants to know it. */
async function standingOf(project: Project, escalation: Escalation): Promise<Standing> {
  const { db, clock } = project
  const agent = await getAgent(db, escalation.agent_id)
  const sameOwner = agent !== undefined && isOpen(agent) && agent.fence === escalation.fence
  return {
    about: escalation.about,
    sameOwner,
    showsLife: sameOwner && (await hasShownLife(project, agent)),
    movedOn: sameOwner && agent.state_since !== escalation.state_since,
    reader: await readerOf(db, escalation.reader),
    waitedMs: escalation.asked_boot === bootId() ? clock.monotonic() - escalation.asked_mono : null,
  }
}

async function readerOf(db: Db, reader: string): Promise<Standing['reader']> {
  if (reader === HUMAN) return 'human'
  const agent = await getAgent(db, reader)
  return agent !== undefined && isOpen(agent) ? 'able' : 'gone'
}

/** So many events back the escalation is looked for; behind more than that, the agent lives. */
const RECENT = 100

/** Whether an agent has shown anything of its own since somebody was asked about it. */
async function hasShownLife(project: Project, agent: Agent): Promise<boolean> {
  const events = await recentEvents(project.db, { agentId: agent.id }, RECENT)
  const asked = events.findLastIndex(({ type }) => type === 'agent.escalated')
  if (events.slice(asked + 1).some(showsLife)) return true
  const { logSize } = JSON.parse(events[asked]?.data_json ?? '{}')
  const path = outputFile(project, agent)
  return typeof logSize === 'number' && hasSpoken(path, logSize, fileState(path)?.size ?? logSize)
}
