import { MAX_RESTARTS, RESTART_WINDOW_MS } from '../agents/rules.ts'
import type { LimitReport } from '../limits/report.ts'
import { sayLimit } from '../limits/words.ts'
import { oneLine } from '../mail/frame.ts'
import type { Lack } from '../runtimes/lack.ts'
import type { Foreseen } from '../watchdog/foresee.ts'
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
  /** A place is free that it could have. */
  readonly placeFree: boolean
  /** What this terminal lacks to start it or bring it back; null for nothing. */
  readonly lack: Lack | null
  /** Why those who looked left it as it is; null when nobody did. */
  readonly left: Lack | null
  /** Entries of the merge queue before its own. */
  readonly mergesBefore: number
  /** What holds up its account, and when that was looked at; null for nothing. */
  readonly limit: { readonly at: number; readonly limit: LimitReport } | null
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
      if (facts.limit !== null) {
        const { at, limit } = facts.limit
        return { text: `It waits: ${sayLimit(limit, at)}.`, hint: `ov limits clear ${limit.runtime}` }
      }
      if (facts.holds !== null) {
        const turn = facts.queuedBefore === 0 ? '' : ` ${facts.queuedBefore} wait before it.`
        return { text: `It waits: ${facts.holds}${turn}`, hint: 'ov mode' }
      }
      if (facts.placeFree) return whyNotStarted(facts)
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
      if (facts.lack !== null || facts.left !== null) {
        const { text, hint } = leftText(facts)
        return { text: `Its runner is gone without having ended it. What it has done is kept. ${text}`, hint }
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

function whyNotStarted(facts: WhyFacts): Why {
  if (facts.lack !== null || facts.left !== null) {
    const { text, hint } = leftText(facts)
    return { text: `A place is free. ${text}`, hint }
  }
  return { text: 'A place is free: whoever looks next starts it.', hint: 'ov up' }
}

/** Who could not start it, and what to do about it. Others may have what this terminal has not, and the other way round. */
function leftText({ lack, left }: WhyFacts): Why {
  if (lack !== null) return { text: `It can't be started from this terminal: ${lack.text}`, hint: lack.hint }
  return {
    text: `Who looked could not start it, but this terminal has what it takes: ${left?.text ?? ''}`,
    hint: 'ov up',
  }
}

/** Why it waits for a limit, how long, and what comes then. */
function limitText({ at, limit }: NonNullable<WhyFacts['limit']>, name: string): string {
  const then =
    limit.probe === name
      ? 'It is the one that sees whether that is over.'
      : 'Then one agent sees whether it is over, and the others follow one by one.'
  return `${sayLimit(limit, at)}. ${then} The provider said: ${oneLine(limit.said, 200)}`
}

function whyWaiting({ agent, mergesBefore, children, question, limit, holds }: WhyFacts): Why {
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
      return {
        text:
          limit === null
            ? 'Its provider lets it do nothing for now; it goes on by itself.'
            : limitText(limit, agent.name),
        hint: limit === null ? null : 'ov limits',
      }
    case 'retry':
      return { text: 'Its CLI died, and is started again in a moment.', hint: `ov logs ${agent.name}` }
    case 'budget':
      return { text: 'It has used up its budget.', hint: null }
    case 'mode':
      return { text: `No turn begins. ${holds ?? 'It goes on by itself within seconds.'}`.trim(), hint: 'ov mode' }
    case null:
      return { text: 'It waits.', hint: null }
  }
}

/** Something that was seen, was done, or will be, in a sentence. `at` in ms since the epoch; null: no time belongs to it. */
export interface Fact {
  readonly at: number | null
  readonly text: string
}

/** A decision about an agent in trouble that somebody was asked for. */
export interface PendingDecision {
  /** The mail that asks. */
  readonly id: string
  /** An agent's name or `human`. */
  readonly to: string
  readonly askedAt: number
  readonly seen: string
  /** When the next above is asked, ms since the epoch; null: not known, since the machine was started anew. */
  readonly upAt: number | null
}

export interface ExplainFacts extends WhyFacts {
  readonly at: number
  /** The last event that only the agent itself can have caused. */
  readonly lastSign: Fact | null
  /** What was done about it lately, oldest first. */
  readonly deeds: readonly Fact[]
  /** How often it was started again within the window. */
  readonly restarts: number
  /** Whether somebody watches the fleet; `late`: somebody who has not looked for too long. */
  readonly watched: 'yes' | 'late' | 'nobody'
  /** What the watchdog will do if nothing changes, the soonest first. */
  readonly foreseen: readonly Foreseen[]
  /** Nudges for one silence. */
  readonly nudges: number
  /** A model is asked about agents that nudges do not help. */
  readonly triage: boolean
  readonly decision: PendingDecision | null
}

/** The document of `ov why --json`. */
export interface Explanation {
  readonly at: number
  readonly agent: AgentReport
  readonly why: Why
  /** What is seen of it now. */
  readonly seen: readonly Fact[]
  /** What it met and what was done about it lately, oldest first. */
  readonly done: readonly Fact[]
  /** What happens next if nobody does anything. */
  readonly next: readonly Fact[]
}

/** Why an agent is in its state, and what happens next, when. */
export function explain(facts: ExplainFacts): Explanation {
  const { at, agent, deeds, decision } = facts
  const why = whyOf(facts)
  return {
    at,
    agent,
    why: decision?.to === 'human' ? { ...why, hint: 'ov ask list' } : why,
    seen: seenOf(facts),
    done: deeds,
    next: nextOf(facts),
  }
}

function seenOf({ at, agent, lastSign }: ExplainFacts): Fact[] {
  const { runner, lastOutput } = agent
  const lives = {
    alive: 'lives',
    gone: 'is gone',
    replaced: 'is being ended by another process',
    unknown: 'may live or not: the kernel does not tell',
  } as const
  return [
    ...(runner === null ? [] : [{ at, text: `Its runner (process ${runner.pid ?? '?'}) ${lives[runner.seen]}.` }]),
    ...(lastOutput === null ? [] : [{ at: lastOutput, text: 'Its log was last written to.' }]),
    ...(lastSign === null ? [] : [{ at: lastSign.at, text: `${lastSign.text} That was its last sign of life.` }]),
  ]
}

function nextOf(facts: ExplainFacts): Fact[] {
  const { decision } = facts
  return [
    ...stateNext(facts),
    ...watchNext(facts),
    ...(decision === null ? [] : [decisionNext(decision)]),
    ...restartsNext(facts),
  ]
}

function stateNext(facts: ExplainFacts): Fact[] {
  const { agent, watched } = facts
  switch (agent.condition) {
    case 'working':
      return workingNext(facts)
    case 'waiting':
      return waitingNext(facts)
    case 'queued':
      return [
        {
          at: null,
          text:
            facts.placeFree && (facts.lack !== null || facts.left !== null)
              ? LEFT_NEXT
              : facts.holds === null
                ? 'It starts as soon as there is a place.'
                : 'It starts by itself when that is over.',
        },
      ]
    case 'starting':
      return [{ at: null, text: 'Its first turn begins when its worktree is ready.' }]
    case 'runner_gone':
      if (facts.left !== null && !agent.persistent) return [{ at: null, text: LEFT_NEXT }]
      if (agent.persistent) return [{ at: null, text: `It stays so until ov ${agent.capability} start, or ov up.` }]
      return [
        {
          at: null,
          text:
            watched === 'yes'
              ? 'The watcher brings it back at once, where its program and login are there.'
              : 'Whoever is at work brings it back within seconds; with nobody there, ov up does.',
        },
      ]
    case 'ending':
      return [{ at: null, text: 'It has ended within seconds.' }]
    case 'done':
      return [{ at: null, text: 'Nothing: it has ended.' }]
    case 'failed':
    case 'stopped':
      return [{ at: null, text: `Nothing by itself. To have it go on: ov retry ${agent.name}` }]
  }
}

const LEFT_NEXT = 'It goes on when somebody looks who has what it takes: a runner, a watcher, or you by ov up.'

function workingNext({ agent, watched }: ExplainFacts): Fact[] {
  const ends = {
    at: null,
    text: 'When its turn ends, its mail is handed over, or it waits, or is asked how it stands.',
  }
  if (agent.runner?.seen !== 'alive') return [ends]
  if (watched === 'nobody')
    return [ends, { at: null, text: 'Nobody watches this fleet, so nobody hears its silence: ov watch --background' }]
  if (watched === 'late') return [ends, { at: null, text: 'The watcher itself is late, or stopped: ov watch status' }]
  return [ends]
}

/** What the watchdog does next. Nothing while somebody decides about the agent. */
function watchNext({ at, watched, foreseen, nudges, triage, decision }: ExplainFacts): Fact[] {
  if (watched !== 'yes' || decision !== null) return []
  const raised = triage ? 'a model judges it' : 'whom it reports to is asked'
  return foreseen.map(({ about, do: act, nth, inMs }) => ({ at: at + inMs, text: foreseenText(about, act, nth) }))

  function foreseenText(about: Foreseen['about'], act: Foreseen['do'], nth: number | null): string {
    switch (about) {
      case 'silence':
        return `If it has shown nothing until then, ${act === 'nudge' ? `it is nudged (${nth} of ${nudges})` : raised}.`
      case 'loop':
        return act === 'nudge' ? 'It is told that it goes in circles.' : `It goes in circles: ${raised}.`
      case 'dialog':
        return `Its screen asks a person something: without an answer until then, ${raised}.`
      case 'deadline':
        return `Its deadline (watchdog.deadlines): ${raised}.`
    }
  }
}

function waitingNext({ agent, question }: ExplainFacts): Fact[] {
  switch (agent.waitingOn) {
    case 'rate_limit':
      return [{ at: agent.waitingUntil, text: 'One of those that wait tries again; when it works, the others follow.' }]
    case 'retry':
      return [{ at: agent.waitingUntil, text: 'Its CLI is started again.' }]
    case 'merge':
      return [{ at: null, text: 'Its branch is merged when its gates pass; red or in conflict, it gets another turn.' }]
    case 'children':
      return [{ at: null, text: 'Word of any of them begins its next turn.' }]
    case 'human':
    case 'mail':
    case null:
      // In the middle of its turn.
      if (agent.reason !== null) return [{ at: null, text: 'It goes on as soon as that is settled.' }]
      return [{ at: null, text: question === null ? 'Mail begins its next turn.' : 'The answer begins its next turn.' }]
    case 'budget':
      return [{ at: null, text: 'It goes on when there is budget for it.' }]
    case 'mode':
      return [{ at: null, text: 'Its next turn begins when the fleet is at a level that allows it: ov mode' }]
  }
}

function decisionNext({ to, upAt, id }: PendingDecision): Fact {
  if (to === 'human') return { at: null, text: `You decide what becomes of it: ov ask answer ${id.slice(-8)} "…"` }
  return { at: upAt, text: `If ${to} has not decided until then, the next above is asked.` }
}

function restartsNext({ agent, restarts }: ExplainFacts): Fact[] {
  if (restarts === 0 || agent.endedAt !== null) return []
  const minutes = RESTART_WINDOW_MS / 60_000
  const text = `It was started again ${restarts} of ${MAX_RESTARTS} times within ${minutes} minutes; beyond that it is put aside.`
  return [{ at: null, text }]
}
