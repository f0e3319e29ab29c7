import type { Screen } from '../contract/runtime.ts'

/**
 * What may be answered on an agent's screen without a person, in order: `known`, a dialog at its start to which the
 * runtime's adapter knows the safe answer; or what is asked in these words, with these keys.
 */
export type DialogPolicy = readonly ('known' | { readonly match: string; readonly answer: readonly string[] })[]

export interface Answer {
  readonly keys: readonly string[]
  /** What allows it, in words. */
  readonly why: string
}

/**
 * The answer that the policy allows, or null: then a person is asked. Only the question itself is compared, never what
 * else is on the screen: that may be the words of a model.
 */
export function answerTo(policy: DialogPolicy, { about, answer }: Screen & { is: 'dialog' }): Answer | null {
  const asked = about.toLowerCase()
  for (const allowed of policy) {
    if (allowed === 'known') {
      if (answer !== null) return { keys: answer, why: 'a dialog of its start whose answer is known' }
    } else if (asked.includes(allowed.match.toLowerCase()))
      return { keys: allowed.answer, why: `watchdog.dialogs allows it: "${allowed.match}"` }
  }
  return null
}
