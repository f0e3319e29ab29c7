import { leftOf } from '../agents/left.ts'
import { type Agent, countLive, openAgents } from '../agents/store.ts'
import { reportLimits } from '../limits/report.ts'
import { modeNow } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import { nameOf } from '../mail/send.ts'
import { openQuestions } from '../mail/store.ts'
import { openMerges } from '../merge/store.ts'
import type { Project } from '../project.ts'
import { lackOf } from '../runtimes/lack.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import type { AgentReport } from './report.ts'
import type { WhyFacts } from './why.ts'

/** What the reason of an agent's state is told from. */
export async function whyFacts(
  project: Project,
  agent: Agent,
  report: AgentReport,
  children: readonly string[],
): Promise<WhyFacts> {
  const { db } = project
  const queued = (await openAgents(db)).filter(({ state }) => state === 'queued')
  const merges = await openMerges(db)
  const [question] = await openQuestions(db, { sender: agent.id })
  const limits = await reportLimits(project)
  const limit = limits.find(({ waiting, runtime, until }) =>
    agent.state === 'queued' ? runtime === agent.runtime && until === null : waiting.includes(agent.name),
  )
  const mode = await modeNow(project)
  const waits = agent.state === 'queued' || report.condition === 'runner_gone'
  const runtime = waits ? await loadedRuntime(agent.runtime) : null
  return {
    agent: report,
    limit: limit === undefined ? null : { at: project.clock.now(), limit },
    queuedBefore: queued.findIndex(({ id }) => id === agent.id),
    maxConcurrent: project.config.agents.maxConcurrent,
    holds: mode.holds,
    placeFree: (await countLive(db)) < mode.places || agent.persistent === 1,
    lack: runtime === null ? null : lackOf(project, runtime, agent),
    left: waits ? await leftOf(db, agent) : null,
    mergesBefore: Math.max(
      0,
      merges.findIndex(({ agent_id }) => agent_id === agent.id),
    ),
    children,
    question: question
      ? { id: question.id, to: await nameOf(db, question.reader), subject: oneLine(question.subject, 200) }
      : null,
  }
}
