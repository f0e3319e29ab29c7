import { type Agent, getAgent } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { type Lease, ownsLease } from '../db/lease.ts'
import { type Db, write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { postMail } from '../mail/send.ts'
import type { Project } from '../project.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { isToNudge } from './complaints.ts'
import type { Loop } from './loops.ts'
import type { Verdict } from './rules.ts'
import type { EventRow } from './signs.ts'
import { type Told, toldOf } from './told.ts'
import { minutes } from './tries.ts'

/** Whom to nudge, and why. A later owner of the agent (another fence) has not been in this trouble yet. */
export type Nudge = Extract<Verdict, { do: 'nudge' }>

/** What is said by a nudge, and what is recorded of it. */
interface Letter {
  readonly subject: string
  readonly body: string
  readonly data: Readonly<Record<string, unknown>>
}

/**
 * Nudges an agent that works and shows nothing, or goes in circles: urgent mail, which reaches it in the middle of its
 * turn where its runtime can take it then, else when its turn ends. Each nudge once, whoever watched in between, and only
 * while it is still so. Gives whether it was nudged: commands read nothing, so they are not.
 *
 * @param lease the right to watch; without it nothing is done
 */
export async function nudge(
  project: Project,
  lease: Pick<Lease, 'resource' | 'fence'>,
  wanted: Nudge,
): Promise<boolean> {
  const before = await getAgent(project.db, wanted.agent)
  if (before === undefined || (await loadedRuntime(before.runtime))?.can.prompts !== true) return false
  return write(project.db, async (tx) => {
    const agent = await getAgent(tx, wanted.agent)
    if (agent?.fence !== wanted.fence || agent.state !== 'working') return false
    if (!(await ownsLease(tx, { ...lease, seized: false }))) return false
    const letter = letterFor(wanted, await toldOf(tx, project, agent), project.config.watchdog.tier0.nudges)
    if (letter === null) return false
    await send(tx, agent, letter, project.clock.now())
    return true
  })
}

/** What is to be said; null when it was said, or is over. */
function letterFor(wanted: Nudge, { signs, events, logSize }: Told, most: number): Letter | null {
  if (!isToNudge(wanted, signs)) return null
  if (wanted.about === 'silence') return silenceLetter(wanted, signs.tried.silence.nudges + 1, most, logSize)
  return signs.loop === null ? null : loopLetter(signs.loop, events)
}

function silenceLetter(
  { silentMs, busy }: Extract<Nudge, { about: 'silence' }>,
  nth: number,
  most: number,
  logSize: number,
): Letter {
  const said = busy
    ? `A tool of yours has been running without any output for ${minutes(silentMs)}.`
    : `You have shown no sign of work for ${minutes(silentMs)}.`
  const which = nth >= most ? 'last' : (['first', 'second', 'third'][nth - 1] ?? `${nth}th`)
  const counted = most === 1 ? '' : ` This is the ${which} time you are asked.`
  return {
    subject: 'Are you stuck?',
    body: `${said}${counted} If something hangs, stop it and go another way. ${CHOICES} Otherwise go on.`,
    data: { about: 'silence', nth, silentMs: Math.round(silentMs), tool: busy, logSize },
  }
}

function loopLetter({ kind, key, times, last }: Loop, events: readonly EventRow[]): Letter {
  const tool = oneLine(last.tool, 60)
  const call = summaryOf(last.call, events)
  const using = `${tool === '' ? 'a turn' : tool}${call === '' ? '' : ` (${oneLine(call, 200)})`}`
  const seen =
    kind === 'error'
      ? `You have met the same error ${times} times, without a commit in between, the last time of ${using}: ${oneLine(last.summary, 200)}`
      : `You have made the same call ${times} times in a row, with the same outcome each time, the last time ${using}.`
  return {
    subject: 'You go in circles',
    body: `${seen}\nDoing it once more will not help: find out why, or go another way. If you wait for something, wait for it by a longer pause, or end your turn. ${CHOICES}`,
    data: { about: 'loop', kind, key, times, tool },
  }
}

/** What a call was about, as it was recorded when it began. */
function summaryOf(call: string | null, events: readonly EventRow[]): string {
  if (call === null) return ''
  const start = events
    .filter(({ type }) => type === 'tool.start')
    .map(({ data_json }) => JSON.parse(data_json))
    .findLast((data) => data.call === call)
  return typeof start?.summary === 'string' ? start.summary : ''
}

async function send(tx: Db, agent: Agent, { subject, body, data }: Letter, at: number): Promise<void> {
  const { run_id: runId, id: agentId, task_id: taskId } = agent
  const mail = { from: SYSTEM, to: agentId, type: 'health_check', priority: 'urgent' } as const
  await postMail(tx, { ...mail, subject, body }, at)
  const since = { stateSince: agent.state_since }
  await recordEvent(tx, { at, type: 'agent.nudged', runId, agentId, taskId, data: { ...data, ...since } })
}

const CHOICES = 'If you need an answer: ov ask "…". If it cannot be done: ov fail --reason "…".'
