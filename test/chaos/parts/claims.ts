import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findAgent, openAgents, setAgentState, takeOver, updateAgent } from '../../../src/agents/store.ts'
import { write } from '../../../src/db/open.ts'
import { messageOf, OvError } from '../../../src/errors.ts'
import { liveness, ownIdentity } from '../../../src/os/process.ts'
import { runnersOf } from '../../../src/os/tree.ts'
import type { Project } from '../../../src/project.ts'
import { inProject } from '../../rig/project.ts'
import { type Home, OV, readyRepo } from '../../rig/sandbox-home.ts'
import { slingShell } from '../../rig/shell-sling.ts'
import { agentProcesses, doubled, fsck, missing, takenDown, takingDown } from '../oracle.ts'
import { emptyTally, type Part, type Run } from '../part.ts'
import { queueTasks } from '../queued.ts'

const TASKS = 300
const CLAIMERS = 8
/** Agents at work at a time. */
const PLACES = 24
/** How often the same task is slung by several at once. */
const TWINS = 6
/** How many agents are taken over while their runner is asleep. */
const SLEEPERS = 3
/** When the last task is claimed, what runs is to end within this, in ms. */
const SETTLING_MS = 60_000

/**
 * Many processes start what waits in one queue, and some of them are killed at it. Each command takes down that it was
 * run: none may be run twice, and none forgotten.
 */
export default {
  name: 'claims',
  what: 'eight processes claim one queue and are killed at it; twin slings; owners that wake up too late',
  seconds: 70,
  async run(run) {
    const { long, gone, late, home, note, problem, random } = run
    const machine = home()
    const config = `agents: { maxConcurrent: ${PLACES}, maxSessionsPerRun: 10000 }\nload: { enabled: false }\n`
    const repo = await readyRepo(machine, config)
    const ran = join(machine.path, 'ran')
    const names = Array.from({ length: TASKS }, (_, at) => `task-${at}`)
    await inProject(machine, repo, (project) =>
      queueTasks(
        project,
        names.map((name) => ({ name, command: takingDown(ran, `{"name":"${name}"}`) })),
      ),
    )

    const tally = emptyTally()
    const queued = () =>
      inProject(
        machine,
        repo,
        async ({ db }) => (await openAgents(db)).filter(({ state }) => state === 'queued').length,
      )
    let left = await queued()
    const isOver = () => left === 0 || gone.aborted || (!long && late())
    const claim = async () => {
      while (!isOver()) {
        const claimer = spawn(process.execPath, [OV, 'tend', 'fleet', '{"fence":0,"nudges":[],"troubles":[]}'], {
          cwd: repo,
          env: { ...machine.env },
          stdio: 'ignore',
        })
        if (random.chance(0.2)) {
          const timer = setTimeout(() => claimer.kill('SIGKILL'), random.between(50, 600))
          if ((await once(claimer, 'exit'))[1] !== null) tally.faults += 1
          clearTimeout(timer)
        } else await once(claimer, 'exit')
      }
    }
    const watch = async () => {
      while (!isOver()) {
        await delay(1_000)
        left = await queued()
      }
    }
    await Promise.all([...Array.from({ length: CLAIMERS }, claim), watch()])
    note(`${TASKS - left} of ${TASKS} tasks claimed`)
    const before = performance.now()
    if (left > 0) await stopQueued(machine, repo, problem)
    const open = () => inProject(machine, repo, async ({ db }) => (await openAgents(db)).length)
    while ((await open()) > 0 && performance.now() - before < SETTLING_MS && !gone.aborted) {
      // Whoever was killed may have left somebody in the middle of a start.
      await machine.ov(repo, ['tend', 'fleet', '{"fence":0,"nudges":[],"troubles":[]}'])
      await delay(200)
    }
    tally.recovered.push(performance.now() - before)

    const did = takenDown<{ name: string }>(ran).map(({ name }) => name)
    const twice = doubled(did)
    if (twice.length > 0) problem(`${twice.length} tasks were done twice: ${twice.slice(0, 10).join(' ')}`)
    const states = await inProject(machine, repo, async ({ db }) =>
      db.selectFrom('agents').select(['name', 'state', 'reason']).execute(),
    )
    const done = states.filter(({ state }) => state === 'done').map(({ name }) => name)
    const claimed = states.filter(({ state }) => state !== 'stopped')
    const forgotten = missing(done, did)
    if (forgotten.length > 0)
      problem(`${forgotten.length} tasks are recorded as done and were not run: ${forgotten.join(' ')}`)
    for (const { name, state, reason } of claimed.filter(({ state }) => state !== 'done'))
      problem(`${name} is ${state}: ${reason}`)
    tally.acknowledged = claimed.length
    tally.delivered = new Set(did).size

    tally.faults += await twinSlings(machine, repo, run)
    tally.faults += await staleOwners(machine, repo, run)
    await machine.ov(repo, ['stop', '--all'])
    for (const broken of await fsck(machine, repo)) problem(broken)
    tally.orphans = await agentProcesses(machine)
    if (tally.orphans > 0) problem(`${tally.orphans} processes of agents that have ended live on`)
    return { ...tally, load: `${TASKS - left} tasks, ${CLAIMERS} claimers, ${PLACES} places` }
  },
} satisfies Part

/** What nobody has claimed by now is taken from the queue. */
async function stopQueued(machine: Home, repo: string, problem: Run['problem']): Promise<void> {
  const waiting = await inProject(machine, repo, async ({ db }) =>
    (await openAgents(db)).filter(({ state }) => state === 'queued').map(({ name }) => name),
  )
  // Those that are claimed in this moment are stopped as well.
  const outcome = await machine.ov(repo, ['stop', ...waiting])
  if (outcome.code !== 0) problem(`what waited could not be stopped: ${outcome.output}`)
}

/** Several sling the same task at once: one of them gets an agent, the others are told whose it is. */
async function twinSlings(machine: Home, repo: string, { problem }: Run): Promise<number> {
  for (let round = 0; round < TWINS; round++) {
    const sling = () =>
      machine.ov(repo, ['sling', '--runtime', 'shell', '--task', `Twin ${round}`, '--command', 'sleep 600', '--json'])
    const outcomes = await Promise.all(Array.from({ length: CLAIMERS }, sling))
    const won = outcomes.filter(({ code }) => code === 0).length
    if (won !== 1) problem(`of ${CLAIMERS} who slung the same task at once, ${won} got an agent`)
    const others = outcomes.filter(({ code }) => code !== 0)
    for (const { stdout } of others)
      if (!stdout.includes('sling.twice')) problem(`a twin was refused for another reason: ${stdout.slice(0, 300)}`)
    const agents = await inProject(machine, repo, async ({ db }) => openAgents(db))
    if (agents.length !== 1) problem(`${agents.length} agents are at work on one task`)
    await machine.ov(repo, ['stop', '--all'])
  }
  return TWINS * (CLAIMERS - 1)
}

/** A runner sleeps while another owner takes its agent over. Awake again it may write nothing, and ends. */
async function staleOwners(machine: Home, repo: string, { problem }: Run): Promise<number> {
  for (let round = 0; round < SLEEPERS; round++) {
    const name = `sleeper-${round}`
    const go = join(machine.path, `${name}.go`)
    await machine.ov(
      repo,
      slingShell(name, `until [ -e '${go}' ]; do sleep 0.1; done; echo x > x; git add x; git commit -qm x`),
    )
    await inProject(machine, repo, async (project) => {
      const isWorking = async () => (await findAgent(project.db, name))?.state === 'working'
      for (let tries = 0; tries < 1_200 && !(await isWorking()); tries++) await delay(50)
      const agent = await findAgent(project.db, name)
      const [runner] = runnersOf(agent?.id ?? '')
      if (agent === undefined || runner === undefined) return problem(`${name} never came up`)
      process.kill(runner.pid, 'SIGSTOP')
      const now = project.clock.now()
      const mine = await write(project.db, (tx) => takeOver(tx, agent, ['working'], ownIdentity(), 'working', now))
      if (mine === null) return problem(`${name} could not be taken over`)
      await refused(project, { id: agent.id, fence: agent.fence }, problem)
      // Its command ends while it sleeps: that is what it would record.
      writeFileSync(go, '')
      process.kill(runner.pid, 'SIGCONT')
      for (let tries = 0; tries < 600 && liveness(runner) !== 'gone'; tries++) await delay(50)
      if (liveness(runner) !== 'gone') problem(`the runner of ${name}, which is another's by now, lives on`)
      const after = await findAgent(project.db, name)
      if (after?.fence !== mine.fence || after.state !== 'working' || after.owner_pid !== process.pid)
        problem(`the runner of ${name} wrote to it although it was another's: ${after?.state}, fence ${after?.fence}`)
    })
    await machine.ov(repo, ['stop', name])
  }
  return SLEEPERS
}

/** Every write with a stale fence is refused. */
async function refused(project: Project, stale: { id: string; fence: number }, problem: Run['problem']): Promise<void> {
  const now = project.clock.now()
  const writes = {
    facts: () => updateAgent(project.db, stale, { session: 'stale' }),
    state: () => setAgentState(project.db, stale, { name: 'done' }, now),
    owner: async () => {
      const taken = await takeOver(project.db, stale, ['working'], ownIdentity(), 'working', now)
      if (taken === null) throw new OvError('busy', 'agent.fenced', 'refused')
    },
  }
  for (const [what, attempt] of Object.entries(writes))
    try {
      await attempt()
      problem(`a stale owner could write the agent's ${what}`)
    } catch (error) {
      if (!(error instanceof OvError) || error.code !== 'agent.fenced') problem(`${what}: ${messageOf(error)}`)
    }
}
