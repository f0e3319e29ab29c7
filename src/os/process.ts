import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import { codeOf } from '../errors.ts'

/** A process for certain: a pid alone is used again, a pid with its start time and the machine's boot is not. */
export interface ProcessIdentity {
  readonly pid: number
  /** Start time in clock ticks since boot (Linux), or the start date (elsewhere). */
  readonly start: string
  readonly boot: string
}

export type Liveness = 'alive' | 'gone' | 'unknown'

let boot: string | undefined

/** The id of this boot of the machine. */
export function bootId(): string {
  boot ??= readOptional('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown-boot'
  return boot
}

/** Who this process is. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, start: startOf(process.pid) ?? 'unknown', boot: bootId() }
}

/** The identity of a running process, or null when there is none. */
export function identify(pid: number): ProcessIdentity | null {
  const start = startOf(pid)
  return start === null ? null : { pid, start, boot: bootId() }
}

/**
 * Asks the kernel. A zombie is gone. What can't be told is `unknown`, and unknown is never a death.
 */
export function liveness(who: ProcessIdentity): Liveness {
  if (who.boot !== bootId()) return 'gone'
  if (who.start === 'unknown') return 'unknown'
  try {
    const start = startOf(who.pid)
    return start === who.start ? 'alive' : 'gone'
  } catch {
    // The kernel would not say (permissions, a vanished /proc): that is no proof of anything.
    return 'unknown'
  }
}

interface Stat {
  readonly pid: number
  readonly parent: number
  readonly state: string
  readonly start: string
}

/** Start time of a live process; null for none or a zombie. Throws what the kernel refuses to tell. */
function startOf(pid: number): string | null {
  const stat = statOf(pid)
  return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat.start
}

function statOf(pid: number): Stat | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return null
    throw error
  }
  // The command name is in parentheses and may hold anything; the fields begin behind the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { pid, state: fields[0] ?? '', parent: Number(fields[1]), start: fields[19] ?? '' }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ESRCH', 'EPERM'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}

function allProcesses(): Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return statOf(Number(name)) ?? []
      } catch {
        // Another user's process under hidepid: not ours to know.
        return []
      }
    })
}

/** The name of the environment variable by which every process of an agent is known. */
export const AGENT_MARKER = 'OV_AGENT_ID'

/**
 * All live processes of an agent: those that carry its marker in their environment, and all descendants
 * of those and of `roots`. The calling process and its ancestors are never among them.
 */
export function processesOf(agentId: string, roots: readonly number[]): ProcessIdentity[] {
  const all = allProcesses().filter((stat) => stat.state !== 'Z' && stat.state !== 'X')
  const marker = `${AGENT_MARKER}=${agentId}`
  const members = new Set<number>(roots)
  for (const stat of all) {
    const environment = readOptional(`/proc/${stat.pid}/environ`)
    if (environment?.split('\0').includes(marker)) members.add(stat.pid)
  }
  for (let grown = true; grown; ) {
    const fresh = all.filter((stat) => members.has(stat.parent) && !members.has(stat.pid))
    grown = fresh.length > 0
    for (const stat of fresh) members.add(stat.pid)
  }
  const spared = ancestorsOf(process.pid, all)
  return all
    .filter((stat) => members.has(stat.pid) && !spared.has(stat.pid))
    .map((stat) => ({ pid: stat.pid, start: stat.start, boot: bootId() }))
}

function ancestorsOf(pid: number, all: readonly Stat[]): Set<number> {
  const parents = new Map(all.map((stat) => [stat.pid, stat.parent]))
  const line = new Set<number>()
  for (let at: number | undefined = pid; at !== undefined && at > 0 && !line.has(at); at = parents.get(at)) line.add(at)
  return line
}

/** Sends a signal only if that very process still runs. True when it was sent. */
export function signal(who: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (liveness(who) !== 'alive') return false
  try {
    process.kill(who.pid, name)
    return true
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
    throw error
  }
}

/**
 * Stops every process of an agent: `polite` first, SIGKILL after `graceMs`, again until none is left.
 * Returns the survivors (empty when all are gone).
 */
export async function stopProcessesOf(
  agentId: string,
  roots: readonly number[],
  { polite = 'SIGTERM' as NodeJS.Signals, graceMs = 1_500, patienceMs = 8_000 } = {},
): Promise<ProcessIdentity[]> {
  const started = performance.now()
  // The tree is read once before the first signal: a child whose parent has died can no longer be found by descent.
  const known = new Map(processesOf(agentId, roots).map((who) => [who.pid, who]))
  for (const who of known.values()) signal(who, polite)
  for (;;) {
    for (const who of processesOf(
      agentId,
      [...known.keys()].filter((pid) => alive(known.get(pid))),
    ))
      known.set(who.pid, who)
    const left = [...known.values()].filter(alive)
    const elapsed = performance.now() - started
    if (left.length === 0 || elapsed > patienceMs) return left
    if (elapsed > graceMs) for (const who of left) signal(who, 'SIGKILL')
    await delay(elapsed < 200 ? 5 : 25)
  }
}

function alive(who: ProcessIdentity | undefined): who is ProcessIdentity {
  return who !== undefined && liveness(who) !== 'gone'
}

/** Pids of processes whose command line holds these words, one after another, at this position. */
export function processesRunning(words: readonly string[], position: number): number[] {
  return allProcesses()
    .map((stat) => stat.pid)
    .filter((pid) => {
      const argv = readOptional(`/proc/${pid}/cmdline`)?.split('\0') ?? []
      return words.every((word, index) => argv[position + index] === word)
    })
}

/** Processes whose working directory lies in `directory`, for naming them to a person. They are never signalled for that alone. */
export function processesIn(directory: string): number[] {
  return allProcesses()
    .filter((stat) => {
      try {
        const cwd = readlinkSync(`/proc/${stat.pid}/cwd`)
        return cwd === directory || cwd.startsWith(`${directory}/`)
      } catch {
        // Gone meanwhile, or another user's: nothing to name.
        return false
      }
    })
    .map((stat) => stat.pid)
}

export interface Outcome {
  readonly ok: boolean
  readonly code: number | null
  readonly signal: string | null
  readonly timedOut: boolean
  /** stdout and stderr as they came, only the last `maxOutput` characters. */
  readonly output: string
  readonly stdout: string
  readonly notFound: boolean
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  readonly input?: string
  /** Characters of output kept, from the end. */
  readonly maxOutput?: number
  readonly signal?: AbortSignal
}

/**
 * Runs a program to its end, in a process group of its own that is killed as a whole when time is up.
 * An exit code other than 0 is a value, not an error.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const [file = '', ...rest] = argv
  const keep = options.maxOutput ?? 64 * 1024
  const child = execa(file, rest, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env, extendEnv: false }),
    input: options.input ?? '',
    reject: false,
    buffer: false,
    detached: true,
    stripFinalNewline: false,
  })
  let output = ''
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-keep)
    output = (output + text).slice(-keep)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-keep)
  })
  let timedOut = false
  const killGroup = () => {
    if (child.pid !== undefined) killProcessGroup(child.pid)
  }
  const timer = setTimeout(
    () => {
      timedOut = true
      killGroup()
    },
    options.timeoutMs ?? 2 ** 31 - 1,
  )
  options.signal?.addEventListener('abort', killGroup, { once: true })
  try {
    const result = await child
    return {
      ok: result.exitCode === 0,
      code: result.exitCode ?? null,
      signal: result.signal ?? null,
      timedOut,
      output,
      stdout,
      notFound: result.code === 'ENOENT',
    }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', killGroup)
  }
}

/** Kills a process group that we started. One that is gone already is what was wanted. */
export function killProcessGroup(pid: number, name: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(-pid, name)
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error
  }
}

/** Starts a long-lived child in its own process group, with pipes. */
export function spawnPiped(
  argv: readonly string[],
  options: { cwd: string; env: Readonly<Record<string, string>> },
): ChildProcess {
  const [file = '', ...rest] = argv
  return spawn(file, rest, {
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

/** Starts a child that outlives us, its output in an open file. */
export function spawnDetached(
  argv: readonly string[],
  options: { cwd: string; env: Readonly<Record<string, string>>; logFd: number },
): number {
  const [file = '', ...rest] = argv
  const child = spawn(file, rest, {
    cwd: options.cwd,
    env: { ...options.env },
    detached: true,
    stdio: ['ignore', options.logFd, options.logFd],
  })
  child.unref()
  return child.pid ?? 0
}
