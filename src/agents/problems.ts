import type { Capability, WaitingOn } from '../contract/states.ts'
import type { OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import type { Behind } from '../merge/behind.ts'
import type { Condition } from './condition.ts'

/** Something a person should know of, and what to type next. */
export interface Problem {
  readonly kind: 'runner_gone' | 'branch' | 'train' | 'question' | 'waits_for_human' | 'failed' | 'landing' | 'mail'
  /** The agent it is about, if it is about one. */
  readonly agent: string | null
  readonly message: string
  readonly hint: string | null
}

interface AgentFacts {
  readonly name: string
  readonly capability: Capability
  readonly persistent: boolean
  readonly condition: Condition
  readonly waitingOn: WaitingOn | null
  readonly reason: string | null
}

export interface ProblemFacts {
  readonly agents: readonly AgentFacts[]
  /** Questions to the human that have no answer. */
  readonly questions: readonly { readonly id: string; readonly from: string; readonly subject: string }[]
  /** Mail of the human's that waits, questions among it. */
  readonly unread: number
  readonly landing: Behind | null
  /** Why nothing can land at all. */
  readonly noLanding: OvError | null
}

/** What needs a person, most urgent first. */
export function problemsOf(facts: ProblemFacts): Problem[] {
  return [
    ...facts.agents.filter(({ condition }) => condition === 'runner_gone').map(runnerGone),
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
    ...facts.questions.map(question),
    ...facts.agents.filter((agent) => waitsUnasked(agent, facts)).map(waits),
    ...facts.agents.filter(({ condition }) => condition === 'failed').map(failed),
    ...landing(facts.landing),
    ...mail(facts.unread),
  ]
}

function runnerGone({ name, capability, persistent }: AgentFacts): Problem {
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

function question({ id, from, subject }: ProblemFacts['questions'][number]): Problem {
  return {
    kind: 'question',
    agent: from,
    message: `${from} asks: ${subject}`,
    hint: `ov mail reply ${id.slice(-8)} --body "…"`,
  }
}

/** Waits for a person for another reason than a question that is listed already. */
function waitsUnasked({ name, condition, waitingOn, reason }: AgentFacts, { questions }: ProblemFacts): boolean {
  const forHuman = waitingOn === 'human' || waitingOn === 'budget'
  return condition === 'waiting' && forHuman && (reason !== null || !questions.some(({ from }) => from === name))
}

function waits({ name, waitingOn, reason }: AgentFacts): Problem {
  const message = waitingOn === 'budget' ? `${name} has used up its budget.` : `${name} waits for you.`
  if (reason === null) return { kind: 'waits_for_human', agent: name, message, hint: `ov inspect ${name}` }
  return {
    kind: 'waits_for_human',
    agent: name,
    message: `${name} waits for you: ${oneLine(reason, 300)}`,
    hint: `ov attach ${name}`,
  }
}

function failed({ name, reason }: AgentFacts): Problem {
  const why = reason?.split('\n')[0] ?? ''
  return {
    kind: 'failed',
    agent: name,
    message: `${name} failed${why === '' ? '.' : `: ${why}`}`,
    hint: `ov inspect ${name}`,
  }
}

function train(behind: Behind | null): Problem[] {
  const blocked = behind?.blocked
  if (!blocked) return []
  return [{ kind: 'train', agent: null, message: `Nothing is merged: ${blocked.why}`, hint: blocked.hint || null }]
}

function landing(behind: Behind | null): Problem[] {
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

function mail(unread: number): Problem[] {
  if (unread === 0) return []
  return [{ kind: 'mail', agent: null, message: `You have ${count(unread, 'unread mail')}.`, hint: 'ov mail check' }]
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
