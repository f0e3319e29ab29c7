import { sayEnding } from '../job.ts'
import { held, say, shell } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import { must, times } from '../unproved.ts'
import { commit, done } from './work.ts'

/** The proof that it can be driven on its own screen. */

const interactive: Proof = {
  id: 'interactive',
  title:
    'on its own screen it is known to be ready, busy and idle; takes its task and its mail there, and ends its job',
  unclaimed: ({ can }) => (can.interactive ? null : 'it has no screen that ov can drive'),
  async run(stage) {
    const first = held(commit('hello', 'hello.txt', 'Say hello'))
    const job = stage.sling(
      [
        first,
        shell('ov ask "What else?"'),
        say('I wait for an answer.'),
        commit('world', 'hello.txt', 'Greet the world'),
        ...done(),
      ],
      { task: 'Write hello.txt', interactive: true },
    )
    await job.reaches(first)
    const busy = await job.facts()
    must(busy.state === 'working', `With its model at work it is "${busy.state}".`)
    first.release()
    await job.during('Its wait, seen as idle', async () => ((await job.facts()).waitingOn === 'human' ? true : null))
    await stage.ov(['mail', 'send', '--to', job.agent, '--subject', 'More', '--body', 'Greet the world too;'])
    const ending = await job.ended
    must(ending.state === 'merged', sayEnding(ending))
    must((await stage.git('show', 'main:hello.txt')) === 'hello\nworld', 'The second commit is not on main.')
    must(times(job.seen(), 'Greet the world too;') === 1, 'Its mail did not arrive once.')
    return { did: 'typed its mail at its prompt' }
  },
}

export const SCREEN: readonly Proof[] = [interactive]
