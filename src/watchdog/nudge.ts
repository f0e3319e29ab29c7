import { join } from 'node:path'
import { loadedRuntime } from '../agents/registry.ts'
import { agentLogDir } from '../agents/start.ts'
import { type Agent, getAgent } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { type Lease, ownsLease } from '../db/lease.ts'
import { type Db, write } from '../db/open.ts'
import { recentEvents, recordEvent } from '../events/store.ts'
import { postMail } from '../mail/send.ts'
import { fileState } from '../os/files.ts'
import type { Project } from '../project.ts'
import { hasSpoken, showsLife } from './eyes.ts'

/** A silence that is to be broken. */
export interface Silence {
  readonly agent: string
  /** Whose silence it is: a later owner of the agent has not been silent yet. */
  readonly fence: number
  readonly silentMs: number
  /** A tool has run longer than tools may. */
  readonly busy: boolean
}

/**
 * Nudges an agent that works and shows nothing: urgent mail, which reaches it in the middle of its turn where its
 * runtime can take it then, else when its turn ends. Once a silence, whoever watched in between. Gives whether it was
 * nudged: commands read nothing, so they are not.
 *
 * @param lease the right to watch; without it nothing is done
 */
export async function nudge(
  project: Project,
  lease: Pick<Lease, 'resource' | 'fence'>,
  silence: Silence,
): Promise<boolean> {
  const before = await getAgent(project.db, silence.agent)
  if (before === undefined || (await loadedRuntime(before.runtime))?.can.prompts !== true) return false
  return write(project.db, async (tx) => {
    const agent = await getAgent(tx, silence.agent)
    if (agent?.fence !== silence.fence || agent.state !== 'working') return false
    const log = fileState(logOf(project, agent))
    if (!(await ownsLease(tx, { ...lease, seized: false })) || (await isNudged(tx, project, agent, log?.size ?? 0)))
      return false
    const at = project.clock.now()
    const said = silence.busy
      ? `A tool of yours has been running without any output for ${minutes(silence.silentMs)}.`
      : `You have shown no sign of work for ${minutes(silence.silentMs)}.`
    await postMail(
      tx,
      {
        from: SYSTEM,
        to: agent.id,
        type: 'health_check',
        priority: 'urgent',
        subject: 'Are you stuck?',
        body: `${said} ${CHOICES}`,
      },
      at,
    )
    const { run_id: runId, id: agentId, task_id: taskId } = agent
    const data = { silentMs: Math.round(silence.silentMs), tool: silence.busy, logSize: log?.size ?? 0 }
    await recordEvent(tx, { at, type: 'agent.nudged', runId, agentId, taskId, data })
    return true
  })
}

const CHOICES =
  'If something hangs, stop it and go another way. If you need an answer: ov ask "…". If it cannot be done: ov fail --reason "…". Otherwise go on.'

function logOf(project: Project, agent: Agent): string {
  return join(agentLogDir(project, agent), 'output.ndjson')
}

/** So many events back a nudge is looked for. */
const RECENT = 50

/** Whether it was nudged and has shown nothing of its own since. */
async function isNudged(tx: Db, project: Project, agent: Agent, size: number): Promise<boolean> {
  const events = await recentEvents(tx, { agentId: agent.id }, RECENT)
  const last = events.findLastIndex(({ type }) => type === 'agent.nudged')
  const nudged = events[last]
  if (nudged === undefined || events.slice(last).some(showsLife)) return false
  const { logSize } = JSON.parse(nudged.data_json)
  return !hasSpoken(logOf(project, agent), Number(logSize), size)
}

function minutes(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} seconds` : `${Math.round(ms / 60_000)} minutes`
}
