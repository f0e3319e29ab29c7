import type { AgentReport } from './report.ts'

/** Why an agent is in its state, in a sentence, and what to type about it, if anything. */
export interface Why {
  readonly text: string
  readonly hint: string | null
}

export interface WhyFacts {
  readonly agent: AgentReport
  /** Those that wait for a place before it. */
  readonly queuedBefore: number
  readonly maxConcurrent: number
  /** What keeps the queue from starting though a place is free. */
  readonly holds: string | null
  /** Entries of the merge queue before its own. */
  readonly mergesBefore: number
  /** Names of the agents it has slung that are still open. */
  readonly children: readonly string[]
  /** Its oldest question without an answer. */
  readonly question: { readonly id: string; readonly to: string; readonly subject: string } | null
}

export function whyOf(facts: WhyFacts): Why {
  const { agent } = facts
  const { name } = agent
  switch (agent.condition) {
    case 'queued':
      if (facts.holds !== null) {
        const turn = facts.queuedBefore === 0 ? '' : ` ${facts.queuedBefore} wait before it.`
        return { text: `It waits: ${facts.holds}${turn}`, hint: 'ov mode' }
      }
      return {
        text: `All ${facts.maxConcurrent} places are taken (agents.maxConcurrent). ${facts.queuedBefore === 0 ? 'It is the next.' : `${facts.queuedBefore} wait before it.`}`,
        hint: null,
      }
    case 'starting':
      return { text: 'Its runner prepares its worktree.', hint: null }
    case 'working':
      return agent.runner?.seen === 'unknown'
        ? { text: 'It is said to work, but the kernel does not tell whether its runner lives.', hint: null }
        : {
            text: 'It is in the middle of a turn.',
            hint: agent.mode === 'interactive' ? `ov attach ${name}` : `ov logs ${name} -f`,
          }
    case 'waiting':
      return whyWaiting(facts)
    case 'runner_gone':
      if (agent.persistent) {
        return {
          text: 'Its runner is gone. What it knows is kept, and its mail waits for it.',
          hint: `ov ${agent.capability} start`,
        }
      }
      return {
        text: 'Its runner is gone without having ended it. What it has done is kept. Any other runner brings it back within seconds; with none at work, do it yourself.',
        hint: 'ov up',
      }
    case 'ending':
      return { text: 'Somebody stops it, or clears up after its runner, just now.', hint: null }
    case 'done':
      if (agent.task.state === 'merging') {
        return {
          text: 'Its runner died after it had said that it is done. Its branch is still in the merge queue.',
          hint: 'ov merge',
        }
      }
      return {
        text:
          agent.task.mergedAs === null
            ? 'It had nothing to merge.'
            : `It was merged as ${agent.task.mergedAs.slice(0, 8)}.`,
        hint: null,
      }
    case 'failed':
    case 'stopped':
      return { text: agent.reason ?? '', hint: `ov logs ${name}` }
  }
}

function whyWaiting({ agent, mergesBefore, children, question, holds }: WhyFacts): Why {
  switch (agent.waitingOn) {
    case 'merge':
      return {
        text: `It says that it is done. Its branch is in the merge queue, ${mergesBefore === 0 ? 'at the front' : `behind ${mergesBefore} other${mergesBefore === 1 ? '' : 's'}`}.`,
        hint: null,
      }
    case 'children':
      return {
        text: `It waits for ${children.length === 0 ? 'agents it has slung' : children.join(', ')}.`,
        hint: null,
      }
    case 'human':
    case 'mail':
      if (agent.reason !== null) return { text: agent.reason, hint: `ov attach ${agent.name}` }
      if (question === null && agent.persistent) {
        return { text: 'Nothing is under way. It waits for mail, which costs nothing.', hint: null }
      }
      if (question === null) return { text: 'It waits for mail.', hint: `ov nudge ${agent.name} "…"` }
      return {
        text: `It asked ${question.to}: ${question.subject}`,
        hint: agent.waitingOn === 'human' ? `ov ask answer ${question.id.slice(-8)} "…"` : null,
      }
    case 'rate_limit':
      return { text: 'Its provider lets it do nothing for now; it goes on by itself.', hint: null }
    case 'budget':
      return { text: 'It has used up its budget.', hint: null }
    case 'mode':
      return { text: `No turn begins. ${holds ?? 'It goes on by itself within seconds.'}`.trim(), hint: 'ov mode' }
    case null:
      return { text: 'It waits.', hint: null }
  }
}
