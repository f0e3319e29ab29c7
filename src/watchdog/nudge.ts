import { loadedRuntime } from '../agents/registry.ts'
import { getAgent } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { type Lease, ownsLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { recordEvent } from '../events/store.ts'
import { postMail } from '../mail/send.ts'
import type { Project } from '../project.ts'
import { silenceSoFar } from './tries.ts'

/** A silence that is to be broken. */
export interface Nudge {
  readonly agent: string
  /** Whose silence it is: a later owner of the agent has not been silent yet. */
  readonly fence: number
  readonly silentMs: number
  /** Which nudge of this silence it is to be, from 1. */
  readonly nth: number
  /** A tool has run longer than tools may. */
  readonly busy: boolean
}

/**
 * Nudges an agent that works and shows nothing: urgent mail, which reaches it in the middle of its turn where its
 * runtime can take it then, else when its turn ends. Each nudge of a silence once, whoever watched in between. Gives
 * whether it was nudged: commands read nothing, so they are not.
 *
 * @param lease the right to watch; without it nothing is done
 */
export async function nudge(
  project: Project,
  lease: Pick<Lease, 'resource' | 'fence'>,
  { agent: id, fence, silentMs, nth, busy }: Nudge,
): Promise<boolean> {
  const before = await getAgent(project.db, id)
  if (before === undefined || (await loadedRuntime(before.runtime))?.can.prompts !== true) return false
  return write(project.db, async (tx) => {
    const agent = await getAgent(tx, id)
    if (agent?.fence !== fence || agent.state !== 'working' || !(await ownsLease(tx, { ...lease, seized: false })))
      return false
    const { tries, logSize } = await silenceSoFar(tx, project, agent)
    const nudged = tries.filter(({ type }) => type === 'agent.nudged').length
    if (nudged >= nth) return false
    const at = project.clock.now()
    const { nudges } = project.config.watchdog.tier0
    const said = busy
      ? `A tool of yours has been running without any output for ${minutes(silentMs)}.`
      : `You have shown no sign of work for ${minutes(silentMs)}.`
    const which =
      nudges === 1
        ? ''
        : ` This is the ${nudged + 1 >= nudges ? 'last' : (ORDINALS[nudged] ?? `${nudged + 1}th`)} time you are asked.`
    await postMail(
      tx,
      {
        from: SYSTEM,
        to: agent.id,
        type: 'health_check',
        priority: 'urgent',
        subject: 'Are you stuck?',
        body: `${said}${which} ${CHOICES}`,
      },
      at,
    )
    const { run_id: runId, id: agentId, task_id: taskId } = agent
    const data = { about: 'silence', nth: nudged + 1, silentMs: Math.round(silentMs), tool: busy, logSize }
    await recordEvent(tx, { at, type: 'agent.nudged', runId, agentId, taskId, data })
    return true
  })
}

const ORDINALS = ['first', 'second', 'third']

export const CHOICES =
  'If something hangs, stop it and go another way. If you need an answer: ov ask "…". If it cannot be done: ov fail --reason "…". Otherwise go on.'

/** A time, for people: seconds below two minutes. */
export function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} seconds` : `${Math.round(ms / 60_000)} minutes`
}
