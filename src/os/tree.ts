import { existsSync, realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isWithin } from './files.ts'
import {
  allProcesses,
  argumentsOf,
  environmentOf,
  liveness,
  type ProcessIdentity,
  pidNamespaceOf,
  processesAbove,
  type Stat,
  signal,
  startedAt,
  workingFolderOf,
} from './process.ts'

/** The name of the environment variable by which every process of an agent is known. */
export const AGENT_MARKER = 'OV_AGENT_ID'

/**
 * The id of the agent that started this process, whatever it did to the environment since: what stands above has the
 * marker from its own start. Null for a process of the human's.
 */
export function agentAbove(): string | null {
  const mark = `${AGENT_MARKER}=`
  for (const pid of processesAbove()) {
    const found = environmentOf(pid).find((variable) => variable.startsWith(mark))
    if (found !== undefined) return found.slice(mark.length)
  }
  return null
}

/** The command line of an agent's runner, by which it is known again. */
export function runnerCommand(main: string, agentId: string, fence: number): string[] {
  return [process.execPath, main, 'runner', agentId, String(fence)]
}

/** The agent whose runner this process is, and the fence it was started with, or null. (tmux's server carries the same words, but further back.) */
function runnerAt(pid: number): { readonly agentId: string; readonly fence: number } | null {
  const [, main = '', verb, agentId = '', fence = '', ...rest] = argumentsOf(pid)
  const isRunner = /^main\.[jt]s$/.test(basename(main)) && verb === 'runner' && /^\d+$/.test(fence) && rest.length === 0
  return isRunner ? { agentId, fence: Number(fence) } : null
}

function agentRunBy(pid: number): string | null {
  return runnerAt(pid)?.agentId ?? null
}

/** The runners among these processes, with the fence each was started with: its own is one more. */
export function runnersIn(
  processes: readonly Stat[],
): { readonly pid: number; readonly agentId: string; readonly fence: number }[] {
  return processes.flatMap(({ pid }) => {
    const runner = runnerAt(pid)
    return runner === null ? [] : [{ pid, ...runner }]
  })
}

/** False when a process is for certain not this agent's runner; one whose command line may not be read could be. */
export function mayRun(pid: number, agentId: string): boolean {
  return argumentsOf(pid).length === 0 || agentRunBy(pid) === agentId
}

/** The live runners of an agent: one, or also a stale one that has not noticed yet. Never the calling process. */
export function runnersOf(agentId: string): ProcessIdentity[] {
  return allProcesses().filter(({ pid }) => pid !== process.pid && agentRunBy(pid) === agentId)
}

/**
 * What belongs to an agent, and how each part is ended:
 * - `runner`: frozen before anything else, killed later. Awake, it would take its agent's death for a failure and a
 *   gate's for a red one.
 * - `keeper`: holds a pid namespace; with it all inside ends at once. Killed after those inside had their time.
 * - `git`: `ov`'s own git, begun by the runner. It is given time to finish: killed in the middle it could leave the
 *   human's checkout half landed.
 * - `agent`: everything else. Asked politely, then killed.
 */
type Part = 'runner' | 'keeper' | 'git' | 'agent'

interface Member extends Stat {
  readonly part: Part
}

type Processes = ReadonlyMap<number, Stat>

/** What the CLIs of an agent left in their sessions when they ended, by the agent's id. In memory: it is its runner's own. */
const leftBehind = new Map<string, ProcessIdentity[]>()

/**
 * Notes what a process that has just ended leaves in its session: without its leader and the marker nothing else would
 * tell later that it is the agent's. Call it as soon as the end is known, while no other process can have its pid.
 */
export function noteLeft(agentId: string, leader: number): void {
  const left = allProcesses().filter(({ session, pid }) => session === leader && pid !== leader)
  if (left.length === 0) return
  const before = (leftBehind.get(agentId) ?? []).filter((who) => liveness(who) !== 'gone')
  leftBehind.set(agentId, [...before, ...left])
}

/**
 * The live processes of an agent, and what was found of them before: a child whose parent has died since is still
 * known. Members are the runners given; what carries the agent's marker in its environment; what its CLIs left behind; all
 * that descends from those; all of a session that one of those began. Never: the calling process and its ancestors, another agent's
 * runner and what descends from that.
 */
class Tree {
  readonly #agentId: string
  readonly #runners: readonly ProcessIdentity[]
  readonly #known = new Map<number, Member>()
  /** Processes seen without the marker. Only what has it can give it on, so they never get it. */
  readonly #unmarked = new Set<string>()

  constructor(agentId: string, runners: readonly ProcessIdentity[]) {
    this.#agentId = agentId
    this.#runners = runners
  }

  /** Looks again; gives what is new. */
  look(): Member[] {
    const all: Processes = new Map(allProcesses().map((stat) => [stat.pid, stat]))
    const spared = ancestorsOf(process.pid, all)
    const found = new Map<number, Part>()
    for (const stat of all.values()) {
      const part = this.#partOf(stat)
      if (part !== null && !spared.has(stat.pid)) found.set(stat.pid, part)
    }
    for (let grown = true; grown; ) {
      grown = false
      const sessions = sessionsOf(found, all)
      for (const stat of all.values()) {
        if (found.has(stat.pid) || spared.has(stat.pid)) continue
        const part = partByDescent(stat, found) ?? (sessions.has(stat.session) ? 'agent' : null)
        if (part === null || agentRunBy(stat.pid) !== null) continue
        found.set(stat.pid, part)
        grown = true
      }
    }
    return [...found].flatMap(([pid, part]) => this.#remember(all.get(pid), part, all) ?? [])
  }

  get alive(): Member[] {
    return [...this.#known.values()].filter((member) => liveness(member) !== 'gone')
  }

  /** What a process is by itself: known before, one of the runners, or marked. */
  #partOf(stat: Stat): Part | null {
    if (this.#knows(stat)) return this.#known.get(stat.pid)?.part ?? null
    if (this.#runners.some((runner) => runner.pid === stat.pid && runner.start === stat.start)) return 'runner'
    if (leftBehind.get(this.#agentId)?.some((left) => left.pid === stat.pid && left.start === stat.start))
      return 'agent'
    const key = `${stat.pid}:${stat.start}`
    if (this.#unmarked.has(key)) return null
    if (environmentOf(stat.pid).includes(`${AGENT_MARKER}=${this.#agentId}`)) return 'agent'
    this.#unmarked.add(key)
    return null
  }

  #knows(stat: Stat): boolean {
    return this.#known.get(stat.pid)?.start === stat.start
  }

  #remember(stat: Stat | undefined, part: Part, all: Processes): Member | null {
    if (stat === undefined || this.#knows(stat)) return null
    const member = { ...stat, part: part === 'agent' && bordersNamespace(stat, all) ? 'keeper' : part } as const
    this.#known.set(stat.pid, member)
    return member
  }
}

function ancestorsOf(pid: number, all: Processes): Set<number> {
  const line = new Set<number>()
  for (let at: number | undefined = pid; at !== undefined && at > 0 && !line.has(at); at = all.get(at)?.parent)
    line.add(at)
  return line
}

/** What a process is by its parent; null when its parent is no member. */
function partByDescent(stat: Stat, found: ReadonlyMap<number, Part>): Part | null {
  const parent = found.get(stat.parent)
  if (parent === undefined) return null
  return parent === 'git' || (parent === 'runner' && /^git(-|$)/.test(stat.name)) ? 'git' : 'agent'
}

/** Sessions of the agent's: begun by a member, or left behind by a leader that has died. (0: begun outside this container.) */
function sessionsOf(found: ReadonlyMap<number, Part>, all: Processes): Set<number> {
  const members = [...found].filter(([, part]) => part === 'agent').flatMap(([pid]) => all.get(pid) ?? [])
  return new Set(
    members
      .map((member) => member.session)
      .filter((leader) => leader > 0 && (found.get(leader) === 'agent' || !all.has(leader))),
  )
}

/** True at both sides of a pid namespace's border: for who made it, and for its first process. */
function bordersNamespace(stat: Stat, all: Processes): boolean {
  const own = pidNamespaceOf(stat.pid)
  const differs = (pid: number) => {
    const other = pidNamespaceOf(pid)
    return own !== undefined && other !== undefined && other !== own
  }
  return differs(stat.parent) || [...all.values()].some((child) => child.parent === stat.pid && differs(child.pid))
}

/** How long `ov`'s own git may take to finish, in ms. */
const GIT_PATIENCE_MS = 6_000

/**
 * Stops every process of an agent: `polite` first, SIGKILL after `graceMs`, again until none is left. A runner that
 * stops its own agent gives no `runners`; whoever stops it from outside gives `runnersOf` the agent.
 *
 * @returns the survivors after `patienceMs`, empty when all are gone
 */
export async function stopProcessesOf(
  agentId: string,
  runners: readonly ProcessIdentity[],
  { polite = 'SIGTERM' as NodeJS.Signals, graceMs = 1_500, patienceMs = 8_000 } = {},
): Promise<ProcessIdentity[]> {
  const started = performance.now()
  for (const runner of runners) signal(runner, 'SIGSTOP')
  const tree = new Tree(agentId, runners)
  for (;;) {
    const elapsed = performance.now() - started
    // Asked before the look: one that forks and dies between the two leaves a child that the next look finds.
    const quiet = tree.alive.length === 0
    const fresh = tree.look()
    if (quiet && fresh.length === 0) return []
    for (const member of fresh) if (member.part === 'agent') ask(member, polite)
    const left = tree.alive
    if (elapsed > patienceMs) return left
    if (elapsed > graceMs || !left.some((member) => member.part === 'agent')) {
      for (const member of left) if (member.part !== 'git' || elapsed > GIT_PATIENCE_MS) signal(member, 'SIGKILL')
    }
    await settled(tree, Math.min(100, 5 + elapsed / 10))
  }
}

/** Waits for those who were signalled last, at most so long: the agent's own while there are any, else all. Asking the kernel after a few is cheap. */
async function settled(tree: Tree, ms: number): Promise<void> {
  const until = performance.now() + ms
  const isAgent = ({ part }: Member) => part === 'agent'
  const waited = tree.alive.some(isAgent) ? isAgent : () => true
  do await delay(1)
  while (performance.now() < until && tree.alive.some(waited))
}

/** A process that is stopped (Ctrl-Z) gets its signal only when it runs on. */
function ask(member: Member, polite: NodeJS.Signals): void {
  signal(member, polite)
  signal(member, 'SIGCONT')
}

/** Ids of agents, of whatever project, of which a process lives: what carries their marker, and their runners. One sweep. */
export function agentsWithProcesses(): ReadonlySet<string> {
  const mark = `${AGENT_MARKER}=`
  const ids = allProcesses().map(
    ({ pid }) =>
      agentRunBy(pid) ??
      environmentOf(pid)
        .find((variable) => variable.startsWith(mark))
        ?.slice(mark.length),
  )
  return new Set(ids.filter((id) => id !== undefined))
}

/** The live processes of an agent, without its runner and what holds it together. */
export function processesOf(agentId: string): Stat[] {
  return new Tree(agentId, []).look().filter(({ part }) => part !== 'keeper')
}

/**
 * Processes that may be left of an agent but can't be told for certain: they work in its `directory`, began after it
 * (`since`, ms since the epoch), have no terminal and were left behind by who started them. For naming them to a
 * person; they are never signalled for that.
 */
export function straysIn(directory: string, since: number): ProcessIdentity[] {
  const all: Processes = new Map(allProcesses().map((stat) => [stat.pid, stat]))
  const real = realFolder(directory)
  return [...all.values()].filter((stat) => {
    const orphaned = stat.parent === 1 || all.get(stat.parent)?.name === 'systemd' || !all.has(stat.session)
    return stat.terminal === 0 && orphaned && startedAt(stat) >= since && worksIn(real, stat.pid)
  })
}

/** Processes whose working folder is `directory` or lies below it. */
export function processesIn(directory: string): ProcessIdentity[] {
  const real = realFolder(directory)
  return allProcesses().filter((stat) => worksIn(real, stat.pid))
}

/** The kernel names working folders by their real path. */
function realFolder(directory: string): string {
  return existsSync(directory) ? realpathSync(directory) : directory
}

function worksIn(directory: string, pid: number): boolean {
  const folder = workingFolderOf(pid)
  return folder !== undefined && isWithin(directory, folder)
}
