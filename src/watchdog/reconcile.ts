import { endProcesses } from '../agents/end-processes.ts'
import { recordEnd } from '../agents/finish.ts'
import { keepWork } from '../agents/keep-work.ts'
import { leftOf, noteLeft } from '../agents/left.ts'
import { judgeDeath, recover } from '../agents/recover.ts'
import { endOf, putAside } from '../agents/rules.ts'
import { dispatchQueued } from '../agents/start.ts'
import { startSeen } from '../agents/starts.ts'
import { type Agent, getAgent, isFenced, openAgents, ownerOf, takeOver } from '../agents/store.ts'
import { type EndState, isFinal } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { messageOf } from '../errors.ts'
import { carryOutAnswers, tendEscalations } from '../escalation/tend.ts'
import { recordEvent } from '../events/store.ts'
import { assess } from '../load/look.ts'
import { loadSpecNow } from '../load/mode.ts'
import { bounceStranded } from '../mail/bounce.ts'
import { mendLandings } from '../merge/land.ts'
import { mergesOfTask } from '../merge/store.ts'
import { tellWhatIsDue } from '../notify/start.ts'
import { liveness, ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { isPassing } from '../runner/passing.ts'
import { step } from '../steps.ts'
import { getTask } from '../tasks/store.ts'
import { sweepPool } from '../worktrees/pool.ts'
import { isWatched } from './lease.ts'

/**
 * Looks after agents whose owner is gone for certain: a start that died is queued again, and so is an agent whose runner
 * died, to go on where it was. What can't go on, or has been started again too often, is ended honestly: its commits
 * kept, its mail bounced, whom it reported to told. A landing that died is finished or taken back.
 *
 * @param asked a person asked for it here: persistent agents are brought back too, which otherwise are left as they are,
 *   and an agent goes on with any login of its runtime that is here
 */
export async function reconcile(project: Project, { asked = false } = {}): Promise<Agent[]> {
  // First: who is to be stopped is not brought back.
  await carryOutAnswers(project)
  const ended = await tendOrphans(project, await openAgents(project.db), asked)
  step('recover.over')
  await mendLandings(project)
  await sweepPool(project)
  await bounceStranded(project)
  await assess(project.db, project.clock, loadSpecNow(project))
  await tendEscalations(project)
  await tellWhatIsDue(project)
  await dispatchQueued(project, { asked })
  return ended
}

/** Brings back or ends those whose owner is gone; gives those it has ended. Two at once are no harm. */
async function tendOrphans(project: Project, agents: readonly Agent[], asked: boolean): Promise<Agent[]> {
  const ended: Agent[] = []
  for (const agent of agents) {
    if (!isOrphaned(project, agent)) continue
    // Asked twice: a row can be older than the look at the kernel.
    const again = await getAgent(project.db, agent.id)
    if (again?.fence !== agent.fence || again.state !== agent.state) continue
    const { do: next, lack } = await judgeDeath(project, again, asked)
    if (lack !== null) await noteLeft(project, again, lack)
    if (next === 'leave') continue
    const taken = await write(project.db, (tx) =>
      takeOver(tx, agent, [agent.state], ownIdentity(), agent.state, project.clock.now()),
    )
    if (taken === null) continue
    step('recover.taken')
    await endProcesses(project, agent)
    step('recover.stopped')
    if (next === 'start') {
      await requeue(project, taken, taken.state === 'starting' ? 'its start died' : 'its runner died')
      step('recover.requeued')
      continue
    }
    await keepWork(project, taken)
    step('recover.kept')
    if (next === 'recover') {
      await recoverOrRequeue(project, taken)
      continue
    }
    if (await endOrphan(project, taken, next === 'put-aside')) ended.push(taken)
    step('recover.ended')
  }
  return ended
}

/** Whether nobody owns an agent any more that somebody should, for certain. */
export function isOrphaned(project: Project, agent: Agent): boolean {
  const owner = ownerOf(agent)
  if (agent.state === 'queued' || owner === null) return false
  return (agent.state === 'starting' ? startSeen(agent, project.clock.now()) : liveness(owner)) === 'gone'
}

/** Whether a start has lost its starter, and may still have a runner on its way. */
export function isStartInDoubt(project: Project, agent: Agent): boolean {
  const owner = ownerOf(agent)
  if (agent.state !== 'starting' || owner === null || liveness(owner) !== 'gone') return false
  return startSeen(agent, project.clock.now()) !== 'gone'
}

/**
 * What everybody does who lives and looks around. While a watcher is at it, which acts at once, that is only what was left
 * to somebody with another program or login than the watcher's.
 */
export async function reconcileUnwatched(project: Project): Promise<void> {
  if (!(await isWatched(project))) {
    await reconcile(project)
    return
  }
  const left: Agent[] = []
  for (const agent of await openAgents(project.db)) {
    const waits = agent.state === 'queued' || isOrphaned(project, agent)
    if (waits && (await leftOf(project.db, agent)) !== null) left.push(agent)
  }
  if (left.length === 0) return
  await tendOrphans(project, left, false)
  await dispatchQueued(project)
}

/** Looked up and ended at once: a merge that is rejected in between would leave a task that nobody works on. */
async function endOrphan(project: Project, agent: Agent, putAside: boolean): Promise<boolean> {
  try {
    await write(project.db, async (tx) => recordEnd(tx, agent, await endFor(tx, agent, putAside), project.clock.now()))
    return true
  } catch (error) {
    // Somebody stops it, and was faster.
    if (isFenced(error)) return false
    throw error
  }
}

/**
 * How an agent without a runner ends: as a stop or a merge that was killed in the middle has said already; done, when
 * its work is in the merge queue and asks nothing more of it; else failed.
 */
async function endFor(tx: Db, agent: Agent, isPutAside: boolean): Promise<EndState> {
  const task = await getTask(tx, agent.task_id)
  if (task && isFinal(task.state)) return endOf(task)
  const entries = await mergesOfTask(tx, agent.task_id)
  const isQueued = entries.some(({ state }) => state === 'ready' || state === 'merging')
  if (isQueued) return { name: 'done' }
  return { name: 'failed', reason: isPutAside ? putAside('Its runner') : 'Its runner died.' }
}

/**
 * One agent's trouble, a worktree that git cannot read, say, does not keep all others waiting: its next runner meets it, and says
 * so, or it has passed by then.
 */
async function recoverOrRequeue(project: Project, agent: Agent): Promise<void> {
  try {
    await recover(project, agent)
  } catch (error) {
    if (isPassing(error)) throw error
    await requeue(project, agent, `its runner died, and it could not be told what it had done: ${messageOf(error)}`)
  }
}

async function requeue(project: Project, agent: Agent, why: string): Promise<void> {
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    // One that waits for its account's limit before its first turn has begun as little as one that starts.
    if ((await takeOver(tx, agent, [agent.state], ownIdentity(), 'queued', now)) === null) return
    await note(tx, project, agent, 'agent.requeued', why)
  })
}

function note(db: Db, project: Project, agent: Agent, type: string, why: string): Promise<void> {
  const facts = { runId: agent.run_id, agentId: agent.id, taskId: agent.task_id }
  return recordEvent(db, { at: project.clock.now(), type, ...facts, data: { why } })
}
