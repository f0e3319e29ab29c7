import { timeOfDay } from '../clock.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import type { LimitReport } from './report.ts'
import type { LimitCause } from './rules.ts'

/** What holds an account up, in the words of a sentence: `claude is …`. */
export const LIMIT_WORDS: Readonly<Record<LimitCause, string>> = {
  rate_limit: 'limited',
  quota: 'out of quota',
  overloaded: 'overloaded',
  network: 'not reached',
  auth: 'stopped: its login was refused',
}

/** Why an agent waits for a person whose account is stopped. */
export function loginRefused({ title, login }: Pick<AgentRuntime, 'title' | 'login'>): string {
  return `The login of ${title} was refused. Log in (${login.hint}); it goes on by itself. With another key in the environment: ov retry`
}

/** How a limit stands, in a sentence: `anthropic limited until 14:05, 3 agents wait`. */
export function sayLimit({ provider, cause, until, estimated, probe, waiting }: LimitReport, at: number): string {
  const time = until === null ? '' : ` until ${estimated ? 'about ' : ''}${timeOfDay(until, at)}`
  const now = probe === null ? '' : `; ${probe} sees whether it is over`
  const count = waiting.length
  const who = count === 0 ? '' : count === 1 ? `, ${waiting[0]} waits` : `, ${count} agents wait`
  return `${provider} ${LIMIT_WORDS[cause]}${time}${who}${now}`
}
