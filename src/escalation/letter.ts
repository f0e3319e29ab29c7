import { oneLine, plainText } from '../mail/frame.ts'
import type { TroubleKind } from '../watchdog/trouble.ts'
import { DECISIONS, type DecisionName } from './rules.ts'

export interface LetterFacts {
  readonly about: TroubleKind
  readonly agent: string
  readonly capability: string
  readonly task: string
  readonly seen: string
  readonly tried: readonly string[]
  readonly why: string
  readonly options: readonly string[]
  /** Why it was not settled by who was asked before, in a sentence; null for the first. */
  readonly before: string | null
}

const MEANINGS: Readonly<Record<DecisionName, (agent: string) => string>> = {
  wait: () => 'leave it alone for a while',
  nudge: (agent) => `"nudge: …" tells ${agent} what you write`,
  'restart-fresh': () => 'a new session that is told what it has done; its commits and files stay',
  stop: () => 'end it; its commits are kept',
}

/** What an option means, in a few words; empty for one that is not ours. */
export function meaningOf(option: string, agent: string): string {
  const name = DECISIONS.find((one) => one === option)
  return name === undefined ? '' : MEANINGS[name](agent)
}

/** The mail that asks for a decision about an agent. */
export function letterOf(facts: LetterFacts): { subject: string; body: string } {
  const { about, agent, capability, task, seen, tried, why, options, before } = facts
  const width = Math.max(...options.map((option) => option.length))
  return {
    subject: oneLine(`${agent} needs a decision: ${seen}`, 200),
    body: [
      `${agent} (${capability}) works on: ${oneLine(task, 300)}`,
      `What is seen: ${oneLine(seen, 600)}`,
      ...(tried.length === 0 ? [] : ['What was tried:', ...tried.map((one) => `- ${oneLine(one, 300)}`)]),
      `Why you are asked: ${plainText(why).trim()}`,
      ...(before === null ? [] : [before]),
      ...(about === 'dialog' ? [`A person can answer on its screen: ov attach ${agent}`] : []),
      '',
      `Reply with one of these, or with text, which ${agent} then gets as urgent mail:`,
      ...options.map((option, index) => `${index + 1}. ${option.padEnd(width)}  ${meaningOf(option, agent)}`.trimEnd()),
    ].join('\n'),
  }
}
