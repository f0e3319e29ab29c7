import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type Agent, openAgents } from '../../../src/agents/store.ts'
import { allProcesses, argumentsOf, identify, liveness, type ProcessIdentity } from '../../../src/os/process.ts'
import { AGENT_MARKER, runnersOf } from '../../../src/os/tree.ts'
import { inProject } from '../../rig/project.ts'
import { type Home, readyRepo } from '../../rig/sandbox-home.ts'
import { slingShell } from '../../rig/shell-sling.ts'
import { fsck } from '../oracle.ts'
import { emptyTally, type OpenTally, type Part, type Run } from '../part.ts'

/** Nothing of an agent may be left so long after it was stopped, in ms. */
const PROMISED_MS = 10_000
/** So long its processes may take to come up, in ms. */
const STARTING_MS = 60_000

/**
 * What an agent leaves running, in ways that hide it: `T` stands for seconds that only its own `sleep` sleeps, by which it
 * is found again. With each, how many of those there are at least.
 */
const SHAPES: Readonly<Record<string, readonly [script: string, sleepers: number]>> = {
  plain: ['sleep T & sleep T &', 2],
  daemon: ["(setsid sh -c 'sleep T & sleep T' </dev/null >/dev/null 2>&1 &);", 2],
  cleared: ["(nohup env -i /bin/sh -c '/bin/sleep T & exec /bin/sleep T' >/dev/null 2>&1 &);", 2],
  stopped: ['sleep T & kill -STOP $!;', 1],
  stubborn: [`sh -c 'trap "" TERM; while :; do sleep T & sleep 0.5; done' &`, 2],
}

/** An agent of a round, and how it is known. */
interface Case {
  readonly name: string
  readonly shape: string
  readonly token: string
  /** Its command ends once this file is there. */
  readonly go: string
  readonly wanted: number
}

/** A repository with agents that are held together by the machine (`contain`), or by nothing but what marks them. */
interface Yard {
  readonly repo: string
  readonly contain: boolean
  readonly cases: readonly Case[]
}

/** Every way in which an agent's processes are to end. */
const PATHS: Readonly<Record<string, (machine: Home, yard: Yard, run: Run) => Promise<void>>> = {
  stop: async (machine, { repo, cases }, { problem }) => {
    const { code, output } = await machine.ov(repo, ['stop', ...cases.map(({ name }) => name)])
    if (code !== 0) problem(`ov stop ended with ${code}: ${output.slice(0, 500)}`)
  },
  'stop-all': async (machine, { repo }, { problem }) => {
    const { code, output } = await machine.ov(repo, ['stop', '--all'])
    if (code !== 0) problem(`ov stop --all ended with ${code}: ${output.slice(0, 500)}`)
  },
  end: async (machine, yard, { problem }) => {
    for (const { go } of yard.cases) writeFileSync(go, '')
    await ended(machine, yard, problem)
  },
  clean: async (machine, yard, { problem }) => {
    for (const { go } of yard.cases) writeFileSync(go, '')
    await ended(machine, yard, problem)
    const { code, output } = await machine.ov(yard.repo, ['clean', '--yes', '--log-days', '0'])
    if (code !== 0) problem(`ov clean ended with ${code}: ${output.slice(0, 500)}`)
  },
  'runner-killed': async (machine, yard, run) => {
    for (const { id } of await agentsOf(machine, yard))
      for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
    await up(machine, yard, run)
  },
  'tmux-killed': async (machine, yard, run) => {
    for (const { pid } of serversOf(machine)) process.kill(pid, 'SIGKILL')
    // Who needs no screen works on. What needs one is brought back.
    await up(machine, yard, run)
    await machine.ov(yard.repo, ['stop', '--all'])
  },
}

/**
 * Process trees that hide, times every way in which an agent ends. Beside them bystanders: the same program, the same
 * folder, nearly the same marker, the neighbouring pid, an agent whose name begins alike. They must live.
 */
export default {
  name: 'trees',
  what: `${Object.keys(SHAPES).length} shapes of process trees times ${Object.keys(PATHS).length} ways to end, contained and not, beside bystanders`,
  seconds: 40,
  async run(run) {
    const { gone, home, note, only, random } = run
    const tally = { ...emptyTally(), orphans: 0 }
    const machine = home()
    const repos = [
      { contain: true, repo: await readyRepo(machine, settings(true), 'contained') },
      { contain: false, repo: await readyRepo(machine, settings(false), 'loose') },
    ]
    let bystanders = 0
    for (const [path, end] of Object.entries(PATHS)) {
      if (gone.aborted) break
      if (only !== null && only !== path) continue
      const yards = repos.map(({ contain, repo }): Yard => {
        const cases = Object.entries(SHAPES).map(([shape, [, wanted]]): Case => {
          const name = `${path}-${shape}`
          const token = `9${random.between(10 ** 8, 10 ** 9 - 1)}`
          return { name, shape, token, go: join(machine.path, `${name}-${contain}.go`), wanted }
        })
        return { repo, contain, cases }
      })
      bystanders += await round(machine, { path, end, yards, run, tally })
      note(`${path}: ${tally.faults} trees, ${tally.orphans} processes left`)
    }
    if (only === null) for (const { repo } of repos) for (const broken of await fsck(machine, repo)) run.problem(broken)
    return { ...tally, load: `${bystanders} bystanders` }
  },
} satisfies Part

function settings(contain: boolean): string {
  return `agents: { maxConcurrent: 50, maxSessionsPerRun: 1000, contain: ${contain} }\nload: { enabled: false }\n`
}

/** One way to end, for all shapes in both repositories at once. Gives how many bystanders watched. */
async function round(
  machine: Home,
  {
    path,
    end,
    yards,
    run,
    tally,
  }: {
    path: string
    end: (typeof PATHS)[string]
    yards: readonly Yard[]
    run: Run
    tally: OpenTally & { orphans: number }
  },
): Promise<number> {
  const { problem } = run
  const bystanders: ProcessIdentity[] = []
  const children: ChildProcess[] = []
  const stand = (env: Record<string, string>, cwd: string) => {
    const child = spawn('sleep', ['7777777'], {
      cwd,
      env: { PATH: machine.env.PATH, ...env },
      detached: true,
      stdio: 'ignore',
    })
    children.push(child)
    const who = identify(child.pid ?? 0)
    if (who !== null) bystanders.push(who)
  }
  run.afterwards(() => {
    for (const child of children) child.kill('SIGKILL')
  })
  for (const yard of yards) {
    await Promise.all(
      yard.cases.map(async ({ name, shape, token, go }) => {
        const [script] = SHAPES[shape] ?? ['']
        const hold = `until [ -e '${go}' ]; do sleep 0.1; done`
        // The pids before and after those of an agent.
        stand({}, machine.path)
        const slung = await machine.ov(yard.repo, slingShell(name, `${script.replaceAll('T', token)} ${hold}`))
        if (slung.code !== 0) problem(`${name} could not be slung: ${slung.output.slice(0, 300)}`, path)
        stand({}, machine.path)
      }),
    )
    if (path === 'stop') await machine.ov(yard.repo, slingShell(`${path}-plain-b`, 'exec sleep 7777778'))
  }
  const all = yards.flatMap(({ cases }) => cases)
  const isUp = () => all.every(({ token, wanted }) => sleepers(token).length >= wanted)
  for (const from = performance.now(); !isUp() && performance.now() - from < STARTING_MS; ) await delay(50)
  for (const { name, token, wanted } of all)
    if (sleepers(token).length < wanted) problem(`${name} never came up with its ${wanted} processes`, path)
  for (const yard of yards)
    for (const agent of await agentsOf(machine, yard)) {
      stand({}, join(yard.repo, '.overstory', 'worktrees', agent.worktree))
      stand({ [AGENT_MARKER]: `${agent.id}0` }, machine.path)
      stand({ OTHER: `${AGENT_MARKER}=${agent.id}` }, machine.path)
    }

  const from = performance.now()
  await Promise.all(yards.map((yard) => end?.(machine, yard, run)))
  const left = () => all.flatMap(({ name, token }) => sleepers(token).map((who) => ({ name, who })))
  while (left().length > 0 && performance.now() - from < PROMISED_MS) await delay(20)
  tally.recovered.push(performance.now() - from)
  tally.faults += all.length
  const survivors = left()
  tally.orphans += survivors.length
  for (const [name, those] of Map.groupBy(survivors, (one) => one.name))
    problem(`${those.length} processes of ${name} live on`, path)
  for (const { who } of survivors) process.kill(who.pid, 'SIGKILL')

  const dead = bystanders.filter((who) => liveness(who) === 'gone')
  if (dead.length > 0) problem(`${path} killed ${dead.length} bystanders`, path)
  if (path === 'stop') {
    const near = yards.length - sleepers('7777778').length
    if (near !== 0) problem(`stopping an agent stopped ${near} whose name begins alike`, path)
  }
  for (const child of children) child.kill('SIGKILL')
  for (const { repo } of yards) await machine.ov(repo, ['stop', '--all'])
  return bystanders.length
}

async function agentsOf(machine: Home, { repo }: Yard): Promise<Agent[]> {
  return inProject(machine, repo, ({ db }) => openAgents(db))
}

/** Waits until all that were told to end by themselves have. */
async function ended(machine: Home, yard: Yard, problem: Run['problem']): Promise<void> {
  const from = performance.now()
  while ((await agentsOf(machine, yard)).length > 0) {
    if (performance.now() - from > 4 * PROMISED_MS) return problem('agents whose commands have ended have not')
    await delay(50)
  }
}

async function up(machine: Home, { repo }: Yard, { problem }: Run): Promise<void> {
  const { code, output } = await machine.ov(repo, ['up'])
  if (code !== 0) problem(`ov up ended with ${code}: ${output.slice(0, 500)}`)
}

/** Live `sleep` processes that sleep so many seconds, whoever started them. */
function sleepers(token: string): ProcessIdentity[] {
  return allProcesses().filter(({ pid }) => {
    const [program = '', seconds, ...more] = argumentsOf(pid)
    return basename(program) === 'sleep' && seconds === token && more.length === 0
  })
}

/** The tmux servers of a machine. */
function serversOf(machine: Home): ProcessIdentity[] {
  return allProcesses().filter(({ pid }) => {
    const [program = '', , socket = ''] = argumentsOf(pid)
    return basename(program) === 'tmux' && socket.startsWith(machine.env.XDG_RUNTIME_DIR ?? '-')
  })
}
