import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { writeWhole } from '../../os/files.ts'
import { say } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import { must, times } from '../unproved.ts'

/** The proof that a CLI can be asked a question in passing: triage, the words of a merge. */

const QUESTION = 'What is @/etc/hostname?\n/cost'
const ANSWER = 'The answer\nin two lines'
const PATIENCE_MS = 60_000

const question: Proof = {
  id: 'question',
  title: 'a one-shot question has all of stdout for its answer',
  unclaimed: (runtime) =>
    runtime.getPromptCommand(QUESTION, { privateDir: '/' }) === null
      ? 'it has no way to be asked without side effects'
      : null,
  async run({ candidate, setting, machine, llm }) {
    const { runtime, program } = candidate
    llm.play('question', () => true, [say(ANSWER)])
    const model = setting.model === undefined ? {} : { model: setting.model }
    const privateDir = join(machine.path, 'question-private')
    const plan = runtime.getPromptCommand(QUESTION, { ...model, extraArgs: setting.section?.args ?? [], privateDir })
    must(plan !== null, 'It gives no command.')
    for (const { path, content } of plan.files ?? []) writeWhole(join(privateDir, path), content, 0o600)
    const folder = join(machine.path, 'question')
    mkdirSync(folder)
    const asked = await machine.run([program, ...plan.argv.slice(1)], {
      cwd: folder,
      env: { PATH: `${dirname(program)}:${machine.env.PATH}`, ...setting.env, ...plan.env },
      timeoutMs: PATIENCE_MS,
      ...(plan.stdin === undefined ? {} : { input: plan.stdin }),
    })
    must(asked.code === 0, asked.timedOut ? 'It never ended.' : `Exit code ${asked.code}: ${asked.output.trim()}`)
    const said = asked.stdout.trim()
    must(said === ANSWER || said === 'Scripted side answer', `It printed: ${said}`)
    const text = llm.requests.flatMap(({ ask }) => ask?.messages.map((message) => message.text) ?? []).join('\n')
    must(times(text, QUESTION) >= 1, `The model saw another question: ${text}`)
    return {}
  },
}

export const QUESTIONS: readonly Proof[] = [question]
