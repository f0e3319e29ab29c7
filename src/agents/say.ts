import { sayPassedOver } from '../runtimes/fallback.ts'
import type { Retried } from './retry.ts'
import type { Slung } from './sling.ts'
import type { Stopped } from './stop.ts'

/** Where a task that was slung stands and what to do next, in two lines. */
export function saySlung(
  { agent, task, queued, waits, passedOver }: Slung,
  { insideAgent }: { readonly insideAgent: boolean },
): string {
  const stands = queued
    ? `${agent.name} waits${waits === null ? ' for a free place' : ''}: ${task.title}${waits === null ? '' : `\n${waits}`}`
    : `${agent.name} is on its way: ${task.title}`
  const next = insideAgent
    ? 'End your turn when you have nothing else to do; mail tells you what becomes of it.'
    : agent.mode === 'interactive' && !queued
      ? `See its screen, and type along: ov attach ${agent.name}`
      : `Follow it: ov logs ${agent.name} -f`
  const instead = passedOver.length === 0 ? '' : `Its runtime is ${agent.runtime}: ${sayPassedOver(passedOver)}.\n`
  const open = agent.protection === 'unguarded' && agent.runtime !== 'shell'
  const warned = open ? `Nothing keeps it inside its worktree: ${agent.runtime} refuses no tool.\n` : ''
  return `${stands}\n${instead}${warned}${next}`
}

/** The same for scripts. */
export function documentOf({ agent, task, queued, waits, passedOver }: Slung) {
  const { name, runtime, model, branch, protection } = agent
  return {
    task: task.id,
    agent: name,
    state: task.state,
    branch,
    queued,
    waits,
    runtime,
    model,
    protection,
    passedOver,
  }
}

/** What became of an agent that was stopped, in one line. */
export function sayStopped({ agent, was, state, kept, branch }: Stopped): string {
  const commits = kept.length === 0 ? '' : ` Its commits are kept: git log ${branch}`
  const ended = was === 'done' || was === 'failed' || was === 'stopped'
  return ended ? `${agent} had ended before (${was}).` : `${agent} is ${state} (was ${was}).${commits}`
}

/** What there is to say beside: that nobody was stopped, and each process that is still there. */
export function sayRemains(stopped: readonly Stopped[]): string[] {
  if (stopped.length === 0) return ['Nobody is at work.']
  return stopped
    .flatMap((one) => one.survivors)
    .map(({ pid, command, certain }) =>
      certain
        ? `Still there: ${pid} ${command}`
        : `Perhaps left behind (works in the worktree, got no signal): ${pid} ${command}`,
    )
}

/** How an agent that was tried again stands, and what to do next. */
export function sayRetried({ agent, runtime, branch, context, queued }: Retried): string {
  const goesOn =
    runtime === 'shell'
      ? 'runs its command again'
      : context === 'resumed'
        ? 'goes on with its conversation'
        : 'goes on, told from the records what it had done'
  const waits = queued ? 'waits for a free place, then ' : ''
  return `${agent} ${waits}${goesOn}, on ${branch} (${runtime}).\nFollow it: ov logs ${agent} -f`
}
