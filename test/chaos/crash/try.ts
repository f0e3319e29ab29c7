import { setTimeout as delay } from 'node:timers/promises'
import type { Outcome } from '../../../src/os/process.ts'
import { git, type Home } from '../../rig/sandbox-home.ts'
import { changedBy, doubled, fsck, isGreen, takenDown, unreachable } from '../oracle.ts'
import { Died, type Job, Stage } from './job.ts'
import type { Kill } from './steps.ts'

/** Processes that end by themselves have so long for it, in ms. */
const ENDING_MS = 10_000

/** What came of one try. */
export interface Tried {
  /** Steps that were reached where the kill was to be. */
  readonly reached: readonly string[]
  readonly died: boolean
  readonly problems: readonly string[]
  /** Commands that were acknowledged, and those of them of which the database knows. */
  readonly acknowledged: number
  readonly delivered: number
  readonly commits: number
  readonly reachable: number
  readonly orphans: number
  readonly mainGreen: boolean
  /** From the kill until all was done, in ms. */
  readonly recoveredMs: number
}

/** Does a job with a build of `ov` that dies, brings the fleet back with the one that doesn't, and takes stock. */
export async function tryJob(
  home: Home,
  job: Job,
  crashing: string,
  kill: Kill | null,
  gone: AbortSignal,
): Promise<Tried> {
  const stage = new Stage(home, await job.prepare(home))
  const hand = stage.hand(gone)
  const problems: string[] = []
  /** True when it was cut off. */
  const acts = async () => {
    try {
      await job.act(hand, stage.ground)
      // Runners do their last things after their agents have ended.
      await leftRunning(home, () => stage.died)
      return false
    } catch (error) {
      if (error instanceof Died) return true
      throw error
    }
  }
  try {
    stage.use(crashing, job.before ?? kill)
    await acts()
    if (job.before !== undefined) {
      if (!stage.died) problems.push(`${job.before.step} was not reached, so nothing was there to be brought back`)
      stage.use(crashing, kill)
      await stage.ov('up')
      if (!stage.died) await acts()
    }
    const { died } = stage
    const reached = stage.reached()
    const diedAt = performance.now()

    stage.use(undefined, null)
    if (kill !== null) {
      const up = await stage.ov('up', '--json')
      if (!up.ok) problems.push(`ov up ended with ${up.code}: ${up.output}`)
      await acts()
    }
    const recoveredMs = performance.now() - diedAt
    const orphans = await leftRunning(home)
    problems.push(...orphans.map((one) => `it still runs: ${one}`))
    problems.push(...(await unsettled(stage)))
    problems.push(...(await fsck(home, stage.ground.repo)))
    problems.push(...changesOf(await stage.ov('up', '--json')))
    const commits = takenDown<{ sha: string }>(stage.ground.ledger ?? stage.ledger).map(({ sha }) => sha)
    const lost = unreachable(home, stage.ground.repo, commits)
    problems.push(...lost.map((sha) => `no ref reaches the commit ${sha} any more`))
    problems.push(...standOf(home, stage))
    const forgotten = await unknownCommands(stage)
    problems.push(...forgotten.map((command) => `acknowledged, and not there: ov ${command}`))
    return {
      reached,
      died,
      problems,
      acknowledged: stage.acknowledged().length,
      delivered: stage.acknowledged().length - forgotten.length,
      commits: commits.length,
      reachable: commits.length - lost.length,
      orphans: orphans.length,
      mainGreen: isGreen(home, stage.ground.repo, 'main'),
      recoveredMs,
    }
  } finally {
    await stage.close()
  }
}

/** What of a fleet still runs that should have come to its end. The tmux server goes with its last session. */
async function leftRunning(home: Home, orElse: () => boolean = () => false): Promise<string[]> {
  const deadline = performance.now() + ENDING_MS
  for (;;) {
    const left = home.processes()
    if (left.length === 0 || orElse()) return []
    if (performance.now() > deadline) return left.map(({ pid, argv }) => `${pid} ${argv.join(' ').slice(0, 200)}`)
    await delay(50)
  }
}

/**
 * Agents that have not ended, or badly: a command that was cut off is not run again, nor told to mend what it claimed and a
 * gate refused; all else has to come to its good end.
 */
async function unsettled(stage: Stage): Promise<string[]> {
  const rows = await stage.db
    .selectFrom('agents')
    .innerJoin('tasks', 'tasks.id', 'agents.task_id')
    .select([
      'agents.name',
      'agents.runtime',
      'agents.state',
      'agents.reason',
      'tasks.state as task',
      'tasks.reason as why',
    ])
    .execute()
  const problems = doubled(rows.map(({ name }) => name)).map((name) => `there are two of ${name}`)
  for (const { name, runtime, state, reason, task, why } of rows) {
    const isRefused = state === 'done' && task === 'failed' && /its author has ended/.test(why ?? '')
    const isCutOff = runtime === 'shell' && (isRefused || (state === 'failed' && /runner died/.test(reason ?? '')))
    const other = stage.ground.ends?.[name]
    const isGood = other === undefined ? state === 'done' && task === 'merged' : state === other
    if (!isGood && !isCutOff) problems.push(`${name} is ${state}, its task ${task}: ${reason ?? why}`)
  }
  return problems
}

/** Acknowledged commands that have left no trace: an agent of that name, a mail of that subject. */
async function unknownCommands(stage: Stage): Promise<string[]> {
  const agents = await stage.db.selectFrom('agents').select('name').execute()
  const mails = await stage.db.selectFrom('mail').select('subject').execute()
  const known = new Set([...agents.map(({ name }) => name), ...mails.map(({ subject }) => subject)])
  return stage.acknowledged().filter((command) => {
    const named = /--(?:name|subject) (\S+)/.exec(command)?.[1]
    return named !== undefined && !known.has(named)
  })
}

/** What a second `ov up` did, which should have had nothing to do. */
function changesOf(second: Outcome): string[] {
  if (!second.ok) return [`the second ov up ended with ${second.code}: ${second.output}`]
  return changedBy(JSON.parse(second.stdout)).map((what) => `the second ov up: ${what}`)
}

/** The repository, and what agents were told, as they stand in the end. */
function standOf(home: Home, { ground }: Stage): string[] {
  const { repo, heard, told, dirty = '' } = ground
  const problems: string[] = []
  const found = git(home, repo, 'fsck', '--connectivity-only', '--no-dangling')
  if (found !== '') problems.push(`git fsck: ${found}`)
  if (!isGreen(home, repo, 'main')) problems.push('main is red')
  const status = git(home, repo, 'status', '--porcelain')
  if (status !== dirty.trim()) problems.push(`the checkout is not as its person left it: ${status}`)
  if (told !== undefined) {
    const ids = new Map(told().map(({ id, text }) => [text, id]))
    if (ids.size === 0) problems.push('the person was told nothing')
    for (const { id, text } of told())
      if (ids.get(text) !== id) problems.push(`the person was told twice, as two things: ${text}`)
  }
  if (heard !== undefined) {
    const marks = heard().flatMap((prompt) => [...prompt.matchAll(/ov-mail id=([0-9a-f-]{36})/g)].map(([mark]) => mark))
    for (const mark of doubled(marks)) problems.push(`a mail was heard twice: ${mark}`)
  }
  return problems
}
