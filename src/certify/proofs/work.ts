import { sayEnding } from '../job.ts'
import { type Step, say, shell } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import { must, times } from '../unproved.ts'

/** Proofs that an agent does its work: from the first prompt to a commit on main. */

/** The model commits a line in a file by its shell. */
export function commit(line: string, file: string, message: string): Step {
  return shell(`echo "${line}" >> ${file} && git add ${file} && git commit -q -m "${message}" && git log --oneline -1`)
}

/** The model says that it is done, and ends its turn. */
export function done(how = '--summary "Done"'): Step[] {
  return [shell(`ov done ${how}`), say('All done.')]
}

/** Nothing was to be committed. */
export const NOTHING = '--no-changes --summary "Read it"'

const version: Proof = {
  id: 'version',
  title: 'it says its version',
  async run({ candidate }) {
    return { did: candidate.version }
  },
}

const work: Proof = {
  id: 'work',
  title: 'a task becomes a commit by its shell, is gated, merged and on main',
  async run({ sling, git, candidate }) {
    const job = sling([commit('hello', 'hello.txt', 'Say hello'), ...done()], { task: 'Write hello.txt' })
    const { state, attempts, mergedAs, reason } = await job.ended
    must(state === 'merged' && attempts === 1, `${sayEnding({ state, attempts, mergedAs, reason })} (${attempts})`)
    must((await git('show', 'main:hello.txt')) === 'hello', 'The file on main is another.')
    must((await git('rev-parse', 'main')) === mergedAs, 'main is not what was merged.')
    const runtime = await git('log', '-1', '--format=%(trailers:key=Ov-Runtime,valueonly)', 'main')
    must(runtime === candidate.runtime.id, `The commit names the runtime "${runtime}".`)
    must((await git('status', '--porcelain')) === '', 'The checkout is not clean.')
    return { did: 'merged and landed' }
  },
}

/** What a shell, an argument parser, a line protocol or a prompt of its own would take for more than text. */
const TASK = '/compact "quoted" $(touch pwned) `id` @/etc/hostname !ls 🚀\n--help\n\ttab\n# note \\'

const prompt: Proof = {
  id: 'prompt',
  title: 'a prompt arrives as it was written: no command, no shell word, no @file in it is taken for more than text',
  async run({ sling }) {
    const job = sling(done(NOTHING), { task: TASK })
    const ending = await job.ended
    must(ending.state === 'done', sayEnding(ending))
    const [first] = job.asked()
    const text = (first?.messages ?? []).map((message) => message.text).join('\n')
    must(times(text, TASK) === 1, `The model saw it ${times(text, TASK)} times.`)
    must(
      (first?.messages ?? []).every(({ toolCalls }) => toolCalls.length === 0),
      'A tool was used before the model spoke.',
    )
    return {}
  },
}

/** The scripted service says of every answer that it was so long, in tokens; some count what was thought beside it. */
const OUTPUT_TOKENS = 34
const THOUGHT_TOKENS = 5

const usage: Proof = {
  id: 'usage',
  title: 'its tokens are counted as the service said them, each once, over more than one turn',
  unclaimed: ({ can }) => (can.usage ? null : 'it tells no tokens; they are shown as unknown, never as 0'),
  async run({ sling, llm, candidate, until }) {
    const job = sling([say('I have begun.'), ...done(NOTHING)])
    const ending = await job.ended
    must(ending.state === 'done', sayEnding(ending))
    // Its task is done before its turn is, with whose end the last tokens are told.
    await until('Its end', async () => ((await job.facts()).state === 'done' ? true : null))
    const { usage } = await job.facts()
    const least = job.asked().length * OUTPUT_TOKENS
    const most = llm.requests.filter(({ ask }) => ask !== null).length * (OUTPUT_TOKENS + THOUGHT_TOKENS)
    const counted = usage.output ?? 0
    must(counted >= least && counted <= most, `${usage.output} of ${least} tokens of output.`)
    must((usage.costUsd !== null) === candidate.runtime.can.cost, `Its cost is ${usage.costUsd}.`)
    return { did: `${counted} tokens of output` }
  },
}

export const WORK: readonly Proof[] = [version, work, prompt, usage]
