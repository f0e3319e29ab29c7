import { reportLimits } from '../limits/report.ts'
import { modeNow } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import { nameOf } from '../mail/send.ts'
import { openQuestions } from '../mail/store.ts'
import { openMerges } from '../merge/store.ts'
import type { Project } from '../project.ts'
import type { AgentReport } from './report.ts'
import { type Agent, openAgents } from './store.ts'
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
  return {
    agent: report,
    limit: limit === undefined ? null : { at: project.clock.now(), limit },
    queuedBefore: queued.findIndex(({ id }) => id === agent.id),
    maxConcurrent: project.config.agents.maxConcurrent,
    holds: (await modeNow(project)).holds,
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
