import type { Capability } from '../contract/states.ts'
import type { OvError } from '../errors.ts'
import {
  type Blocks,
  blockedByAgent,
  blockedByTrain,
  type FleetMember,
  NOTHING_BLOCKED,
  sayBlocked,
  weightOf,
} from '../escalation/blocked.ts'
import type { LimitReport } from '../limits/report.ts'
import { sayLimit } from '../limits/words.ts'
import { oneLine } from '../mail/frame.ts'
import type { Behind } from '../merge/behind.ts'
import type { Condition } from './condition.ts'

/** Something a person should know of, and what to type next. */
export interface Problem {
  readonly kind:
    | 'runner_gone'
    | 'left'
    | 'branch'
    | 'train'
    | 'escalation'
    | 'question'
    | 'waits_for_human'
    | 'failed'
    | 'landing'
    | 'mail'
    | 'limit'
  /** The agent it is about, if it is about one. */
  readonly agent: string | null
  readonly message: string
  readonly hint: string | null
  /** What waits until it is settled. */
  readonly blocks: Blocks
}

type Unweighed = Omit<Problem, 'blocks'> & { readonly blocks?: Blocks }

interface AgentFacts extends FleetMember {
  readonly capability: Capability
  readonly condition: Condition
  readonly reason: string | null
}

export interface ProblemFacts {
  readonly agents: readonly AgentFacts[]
  /** Agents that may be at work at once. */
  readonly maxConcurrent: number
  /** Entries of the merge queue. */
  readonly merges: number
  /** Questions to the human that have no answer, and what he is to decide. */
  readonly questions: readonly {
    readonly id: string
    readonly kind: 'question' | 'decision_gate' | 'escalation'
    readonly agent: string
    readonly subject: string
    readonly options: readonly string[]
  }[]
  /** Mail of the human's that waits, questions among it. */
  readonly unread: number
  readonly landing: Behind | null
  /** What holds up accounts, and the time at which that was looked at. */
  readonly limits: readonly LimitReport[]
  /** Agents that were not started though there is a place, and why. */
  readonly left: readonly { readonly agent: string; readonly text: string; readonly hint: string }[]
  readonly at: number
  /** Why nothing can land at all. */
  readonly noLanding: OvError | null
}

/**
 * What needs a person: that which holds up most first. Of those that hold up as much, what does not go on at all comes
 * before what only waits for a word.
 */
export function attention(facts: ProblemFacts): Problem[] {
  const found: Unweighed[] = [
    ...facts.agents.filter(({ condition }) => condition === 'runner_gone').map(runnerGone),
    ...facts.left.map(left),
    ...(facts.noLanding === null
      ? []
      : [
          {
            kind: 'branch' as const,
            agent: null,
            message: facts.noLanding.message,
            hint: facts.noLanding.hint ?? null,
          },
        ]),
    ...train(facts.landing),
    ...facts.limits.map((one) => limit(one, facts.at)),
    ...facts.questions.map(question),
    ...facts.agents.filter((agent) => waitsUnasked(agent, facts)).map(waits),
    ...facts.agents.filter(({ condition }) => condition === 'failed').map(failed),
    ...landing(facts.landing),
    ...mail(facts.unread),
  ]
  return found
    .map((problem) => ({ ...problem, blocks: problem.blocks ?? blocksOf(problem, facts) }))
    .map((problem) => ({ ...problem, message: withBlocked(problem) }))
    .sort((a, b) => importance(b, facts) - importance(a, facts))
}

function blocksOf({ kind, agent }: Unweighed, facts: ProblemFacts): Blocks {
  switch (kind) {
    case 'branch':
    case 'train':
      return blockedByTrain(facts)
    case 'runner_gone':
    case 'left':
    case 'escalation':
    case 'question':
    case 'waits_for_human':
      return agent === null ? NOTHING_BLOCKED : blockedByAgent(agent, facts)
    case 'failed':
    case 'landing':
    case 'mail':
    case 'limit':
      return NOTHING_BLOCKED
  }
}

/** Everybody who works will have to be merged: where nothing can be, all of them count. */
function importance({ kind, blocks, hint }: Problem, { agents }: ProblemFacts): number {
  // What ends by itself needs nobody.
  if (kind === 'limit' && hint === null) return 0
  if (kind !== 'branch' && kind !== 'train') return weightOf(blocks)
  return blocks.merges + agents.filter(({ condition }) => OPEN.includes(condition)).length + 1
}

const OPEN: readonly Condition[] = ['queued', 'starting', 'working', 'waiting', 'runner_gone']

function withBlocked({ kind, message, agent, blocks }: Problem): string {
  // A limit says itself who waits.
  const others = kind === 'limit' ? '' : sayBlocked(blocks, agent)
  return others === '' ? message : `${message} (${others})`
}

function runnerGone({ name, capability, persistent }: AgentFacts): Unweighed {
  if (persistent) {
    const message = `${name} has lost its runner and does nothing. What it knows is kept, and its mail waits for it.`
    return { kind: 'runner_gone', agent: name, message, hint: `ov ${capability} start` }
  }
  return {
    kind: 'runner_gone',
    agent: name,
    message: `${name} has lost its runner and does nothing. What it has done is kept.`,
    hint: 'ov up',
  }
}

function left({ agent, text, hint }: ProblemFacts['left'][number]): Unweighed {
  return { kind: 'left', agent, message: oneLine(`${agent} is not started though a place is free. ${text}`, 300), hint }
}

function question({ id, kind, agent, subject, options }: ProblemFacts['questions'][number]): Unweighed {
  if (kind === 'escalation') return { kind, agent, message: oneLine(subject, 300), hint: 'ov ask list' }
  const choice = options.length === 0 ? '' : ` [${options.map((one) => oneLine(one, 40)).join(' / ')}]`
  const message = `${agent} asks: ${subject}${choice}`
  return { kind: 'question', agent, message, hint: `ov ask answer ${id.slice(-8)} "…"` }
}

/** Waits for a person for another reason than a question that is listed already. */
function waitsUnasked({ name, condition, waitingOn, reason }: AgentFacts, { questions }: ProblemFacts): boolean {
  const forHuman = waitingOn === 'human' || waitingOn === 'budget'
  return condition === 'waiting' && forHuman && (reason !== null || !questions.some(({ agent }) => agent === name))
}

function waits({ name, waitingOn, reason }: AgentFacts): Unweighed {
  const message = waitingOn === 'budget' ? `${name} has used up its budget.` : `${name} waits for you.`
  if (reason === null) return { kind: 'waits_for_human', agent: name, message, hint: `ov inspect ${name}` }
  return {
    kind: 'waits_for_human',
    agent: name,
    message: `${name} waits for you: ${oneLine(reason, 300)}`,
    hint: `ov attach ${name}`,
  }
}

function failed({ name, reason }: AgentFacts): Unweighed {
  const why = reason?.split('\n')[0] ?? ''
  return {
    kind: 'failed',
    agent: name,
    message: `${name} failed${why === '' ? '.' : `: ${why}`}`,
    hint: `ov inspect ${name}`,
  }
}

/** A limit that ends by itself is said; a login has to be mended. */
function limit(report: LimitReport, at: number): Unweighed {
  const message = `${sayLimit(report, at)}.`
  const hint = report.until === null ? `Log in anew, or: ov limits clear ${report.runtime}` : null
  const blocks = { agents: report.waiting, tasks: 0, merges: 0 }
  return { kind: 'limit', agent: null, message, hint, blocks }
}

function train(behind: Behind | null): Unweighed[] {
  const blocked = behind?.blocked
  if (!blocked) return []
  return [{ kind: 'train', agent: null, message: `Nothing is merged: ${blocked.why}`, hint: blocked.hint || null }]
}

function landing(behind: Behind | null): Unweighed[] {
  if (behind === null) return []
  const { branch, commits, changedFiles, diverged, blocked } = behind
  if (blocked !== null)
    return [
      { kind: 'landing', agent: null, message: oneLine(blocked.why.split('\n')[0] ?? '', 300), hint: blocked.hint },
    ]
  if (commits === 0) return []
  const message = `${branch} is ${count(commits, 'commit')} behind what was merged`
  if (changedFiles > 0) {
    const what = `${count(changedFiles, 'tracked file')} ${changedFiles === 1 ? 'is' : 'are'} changed in your checkout`
    return [{ kind: 'landing', agent: null, message: `${message}: ${what}.`, hint: 'Commit or stash, then: ov land' }]
  }
  if (diverged) {
    const what = 'it has commits of its own, on which the next merge builds'
    return [{ kind: 'landing', agent: null, message: `${message}: ${what}.`, hint: 'ov merge' }]
  }
  return [{ kind: 'landing', agent: null, message: `${message}.`, hint: 'ov land' }]
}

function mail(unread: number): Unweighed[] {
  if (unread === 0) return []
  return [{ kind: 'mail', agent: null, message: `You have ${count(unread, 'unread mail')}.`, hint: 'ov mail check' }]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
