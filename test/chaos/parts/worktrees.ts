import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isOpen, openAgents } from '../../../src/agents/store.ts'
import { allProcesses } from '../../../src/os/process.ts'
import { runnersIn } from '../../../src/os/tree.ts'
import { inProject } from '../../rig/project.ts'
import { git, type Home, OV, readyRepo } from '../../rig/sandbox-home.ts'
import { slingShell } from '../../rig/shell-sling.ts'
import { agentProcesses, fsck, isGreen, missing, takenDown, takingDown, unreachable } from '../oracle.ts'
import { emptyTally, type Part, type Run } from '../part.ts'

/** Kills while worktrees are prepared and removed, and while `ov clean` removes. */
const KILLS = { runners: 40, cleaning: 10 }
/** So many are slung at once. */
const AT_ONCE = 16
/** Files in the repository, so that a checkout takes its time. */
const FILES = 400
/** A round is to come to its end so long after its last kill, in ms. */
const SETTLING_MS = 60_000

/** What an agent took down: a commit it made, or a file that it left uncommitted. */
type Fact = { readonly name: string; readonly sha: string } | { readonly name: string; readonly dirty: string }

/**
 * Runners are killed while they prepare a worktree and while they take it away, `ov clean` while it removes. Agents take
 * down the commits they made and what they left uncommitted: both must be there to the end.
 */
export default {
  name: 'worktrees',
  what: 'kill -9 while worktrees are prepared, recycled and removed, sixteen slings at a time',
  seconds: 60,
  async run(run) {
    const { home, gone, long, late, note, problem, random } = run
    const machine = home()
    const config = `agents: { maxConcurrent: ${AT_ONCE}, maxSessionsPerRun: 1000 }\nworktrees: { pool: 4, setup: ['sleep 0.1'] }\nload: { enabled: false }\n`
    const repo = await readyRepo(machine, config)
    fill(machine, repo)
    const beginning = git(machine, repo, 'rev-parse', 'main')
    const file = join(machine.path, 'facts')
    const tally = emptyTally()

    for (let number = 0; tally.faults < KILLS.runners && !gone.aborted && (long || !late()); number++) {
      const slung = Promise.all(
        Array.from({ length: AT_ONCE }, async (_, at) => {
          const name = `agent-${number}-${at}`
          const outcome = await machine.ov(repo, slingShell(name, commandOf(name, at, file)))
          if (outcome.code !== 0) problem(`${name} could not be slung: ${outcome.output.slice(0, 300)}`)
        }),
      )
      let over = false
      const round = slung
        .then(() => settle(machine, repo, run))
        .finally(() => {
          over = true
        })
      while (!over && tally.faults < Math.min(KILLS.runners, (number + 1) * 14)) {
        await delay(random.between(20, 200))
        const victim = await tidier(machine, repo, run)
        if (victim !== null && killed(victim)) tally.faults += 1
      }
      await round
      note(`round ${number + 1}: ${tally.faults} kills`)
      check(machine, repo, file, problem)
    }

    for (let kill = 0; kill < KILLS.cleaning && !gone.aborted; kill++) {
      const clean = spawn(process.execPath, [OV, 'clean', '--yes', '--log-days', '0'], {
        cwd: repo,
        env: { ...machine.env },
        stdio: 'ignore',
      })
      const timer = setTimeout(() => clean.kill('SIGKILL'), random.between(60, 700))
      if ((await once(clean, 'exit'))[1] !== null) tally.faults += 1
      clearTimeout(timer)
    }
    const before = performance.now()
    await machine.ov(repo, ['up'])
    tally.recovered.push(performance.now() - before)
    const cleaned = await machine.ov(repo, ['clean', '--yes', '--log-days', '0'])
    if (cleaned.code !== 0) problem(`ov clean: ${cleaned.output.slice(0, 300)}`)
    check(machine, repo, file, problem)
    for (const broken of await fsck(machine, repo)) problem(broken)

    const commits = shasIn(file)
    await expectWorkMerged(machine, repo, beginning, problem)
    tally.orphans = await agentProcesses(machine)
    if (tally.orphans > 0) problem(`${tally.orphans} processes of agents that have ended live on`)
    return {
      ...tally,
      load: `${AT_ONCE} slings at a time`,
      commits: commits.length,
      reachable: commits.length - unreachable(machine, repo, commits).length,
      mainGreen: isGreen(machine, repo, 'main'),
    }
  },
} satisfies Part

/** Files enough that a worktree isn't there in an instant. */
function fill(machine: Home, repo: string): void {
  for (let number = 0; number < FILES; number++) {
    const folder = join(repo, 'src', `${number % 20}`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `${number}.txt`), `${number}\n`.repeat(200))
  }
  git(machine, repo, 'add', '--all')
  git(machine, repo, 'commit', '--quiet', '--message', 'Many files')
}

/** Some commit their work, some leave work uncommitted and fail, some do nothing. */
function commandOf(name: string, at: number, file: string): string {
  const commit = `echo ${name} > ${name}.txt; git add -A; git commit -qm ${name}; sha=$(git rev-parse HEAD); ${takingDown(file, `{"name":"${name}","sha":"$sha"}`)}`
  switch (at % 4) {
    case 0:
      return 'true'
    case 1:
      return `echo ${name} > dirty.txt; path=$PWD/dirty.txt; ${takingDown(file, `{"name":"${name}","dirty":"$path"}`)}; exit 1`
    default:
      return commit
  }
}

/** A runner that prepares a worktree, or takes one away, if there is one, else any; null when none is at work. */
async function tidier(machine: Home, repo: string, { random }: Run): Promise<number | null> {
  const agents = await inProject(machine, repo, async ({ db }) =>
    db.selectFrom('agents').select(['id', 'state']).execute(),
  )
  const states = new Map(agents.map((agent) => [agent.id, agent.state]))
  const runners = runnersIn(allProcesses()).filter(({ agentId }) => states.has(agentId))
  const busy = runners.filter(({ agentId }) => {
    const state = states.get(agentId)
    return state === 'starting' || state === 'queued' || (state !== undefined && !isOpen({ state }))
  })
  if (runners.length === 0) return null
  return random.pick(busy.length > 0 && random.chance(0.8) ? busy : runners).pid
}

function killed(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    // It has ended in this moment.
    return false
  }
}

/** Brings back what was killed, until all have come to their end. */
async function settle(machine: Home, repo: string, { problem, gone }: Run): Promise<void> {
  const from = performance.now()
  const left = () => inProject(machine, repo, async ({ db }) => (await openAgents(db)).map(({ name }) => name))
  while ((await left()).length > 0 && !gone.aborted) {
    if (performance.now() - from > SETTLING_MS) return problem(`never came to their end: ${(await left()).join(' ')}`)
    const { code, output } = await machine.ov(repo, ['up'])
    if (code !== 0) problem(`ov up: ${output.slice(0, 300)}`)
    await delay(200)
  }
}

function shasIn(file: string): string[] {
  return takenDown<Fact>(file).flatMap((fact) => ('sha' in fact ? [fact.sha] : []))
}

/** What was left uncommitted lies where it lay, and every commit is reachable. */
function check(machine: Home, repo: string, file: string, problem: Run['problem']): void {
  for (const fact of takenDown<Fact>(file))
    if ('dirty' in fact && (!existsSync(fact.dirty) || readFileSync(fact.dirty, 'utf8') !== `${fact.name}\n`))
      problem(`${fact.name} had left ${fact.dirty} uncommitted, and it is gone`)
  const lost = unreachable(machine, repo, shasIn(file))
  if (lost.length > 0) problem(`${lost.length} commits are reachable by no ref: ${lost.join(' ')}`)
}

/** The work of every agent that is done is on main. */
async function expectWorkMerged(
  machine: Home,
  repo: string,
  beginning: string,
  problem: Run['problem'],
): Promise<void> {
  const done = await inProject(machine, repo, async ({ db }) =>
    db.selectFrom('tasks').select('title').where('state', '=', 'merged').execute(),
  )
  const added = git(machine, repo, 'diff', '--name-only', `${beginning}..main`).split('\n')
  const lost = missing(
    done.map(({ title }) => title.replace(/^Task of /, '')),
    added.map((path) => path.replace(/\.txt$/, '')),
  )
  if (lost.length > 0) problem(`recorded as merged and not on main: ${lost.join(' ')}`)
}
