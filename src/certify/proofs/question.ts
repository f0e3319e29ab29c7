import * as z from 'zod'
import { say } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import { must, times } from '../unproved.ts'

/** The proof that a CLI can be asked a question in passing: triage, the words of a merge. */

const QUESTION = 'What is @/etc/hostname?\n/cost'
const ANSWER = 'The answer\nin two lines'
/** Some offer no tools when they ask in passing; then it is an aside to the scripted model. */
const ASIDE = 'Scripted side answer'

const answerSchema = z.object({ answer: z.string() })

const question: Proof = {
  id: 'question',
  title: 'a one-shot question arrives as it was written, and its answer is all there is',
  unclaimed: (runtime) =>
    runtime.getPromptCommand(QUESTION, {}) === null ? 'it has no way to be asked without side effects' : null,
  async run({ candidate, setting, llm, json, git }) {
    llm.play('question', () => true, [say(ANSWER)])
    const model = setting.model === undefined ? [] : ['--model', setting.model]
    const { answer } = answerSchema.parse(await json('runtime', 'ask', candidate.runtime.id, QUESTION, ...model))
    must([ANSWER, ASIDE].includes(answer.trim()), `It answered: ${answer}`)
    const asked = llm.requests.flatMap(({ ask }) => ask?.messages.map(({ text }) => text) ?? []).join('\n')
    must(times(asked, QUESTION) === 1, `The model saw it ${times(asked, QUESTION)} times: ${asked}`)
    must((await git('status', '--porcelain')) === '', 'It changed files.')
    return {}
  },
}

export const QUESTIONS: readonly Proof[] = [question]
