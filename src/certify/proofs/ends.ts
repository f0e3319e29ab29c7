import { sayEnding } from '../job.ts'
import { hang, held, say, shell } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import type { Stage } from '../stage.ts'
import { must } from '../unproved.ts'
import { commit, done } from './work.ts'

/** Proofs that an agent can be ended, and that nothing of it is left. */

/** Longest that `ov stop` may take, in ms. */
const STOP_MS = 20_000

/** `ov stop`, and what it took. @throws {Unproved} when something is left */
async function stop(stage: Stage, agent: string, tool: string): Promise<string> {
  const began = performance.now()
  const { ok, output } = await stage.ov(['stop', agent])
  const took = performance.now() - began
  must(ok, `ov stop: ${output.trim()}`)
  must(stage.running().length === 0, 'The CLI still runs.')
  const left = stage.machine.processes().filter(({ argv }) => argv.join(' ').includes(tool))
  must(left.length === 0, `Still there: ${left.map(({ argv }) => argv.join(' ')).join(', ')}`)
  must(took < STOP_MS, `It took ${Math.round(took / 1000)} s.`)
  return `stopped in ${(took / 1000).toFixed(1)} s`
}

const interrupt: Proof = {
  id: 'interrupt',
  title: 'interrupted in the middle of a tool, it stops at once and its commits are kept',
  async run(stage) {
    const job = stage.sling([commit('kept', 'kept.txt', 'Keep me'), shell('sleep 4321'), say('Never said.')])
    await job.during('Its tool', () =>
      stage.machine.processes().some(({ argv }) => argv.join(' ') === 'sleep 4321') ? true : null,
    )
    const did = await stop(stage, job.agent, 'sleep 4321')
    const ending = await job.ended
    must(ending.state === 'stopped', sayEnding(ending))
    const kept = await stage.git('log', '-1', '--format=%s', `refs/heads/ov/run-1/${job.agent}`)
    must(kept === 'Keep me', `The last commit of its branch is "${kept}".`)
    return { did }
  },
}

/** Holds no pipe of the shell that starts it, for which some CLIs would wait. */
const LEFT = 'sleep 4322 >/dev/null 2>&1 </dev/null'

const children: Proof = {
  id: 'children',
  title: 'stopped while its model is silent, it takes along what its shell left behind',
  async run(stage) {
    const job = stage.sling([shell(`${LEFT} & setsid ${LEFT} & echo left`), hang()])
    await job.during('Its second request', () => (job.asked().length === 2 ? true : null))
    return { did: await stop(stage, job.agent, 'sleep 4322') }
  },
}

const crash: Proof = {
  id: 'crash',
  title: 'killed in the middle of a turn, it goes on where it was, and its work is merged',
  async run(stage) {
    const working = held(say('Never said.'))
    const job = stage.sling([commit('kept', 'kept.txt', 'Keep me'), working, ...done()], { task: 'Write kept.txt' })
    await job.reaches(working)
    const pids = stage.running()
    must(pids.length > 0, 'No process of it was found (trial.executables).')
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    const ending = await job.ended
    must(ending.state === 'merged', sayEnding(ending))
    const { cause } = await job.failure()
    must((await stage.git('show', 'main:kept.txt')) === 'kept', 'What it had committed is not on main.')
    must(job.seen().includes('Write kept.txt'), 'It has forgotten its task.')
    must(stage.running().length === 0, 'Another process of it runs.')
    const recovered = (await job.events()).find(({ type }) => type === 'agent.recovered')
    const how = recovered?.data.context === 'digest' ? 'with a digest of the records' : 'with its conversation'
    return { cause, did: `started it again ${how}` }
  },
}

export const ENDS: readonly Proof[] = [interrupt, children, crash]
