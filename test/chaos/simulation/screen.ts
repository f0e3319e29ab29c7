import type { Screen } from '../../../src/contract/runtime.ts'
import { answerTo, type DialogPolicy } from '../../../src/runner/dialogs.ts'
import type { Hold } from '../../../src/runner/session.ts'
import { heldBy, newTyping, step, type Typing } from '../../../src/runner/typing.ts'

type Dialog = Extract<Screen, { is: 'dialog' }>

/** What a screen may ask; `by`: what of a policy allows an answer, `nothing` if nothing ever does. */
interface Question extends Dialog {
  readonly by: 'known' | 'match' | 'nothing'
}

const MATCH = { match: 'allow network access', answer: ['y', 'Enter'] } as const

const QUESTIONS: readonly Question[] = [
  { is: 'dialog', about: 'Do you trust the files in this folder?', answer: ['Enter'], by: 'known' },
  { is: 'dialog', about: 'Allow network access? (y/n)', answer: null, by: 'match' },
  { is: 'dialog', about: 'Delete 14 files?', answer: null, by: 'nothing' },
  { is: 'dialog', about: 'Network access was allowed. Overwrite main?', answer: null, by: 'nothing' },
]

export const POLICIES: readonly DialogPolicy[] = [[], ['known'], ['known', MATCH], [MATCH]]

/** The screen of an agent, and what is typed on it without a person: by the rules that a runner asks. */
export class SimScreen {
  readonly #policy: DialogPolicy
  #typing: Typing
  #asked: Question | null = null
  /** It takes no answer from anybody but a person. */
  #stubborn = false

  constructor(policy: DialogPolicy, mono: number) {
    this.#policy = policy
    this.#typing = newTyping(mono)
  }

  get asks(): boolean {
    return this.#asked !== null
  }

  /** Its CLI was started, and is in its turn. */
  launched(mono: number): void {
    this.#asked = null
    this.#typing = step(newTyping(mono), { is: 'launched', prompt: 'included' }, mono, true).typing
    this.#typing = step(this.#typing, { is: 'began' }, mono, true).typing
  }

  ask(which: number, stubborn: boolean): void {
    this.#asked = QUESTIONS[which % QUESTIONS.length] ?? null
    this.#stubborn = stubborn
  }

  /** A person types the answer. */
  answer(): void {
    this.#asked = null
  }

  /** The runner looks at it. What was answered by the policy, and what waits for a person. */
  look(mono: number): { readonly answered: string | null; readonly held: Hold | null } {
    const asked = this.#asked
    const allowed = asked === null ? null : answerTo(this.#policy, asked)
    const screen: Screen = asked === null ? { is: 'busy' } : { ...asked, answer: allowed?.keys ?? null }
    const { typing, deeds } = step(this.#typing, { is: 'look', screen, prompt: '' }, mono, true)
    this.#typing = typing
    let answered: string | null = null
    for (const deed of deeds) {
      if (deed.do !== 'press') throw new Error(`something was typed into a turn that runs: ${deed.do}`)
      this.#checkAllowed(deed.keys)
      answered = deed.about
      if (!this.#stubborn) this.#asked = null
    }
    return { answered, held: heldBy(this.#typing, mono) }
  }

  #checkAllowed(keys: readonly string[]): void {
    const asked = this.#asked
    const allows = this.#policy.some((one) => (one === 'known' ? asked?.by === 'known' : asked?.by === 'match'))
    if (asked === null || !allows) throw new Error(`nobody allowed the answer to "${asked?.about}"`)
    const meant = asked.by === 'known' ? asked.answer : MATCH.answer
    if (keys.join() !== meant?.join()) throw new Error(`"${asked.about}" was answered with ${keys.join(' ')}`)
  }
}
