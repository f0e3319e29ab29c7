import { matchesGlob } from 'node:path'
import { messageOf } from '../../../src/errors.ts'
import { disposeMasters } from '../crash/ground.ts'
import type { Job } from '../crash/job.ts'
import { JOBS } from '../crash/jobs.ts'
import { crashingOv, type Kill, stepsInSources } from '../crash/steps.ts'
import { type Tried, tryJob } from '../crash/try.ts'
import { emptyTally, type OpenTally, type Part, type Run } from '../part.ts'
import { several } from '../several.ts'

/** So many fleets at once: what they do most is wait. */
const AT_ONCE = 4

/** One try: this job, killed there. */
interface Case {
  readonly job: Job
  readonly kill: Kill
  readonly name: string
}

/**
 * Every point at which a flow may be cut off, cut off there: small jobs with a build of `ov` whose process kills itself
 * at a step, its first, second and last time; then `ov up` with the real one.
 */
export default {
  name: 'crash-points',
  what: 'SIGKILL at every named step of every flow, then ov up',
  seconds: 180,
  async run(run) {
    const { problem, note, afterwards } = run
    const variant = await crashingOv()
    afterwards(variant.dispose)
    afterwards(disposeMasters)
    const tally = { ...emptyTally(), acknowledged: 0, delivered: 0, commits: 0, reachable: 0, orphans: 0 }
    const perform = async (job: Job, kill: Kill | null, name: string): Promise<Tried | null> => {
      const home = run.home()
      try {
        const tried = await tryJob(home, job, variant.binary, kill, run.gone)
        for (const what of tried.problems) problem(`${name}: ${what}`, name)
        count(tally, tried, kill)
        return tried
      } catch (error) {
        if (!run.gone.aborted) problem(`${name}: ${messageOf(error)}`, name)
        return null
      } finally {
        await home.dispose()
      }
    }

    const rehearsed = new Map<string, readonly string[]>()
    const reached = new Set<string>()
    const wanted = JOBS.filter((job) => run.only === null || matchesGlob(job.name, run.only.split('/')[0] ?? ''))
    const rehearse = () =>
      several(AT_ONCE, wanted, async (job) => {
        const tried = await perform(job, null, `${job.name}/`)
        if (tried === null) return
        rehearsed.set(job.name, tried.reached)
        for (const step of tried.reached) reached.add(step)
      })
    const steps = stepsInSources()
    const unreached = () => (run.only === null ? steps.filter((step) => !reached.has(step)) : [])
    await rehearse()
    // Some are come by only as processes happen to meet.
    if (unreached().length > 0) await rehearse()
    note(`${reached.size} of ${steps.length} steps are reached by ${JOBS.length} jobs`)
    for (const step of unreached()) problem(`no job reaches ${step}: add one that does`)
    const cases = casesOf(run, steps, rehearsed)
    note(`${cases.length} kills`)
    let leftOut = 0
    await several(AT_ONCE, cases, async ({ job, kill, name }, index) => {
      if (run.gone.aborted) return
      if (run.late()) {
        leftOut++
        return
      }
      const tried = await perform(job, kill, name)
      if (tried !== null && !tried.died) note(`${name} was not reached this time`)
      if (index % 20 === 19) note(`${index + 1} of ${cases.length}`)
    })
    if (leftOut > 0) note(`${leftOut} of ${cases.length} left out: this machine is slow`)
    return { ...tally, load: `${JOBS.length} jobs, ${cases.length - leftOut} of ${cases.length} kills` }
  },
} satisfies Part

/** Each step once, chosen by the seed among first, second and last, in a job that reaches it; all of them in the long form. */
function casesOf(run: Run, steps: readonly string[], rehearsed: ReadonlyMap<string, readonly string[]>): Case[] {
  const all = steps.flatMap((step): Case[][] => {
    const reaching = JOBS.flatMap((job) => {
      const hits = rehearsed.get(job.name)?.filter((name) => name === step).length ?? 0
      return hits === 0 ? [] : [{ job, hits }]
    })
    return reaching.map(({ job, hits }) =>
      [...new Set([1, 2, hits])]
        .filter((hit) => hit <= hits)
        .map((hit) => ({ job, kill: { step, hit }, name: `${job.name}/${step}@${hit}` })),
    )
  })
  if (run.only !== null) return all.flat().filter(({ name }) => matchesGlob(name, run.only ?? ''))
  if (run.long) return run.random.shuffled(all.flat())
  // A job first, so that the longest ones, which reach a step most often, are not most of what is tried.
  const byStep = Map.groupBy(all, ([one]) => one?.kill.step)
  return run.random.shuffled([...byStep.values()].map((jobs) => run.random.pick(run.random.pick(jobs))))
}

function count(tally: OpenTally, tried: Tried, kill: Kill | null): void {
  if (kill !== null && tried.died) {
    tally.faults++
    tally.recovered.push(tried.recoveredMs)
  }
  tally.acknowledged = (tally.acknowledged ?? 0) + tried.acknowledged
  tally.mainGreen = (tally.mainGreen ?? true) && tried.mainGreen
  tally.delivered = (tally.delivered ?? 0) + tried.delivered
  tally.commits = (tally.commits ?? 0) + tried.commits
  tally.reachable = (tally.reachable ?? 0) + tried.reachable
  tally.orphans = (tally.orphans ?? 0) + tried.orphans
}
