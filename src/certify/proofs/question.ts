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
  async run({ candidate, setting, llm, json, git }) {
    llm.play('question', () => true, [say(ANSWER)])
    const model = setting.model === undefined ? [] : ['--model', setting.model]
    const { answer } = answerSchema.parse(await json('runtime', 'ask', candidate.runtime.id, QUESTION, ...model))
    must([ANSWER, ASIDE].includes(answer.trim()), `It answered: ${answer}`)
    const asked = llm.requests.flatMap(({ ask }) => ask?.messages.map(({ text }) => text) ?? []).join('\n')
    // Some ask their model for a title and the like as well.
    must(times(asked, QUESTION) >= 1, `The model saw another question: ${asked}`)
    must((await git('status', '--porcelain')) === '', 'It changed files.')
    const command = candidate.runtime.getPromptCommand(QUESTION, { privateDir: '/' })
    return { did: command === null ? 'asked as the one turn of a session' : 'asked by a command of its own' }
  },
}

export const QUESTIONS: readonly Proof[] = [question]
