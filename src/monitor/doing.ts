import { timeOfDay } from '../clock.ts'
import { oneLine } from '../mail/frame.ts'
import type { AgentReport } from '../reports/report.ts'
import type { Gate, Tool } from './track.ts'

/** What is known of an agent beside its report. */
export interface DoingFacts {
  readonly at: number
  /** What you are to decide about it, in a sentence without its name; null when nothing. */
  readonly decision: string | null
  readonly tool: Tool | undefined
  readonly gates: readonly Gate[]
  /** Its place in the merge queue, from 0; null when it is not in it. */
  readonly mergesBefore: number | null
  /** Those that wait for a place before it. */
  readonly queuedBefore: number
  /** What keeps the queue from starting though a place is free. */
  readonly holds: string | null
  /** Names of the open agents it has slung. */
  readonly children: readonly string[]
  /** What it asked that has no answer. */
  readonly question: { readonly to: string; readonly subject: string } | null
}

/** What an agent does, waits for, or ended with, in a few words on one line; empty where its state says it all. */
export function doingOf(agent: AgentReport, facts: DoingFacts): string {
  switch (agent.condition) {
    case 'working':
      if (facts.decision !== null) return oneLine(facts.decision, 200)
      return facts.tool === undefined ? '' : oneLine(`${facts.tool.name} ${facts.tool.summary}`, 200)
    case 'waiting':
      return facts.decision === null ? waitingFor(agent, facts) : oneLine(facts.decision, 200)
    case 'queued':
      if (facts.holds !== null) return oneLine(facts.holds, 200)
      return facts.queuedBefore === 0 ? 'next for a place' : `behind ${facts.queuedBefore} for a place`
    case 'done':
      return agent.task.mergedAs === null ? 'nothing to merge' : agent.task.mergedAs.slice(0, 8)
    case 'failed':
    case 'stopped':
      return oneLine(agent.reason?.split('\n')[0] ?? '', 200)
    case 'runner_gone':
      return 'nobody looks after it'
    case 'starting':
    case 'ending':
      return ''
  }
}

function waitingFor(agent: AgentReport, { at, gates, mergesBefore, children, question }: DoingFacts): string {
  switch (agent.waitingOn) {
    case 'merge': {
      const running = gates.find(({ is }) => is === 'running')
      if (mergesBefore === 0 && running !== undefined) return oneLine(`gate ${running.name}`)
      return mergesBefore === null
        ? ''
        : mergesBefore === 0
          ? 'next to be merged'
          : `behind ${mergesBefore} to be merged`
    }
    case 'children':
      return children.join(', ')
    case 'human':
    case 'mail':
      return question === null
        ? ''
        : oneLine(question.to === 'human' ? question.subject : `${question.to}: ${question.subject}`, 200)
    case 'rate_limit':
    case 'retry':
      return agent.waitingUntil === null ? '' : `until ${timeOfDay(agent.waitingUntil, at)}`
    case 'budget':
    case 'mode':
    case null:
      return ''
  }
}
