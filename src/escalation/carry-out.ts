import { stopAgents } from '../agents/stop.ts'
import { getAgent, isOpen } from '../agents/store.ts'
import { type Db, write } from '../db/open.ts'
import { eventsOfKinds } from '../events/store.ts'
import { nameOf } from '../mail/send.ts'
import type { Project } from '../project.ts'
import { lackOf } from '../runtimes/lack.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import { intervene } from '../watchdog/intervene.ts'
import { decisionOf } from './rules.ts'
import { changeEscalation, type Escalation } from './store.ts'

/**
 * Carries out what was decided about an agent: ends it, or has it begin anew, though it has another owner by then. Who is
 * killed at it leaves the rest to whoever looks after the fleet next; an agent that a person has had tried again since is
 * left alone. False: it is left to somebody for whom the runtime's program and login are there.
 */
export async function carryOut(project: Project, escalation: Escalation): Promise<boolean> {
  const { db, clock } = project
  const done = (tx: Db) => changeEscalation(tx, escalation, { state: 'done' }, clock.now())
  const agent = await getAgent(db, escalation.agent_id)
  const decision = decisionOf(escalation.answer ?? '', JSON.parse(escalation.options_json))
  if (agent !== undefined && isOpen(agent) && 'reason' in decision && !(await isTriedAgain(db, escalation))) {
    const by = await nameOf(db, escalation.answered_by ?? '')
    const reason = decision.reason === '' ? '.' : `: ${decision.reason}`
    if (decision.do === 'stop') await stopAgents(project, [agent], { reason: `Stopped by ${by}${reason}` })
    else {
      const runtime = await loadedRuntime(agent.runtime)
      if (runtime === null || lackOf(project, runtime, agent) !== null) return false
      const digest = `${by} wants you to begin anew${reason}`
      // Somebody else may have it in hand just now; then its next owner's conversation is the one that ends.
      return intervene(project, agent, { verdict: 'restart-fresh', digest, why: digest }, done)
    }
  }
  await write(db, done)
  return true
}

/** So many events back it is looked for. */
const HISTORY = 50

/** Whether a person has had the agent tried again since the decision. */
async function isTriedAgain(db: Db, { agent_id: agent, fence }: Escalation): Promise<boolean> {
  const events = await eventsOfKinds(db, agent, ['agent.triaged', 'agent.retried'], HISTORY)
  const decided = events.findLastIndex(({ data_json: data }) => JSON.parse(data).fence === fence)
  return events.slice(decided + 1).some(({ type }) => type === 'agent.retried')
}
