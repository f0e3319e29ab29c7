import { openAgents } from '../agents/store.ts'
import { messageOf } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { remark } from '../hooks/remark.ts'
import { driveTrain } from '../merge/train.ts'
import { tellMonitor } from '../monitor/digest.ts'
import { letServerEnd } from '../os/tmux.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { WATCH_LEASE } from './lease.ts'
import { type Nudge, nudge } from './nudge.ts'
import { type Raise, raise } from './raise.ts'
import { reconcile } from './reconcile.ts'
import { triage } from './triage.ts'

/** What a watcher wants done, and by which fence it has the right to want it. */
export interface Order {
  readonly fence: number
  readonly nudges: readonly Nudge[]
  readonly troubles: readonly Raise[]
}

/**
 * Looks after the fleet: what is silent is nudged, what lost its runner is ended and told, what can't be delivered
 * bounces, what waits for a free place is started, markers of mail that got lost are made again. Each of it looks again for itself whether it is still so; doing it
 * twice changes nothing.
 */
export async function tendFleet(project: Project, order: Pick<Order, 'fence' | 'nudges'>): Promise<void> {
  step('tend.began')
  for (const one of order.nudges) await nudge(project, { resource: WATCH_LEASE, fence: order.fence }, one)
  step('tend.nudged')
  await reconcile(project)
  for (const { id } of await openAgents(project.db)) await remark(project.db, project.stateDir, id)
  step('tend.remarked')
  await tellMonitor(project)
  // A runner that was killed could not do it.
  if (project.tmux !== null && (await openAgents(project.db)).length === 0) await letServerEnd(project.tmux)
}

/**
 * Hands up what nudges did not help against; a model that is asked may take its time, so nothing else waits for it, nor
 * one agent for another. What goes wrong with one is told, and tried again when it is raised again.
 */
export async function tendTroubles(
  project: Project,
  { fence, troubles }: Pick<Order, 'fence' | 'troubles'>,
  gone: AbortSignal,
): Promise<void> {
  const lease = { resource: WATCH_LEASE, fence }
  await Promise.all(
    troubles.map(async (one) => {
      try {
        const trouble = await raise(project, lease, one)
        step('tend.raised')
        if (trouble !== null) await triage(project, lease, trouble, gone)
      } catch (error) {
        const data = { about: one.about, why: messageOf(error).slice(0, 2_000) }
        await recordEvent(project.db, { at: project.clock.now(), type: 'triage.failed', agentId: one.agent, data })
      }
    }),
  )
}

/** Drives the merge train until its queue is empty. Somebody else at it is as good. */
export async function tendMerges(project: Project, gone: AbortSignal): Promise<void> {
  await driveTrain(project, { gone })
}
