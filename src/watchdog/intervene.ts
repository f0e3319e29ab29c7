import { endProcesses } from '../agents/end-processes.ts'
import { endAgent } from '../agents/finish.ts'
import { keepWork } from '../agents/keep-work.ts'
import { asAgent, reassignedTo, successorOf } from '../agents/reassign.ts'
import { recover } from '../agents/recover.ts'
import { dispatchQueued } from '../agents/start.ts'
import { type Agent, getAgent, takeOver, updateAgent } from '../agents/store.ts'
import { SYSTEM } from '../contract/mail.ts'
import { OPEN_STATES } from '../contract/states.ts'
import { type Db, write } from '../db/open.ts'
import { plainText } from '../mail/frame.ts'
import { type Posted, postMail } from '../mail/send.ts'
import { ownIdentity } from '../os/process.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import type { Stop } from './triage-rules.ts'

/**
 * Ends what an agent is at, and has it go on as a verdict says, or fail. First it is fenced, in the transaction that
 * records why, so that its runner can't write any more; then all its processes are ended and its commits kept. Killed in
 * the middle, the agent is brought back by whoever looks after the fleet. False: it came too late, and nothing was done.
 *
 * @param permit asked in that transaction; records the verdict when it allows it
 */
export async function intervene(
  project: Project,
  agent: Agent,
  as: Stop,
  permit: (tx: Db) => Promise<boolean>,
): Promise<boolean> {
  const choice = as.verdict === 'reassign' ? await successorOf(project, agent, { runtime: as.runtime }) : null
  // As everywhere: with another runtime, how often it was started again begins anew.
  const given = choice === null ? {} : { event: reassignedTo(agent, choice) }
  const own = await write(project.db, async (tx) => {
    if (!(await permit(tx))) return null
    const now = project.clock.now()
    const taken = await takeOver(tx, agent, OPEN_STATES, ownIdentity(), agent.state, now)
    if (taken === null) return null
    switch (as.verdict) {
      case 'resume':
        break
      case 'restart-fresh':
        await updateAgent(tx, taken, { session: null })
        await postMail(tx, adviceTo(agent, as.digest), now)
        break
      case 'reassign':
        if (choice !== null) await updateAgent(tx, taken, { ...asAgent(choice), session: null })
        break
      case 'give-up':
        break
    }
    return (await getAgent(tx, agent.id)) ?? null
  })
  if (own === null) return false
  step('intervene.taken')
  await endProcesses(project, agent)
  await keepWork(project, own)
  step('intervene.kept')
  if (as.verdict === 'give-up') await endAgent(project, own, { name: 'failed', reason: as.reason })
  else await recover(project, own, WHY[as.verdict], given)
  step('intervene.over')
  await dispatchQueued(project)
  return true
}

const WHY: Readonly<Record<Exclude<Stop['verdict'], 'give-up'>, string>> = {
  resume: 'it hung',
  'restart-fresh': 'its conversation led nowhere',
  reassign: 'its task is given to another runtime',
}

/** What a model or another agent advises, as mail that reaches an agent in the middle of its turn where it can. */
export function adviceTo(agent: Agent, text: string): Posted {
  return {
    from: SYSTEM,
    to: agent.id,
    type: 'health_check',
    priority: 'urgent',
    subject: 'Advice from somebody who looked at your work',
    body: plainText(text),
  }
}
