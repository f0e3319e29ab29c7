import type { FailureCause } from '../../contract/runtime.ts'
import { sayEnding } from '../job.ts'
import { always, before, drop, hang, refuse, type Step } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import type { Job, Stage } from '../stage.ts'
import { must } from '../unproved.ts'
import { commit, done } from './work.ts'

/** Proofs that each failure of the service is told with its one cause, in time, and that `ov` does what fits. */

/** Longest that a CLI may try again by itself before it says so, in ms. */
const BOUND_MS = 90_000

/** Sees a failure with its cause, told in time. */
async function failsBy(job: Job, causes: readonly FailureCause[]): Promise<{ cause: FailureCause; tookMs: number }> {
  const { cause, message, afterMs } = await job.failure()
  must(causes.includes(cause), `Its cause is "${cause}": ${message.split('\n')[0]}`)
  must(afterMs < BOUND_MS, `It was told only after ${Math.round(afterMs / 1000)} s.`)
  return { cause, tookMs: afterMs }
}

/** The agent waits until the service may be asked again. @returns what `ov` did */
async function parked(stage: Stage, job: Job): Promise<string> {
  const { waitingOn, waitingUntil } = await job.facts()
  must(waitingOn === 'rate_limit' && waitingUntil !== null, `It waits on ${waitingOn ?? 'nothing'}.`)
  const seconds = Math.round((waitingUntil - Date.now()) / 1000)
  must(seconds > 0, 'It tries again at once.')
  await stage.ov(['stop', job.agent])
  return 'parks it a minute, then tries again'
}

/** A trouble that passes: the agent is parked. */
function passing(id: string, title: string, causes: readonly FailureCause[], step: Step): Proof {
  return {
    id,
    title,
    async run(stage) {
      const job = stage.sling([always(step)])
      const told = await failsBy(job, causes)
      return { ...told, did: await parked(stage, job) }
    },
  }
}

const auth: Proof = {
  id: 'auth',
  title: 'a key that is refused (401) fails the task, with what to do',
  async run({ sling, candidate }) {
    const { login, trial } = candidate.runtime
    const job = sling([always(refuse(401, { message: 'invalid x-api-key' }))])
    const told = await failsBy(job, ['auth'])
    const ending = await job.ended
    must(ending.state === 'failed', sayEnding(ending))
    const said = ending.reason ?? ''
    must(new RegExp(trial.refused).test(said), `Its words are others: ${said}`)
    must(said.includes(login.hint), `It does not say how to log in: ${said}`)
    return { ...told, did: 'fails the task, says how to log in' }
  },
}

/** Later than any CLI takes to ask for the first time, in seconds. */
const RESET_S = 15

const limit: Proof = {
  id: 'limit',
  title: 'a limit (429) that names its end parks it until then, and it goes on where it stopped',
  unclaimed: ({ trial }) => (trial.limit(0) === null ? 'its service names no time' : null),
  stage: { as: 'subscription' },
  async run({ sling, candidate }) {
    const resetAt = Math.ceil(Date.now() / 1000) + RESET_S
    const refusal = candidate.runtime.trial.limit(resetAt)
    must(refusal !== null, 'There is no such refusal.')
    const task = 'Write later.txt'
    const job = sling(
      [before(resetAt * 1000, refuse(refusal.status, refusal)), commit('later', 'later.txt', 'Later'), ...done()],
      { task },
    )
    const ending = await job.ended
    must(ending.state === 'merged' && ending.attempts === 1, sayEnding(ending))
    must(Date.now() >= resetAt * 1000, 'It went on before that time.')
    must(job.seen().includes(task), 'It has forgotten its task.')
    const told = (await job.events()).find(({ type }) => type === 'runtime.failed')
    if (told === undefined) return { did: 'nothing: the CLI itself waited until then' }
    must(told.data.cause === 'rate_limit', `Its cause is "${told.data.cause}".`)
    return { cause: 'rate_limit', did: 'parks it until the time named' }
  },
}

const network: Proof = {
  id: 'network',
  title: 'a service that cannot be reached is told as such, and parks it',
  async run(stage) {
    await stage.llm.close()
    const job = stage.sling([])
    const told = await failsBy(job, ['network'])
    return { ...told, did: await parked(stage, job) }
  },
}

/** So long nothing is to be seen of an agent before it is nudged, in seconds. */
const SILENCE_S = 5

const silence: Proof = {
  id: 'hang',
  title: 'a model that never answers is noticed as silence; nudged, and stopped without a rest',
  stage: {
    config: { watchdog: { tier0: { interval: '1s', nudgeAfter: `${SILENCE_S}s` }, tier1: { enabled: false } } },
  },
  async run(stage) {
    const job = stage.sling([always(hang())])
    await job.during('Its first request', () => (job.asked().length > 0 ? true : null))
    await stage.ov(['watch', '--background'])
    await job.during('A nudge', async () =>
      (await job.events()).some(({ type }) => type === 'agent.nudged' || type === 'runtime.failed') ? true : null,
    )
    const told = (await job.events()).find(({ type }) => type === 'runtime.failed')
    const { ok, output } = await stage.ov(['stop', job.agent])
    must(ok, `ov stop: ${output.trim()}`)
    must(stage.running().length === 0, 'The CLI still runs.')
    if (told !== undefined) return { cause: told.data.cause as FailureCause, did: 'the CLI itself gave up' }
    return { did: `nudges it after ${SILENCE_S} s (watchdog.tier0.nudgeAfter)` }
  },
}

export const FAILURES: readonly Proof[] = [
  auth,
  limit,
  passing('rate', 'a limit (429) that names no end parks it', ['rate_limit'], refuse(429)),
  passing('overloaded', 'an overloaded service (500) parks it', ['overloaded'], refuse(500)),
  passing('dropped', 'an answer that is cut off parks it', ['network', 'overloaded'], drop()),
  network,
  silence,
]
