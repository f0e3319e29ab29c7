import * as z from 'zod'
import { sayEnding, wholeOf } from '../job.ts'
import { held, say, shell } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import type { Job, Stage } from '../stage.ts'
import { must, times } from '../unproved.ts'
import { commit, done, NOTHING } from './work.ts'

/** Proofs that an agent can be spoken to: mail, and a conversation that outlives its process. */

const mailSchema = z.object({ mail: z.array(z.object({ id: z.string(), type: z.string(), subject: z.string() })) })

/** The human's mail that has not been read yet. */
async function newMail({ json }: Stage): Promise<z.infer<typeof mailSchema>['mail']> {
  return mailSchema.parse(await json('mail', 'check')).mail
}

/** Waits for the agent's question, and gives its id. */
function question(stage: Stage, job: Job): Promise<string> {
  return job.during('A question of its own', async () => {
    const asked = (await newMail(stage)).find(({ type }) => type === 'question')
    return asked?.id ?? null
  })
}

const byItself = ({ can }: { can: { reports: string } }) =>
  can.reports === 'mail' ? null : 'it runs no commands, so it writes no mail; ov reports for it'

const mail: Proof = {
  id: 'mail',
  title: 'mail comes out of it, and goes in when its turn ends, once',
  unclaimed: byItself,
  async run(stage) {
    const working = held(say('The first part is committed.'))
    const job = stage.sling([
      commit('hello', 'hello.txt', 'Say hello'),
      shell('ov mail send --to human --subject "Greeting is in" --body "Anything else?"'),
      working,
      commit('world', 'hello.txt', 'Greet the world'),
      ...done(),
    ])
    await job.reaches(working)
    must(
      (await newMail(stage)).some(({ subject }) => subject === 'Greeting is in'),
      'Its mail did not arrive.',
    )
    await stage.ov(['mail', 'send', '--to', job.agent, '--subject', 'One more thing', '--body', 'Greet the world too.'])
    working.release()
    const ending = await job.ended
    must(ending.state === 'merged', sayEnding(ending))
    must(times(job.seen(), 'Greet the world too.') === 1, `It saw ${times(job.seen(), 'Greet the world too.')} of 1.`)
    must((await stage.git('show', 'main:hello.txt')) === 'hello\nworld', 'The second commit is not on main.')
    return { did: 'handed over at the next turn' }
  },
}

const steer: Proof = {
  id: 'steer',
  title: 'urgent mail enters its running turn, after the current tool, once',
  unclaimed: ({ can }) =>
    can.steer || can.inject ? null : 'it takes prompts between turns only; urgent mail waits for the next',
  async run(stage) {
    const busy = held(shell('sleep 1; echo one > one.txt'))
    const job = stage.sling([busy, shell('git add one.txt && git commit -q -m One && echo committed'), ...done()])
    await job.reaches(busy)
    const words = ['--subject', 'Stop press', '--priority', 'urgent', '--body', 'Mind this.']
    await stage.ov(['mail', 'send', '--to', job.agent, ...words])
    busy.release()
    const ending = await job.ended
    must(ending.state === 'merged', sayEnding(ending))
    const [, , beforeDone] = job.asked()
    must(wholeOf(beforeDone).includes('Mind this.'), 'It came only when the agent had said that it is done.')
    must(times(job.seen(), 'Mind this.') === 1, `It saw ${times(job.seen(), 'Mind this.')} of 1.`)
    return { did: 'handed over in the running turn' }
  },
}

const resume: Proof = {
  id: 'resume',
  title: 'killed between turns, it goes on with its whole conversation when its answer comes',
  unclaimed: ({ can }) =>
    can.resume ? byItself({ can }) : 'its conversation ends with its process; it is given a digest of the records',
  async run(stage) {
    const job = stage.sling([shell('ov ask "Tabs or spaces?"'), say('I wait for the answer.'), ...done(NOTHING)], {
      task: 'Indent it',
    })
    const asked = await question(stage, job)
    await job.during('Its wait', async () => ((await job.facts()).waitingOn === 'human' ? true : null))
    const pids = stage.running()
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await stage.until('The end of its process', () => (stage.running().length === 0 ? true : null))
    await stage.ov(['mail', 'reply', asked, '--body', 'Spaces, please.'])
    const ending = await job.ended
    must(ending.state === 'done', sayEnding(ending))
    for (const text of ['Indent it', 'I wait for the answer.'])
      must(job.seen().includes(text), `It has forgotten "${text}".`)
    must(times(job.seen(), 'Spaces, please.') === 1, `It saw ${times(job.seen(), 'Spaces, please.')} of 1.`)
    return { did: pids.length > 0 ? 'started it again with its session' : 'a process a turn, with its session' }
  },
}

export const MAIL: readonly Proof[] = [mail, steer, resume]
