import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../errors.ts'
import { listFolder } from './files.ts'

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

/** A process that is asked after again and again. */
export interface HeldProcess {
  readonly who: ProcessIdentity
  liveness(): Liveness
  /** Lets go of it, at the latest when it is gone. */
  release(): void
}

/**
 * Holds a process by its entry in /proc: asking after it then costs a third, and no other process can take its place
 * there. What the kernel doesn't let be held is asked after as `liveness` does.
 */
export function holdProcess(who: ProcessIdentity): HeldProcess {
  let entry: number | null = null
  try {
    entry = openSync(`/proc/${who.pid}/stat`, 'r')
    // Opened before it was made sure that it is this very process: so it stays that.
    if (liveness(who) !== 'alive') letGo()
  } catch {
    // Gone, hidden from us, or no Linux: `liveness` tells them apart each time.
  }
  function letGo(): void {
    if (entry !== null) closeSync(entry)
    entry = null
  }
  return {
    who,
    liveness() {
      if (entry === null) return liveness(who)
      try {
        const text = statBuffer.toString('latin1', 0, readSync(entry, statBuffer, 0, statBuffer.length, 0))
        const fields = fieldsOf(text)
        return fields[0] === '' ? 'unknown' : hasEnded(fields) ? 'gone' : 'alive'
      } catch (error) {
        return codeOf(error) === 'ESRCH' ? 'gone' : 'unknown'
      }
    },
    release: letGo,
  }
}

/** Longer than any line of /proc/PID/stat up to the number of threads. */
const statBuffer = Buffer.alloc(512)

/** The fields of a line of /proc/PID/stat from the third on, the state. The second is a name in parentheses, which may hold anything. */
function fieldsOf(line: string): string[] {
  return line.slice(line.lastIndexOf(')') + 2).split(' ')
}

/**
 * Whether all of a process has ended. Its first thread may have while others run, or are about to end: until then its files
 * are open and its sockets listen.
 */
function hasEnded(fields: readonly string[]): boolean {
  const [state, threads] = [fields[0], Number(fields[17])]
  return state === 'X' || (state === 'Z' && threads <= 1)
}

/** A process as the kernel describes it. */
export interface Stat extends ProcessIdentity {
  readonly parent: number
  /** One letter: R, S, D, T (stopped), Z (its first thread has ended), … */
  readonly state: string
  /** All of it has: a zombie, of which only the record is left. */
  readonly ended: boolean
  /** Short name, at most 15 bytes, chosen by the process itself. */
  readonly name: string
  /** Id of its session, which is the pid of the process that began it. */
  readonly session: number
  /** Its controlling terminal, 0 for none. */
  readonly terminal: number
  /** Processor time it has used, with that of its children that have ended, in ms, to 10 ms. */
  readonly cpuMs: number
}

/** Start time of a live process; null for none or a zombie. Throws what the kernel refuses to tell. */
function startOf(pid: number): string | null {
  const stat = statOf(pid)
  return stat === null || stat.ended ? null : stat.start
}

/** For the one line of a `stat` file, which is far shorter: all processes are read many times over. */
const LINE = Buffer.alloc(4096)

function lineOf(path: string): string {
  const file = openSync(path, 'r')
  try {
    return LINE.toString('latin1', 0, readSync(file, LINE))
  } finally {
    closeSync(file)
  }
}

function statOf(pid: number): Stat | null {
  let text: string
  try {
    text = lineOf(`/proc/${pid}/stat`)
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return null
    throw error
  }
  const fields = fieldsOf(text)
  return {
    pid,
    start: fields[19] ?? '',
    boot: bootId(),
    state: fields[0] ?? '',
    ended: hasEnded(fields),
    parent: Number(fields[1]),
    session: Number(fields[3]),
    terminal: Number(fields[4]),
    cpuMs: [11, 12, 13, 14].reduce((sum, field) => sum + Number(fields[field]) * 10, 0),
    name: text.slice(text.indexOf('(') + 1, text.lastIndexOf(')')),
  }
}

function readOptional(path: string): string | undefined {
  return unlessHidden(() => readFileSync(path, 'utf8'))
}

/** What the kernel hides from us (another user's process) or has no more (it ended meanwhile) is undefined. */
function unlessHidden<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ESRCH', 'EPERM'].includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** All live processes this one may see; zombies are not among them. */
export function allProcesses(): Stat[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => unlessHidden(() => statOf(Number(name))) ?? [])
    .filter((stat) => !stat.ended)
}

/** The processes above this one, the nearest first, as far as the kernel shows them. */
export function processesAbove(): number[] {
  const above: number[] = []
  for (let pid = process.ppid; pid > 0 && !above.includes(pid); ) {
    above.push(pid)
    const child = pid
    pid = unlessHidden(() => statOf(child))?.parent ?? 0
  }
  return above
}

/**
 * Processor time that all below a process have used, with that of those that ended among them, in ms. Reads their entries
 * alone. Null where the kernel doesn't tell who is below whom.
 */
export function cpuBelow(root: number): number | null {
  return processesBelow(root)?.reduce((sum, { cpuMs }) => sum + cpuMs, 0) ?? null
}

/** All that is below a process. Null where the kernel doesn't tell who is below whom. */
export function processesBelow(root: number): Stat[] | null {
  const left = childrenOf(root)
  if (left === null) return null
  const found: Stat[] = []
  for (let pid = left.pop(); pid !== undefined; pid = left.pop()) {
    const child = pid
    const stat = unlessHidden(() => statOf(child)) ?? null
    if (stat !== null) found.push(stat)
    left.push(...(childrenOf(child) ?? []))
  }
  return found
}

/** What the threads of a process have started and that still is below it; null where the kernel doesn't tell. */
function childrenOf(pid: number): number[] | null {
  const children = listFolder(`/proc/${pid}/task`).map((thread) => readOptional(`/proc/${pid}/task/${thread}/children`))
  const told = children.filter((line) => line !== undefined)
  return told.length === 0 ? null : told.flatMap((line) => line.split(' ').filter(Boolean).map(Number))
}

/** The environment a process was started with, as `NAME=value`; empty when it may not be read. */
export function environmentOf(pid: number): string[] {
  return readOptional(`/proc/${pid}/environ`)?.split('\0') ?? []
}

/** The command line of a process; empty when it may not be read. */
export function argumentsOf(pid: number): string[] {
  return readOptional(`/proc/${pid}/cmdline`)?.split('\0').slice(0, -1) ?? []
}

/** The program a process runs, as the kernel knows it, or undefined when it may not be read. */
export function programOfProcess(pid: number): string | undefined {
  return unlessHidden(() => readlinkSync(`/proc/${pid}/exe`))
}

/** The folder a process works in, or undefined when it may not be read. */
export function workingFolderOf(pid: number): string | undefined {
  return unlessHidden(() => readlinkSync(`/proc/${pid}/cwd`))
}

/** Names the pid namespace of a process, or undefined when it may not be read. */
export function pidNamespaceOf(pid: number): string | undefined {
  return unlessHidden(() => readlinkSync(`/proc/${pid}/ns/pid`))
}

/** When a process began, in ms since the epoch, to about 10 ms. */
export function startedAt(who: Pick<ProcessIdentity, 'start'>): number {
  const upMs = Number(readOptional('/proc/uptime')?.split(' ')[0] ?? 0) * 1000
  // The kernel shows clock ticks in units of 1/100 s to user space, whatever its own rate.
  return Date.now() - upMs + Number(who.start) * 10
}

/** Sends a signal only if that very process still runs. True when it was sent; another user's process can't be sent any. */
export function signal(who: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (liveness(who) !== 'alive') return false
  try {
    process.kill(who.pid, name)
    return true
  } catch (error) {
    if (codeOf(error) === 'ESRCH' || codeOf(error) === 'EPERM') return false
    throw error
  }
}

/** Processes, our own apart, that have one of these files open. Those of other users can't be seen. */
export function processesHolding(paths: readonly string[]): number[] {
  const wanted = new Set(paths)
  return allProcesses()
    .map((stat) => stat.pid)
    .filter((pid) => {
      if (pid === process.pid) return false
      const folder = `/proc/${pid}/fd`
      return listFolder(folder).some((fd) => wanted.has(unlessHidden(() => readlinkSync(join(folder, fd))) ?? ''))
    })
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
  /** Characters of output kept from the beginning as well, when all of it is too long. */
  readonly headOutput?: number
  readonly signal?: AbortSignal
  /** An id for all that this starts: none of it outlives the program, even what left its process group. */
  readonly job?: string
  /** What the program leaves running is left, and not waited for, though it holds its output. */
  readonly leaves?: boolean
}

/** What a program has said before its end is read within this time, in ms, though others hold its output. */
const LAST_WORDS_MS = 100

/**
 * Runs a program to its end, in a process group of its own that is killed as a whole when time is up.
 * An exit code other than 0 is a value, not an error.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  // Loaded here: who only asks after processes, all day long, does without it.
  const { execa } = await import('execa')
  const [file = '', ...rest] = argv
  const keep = options.maxOutput ?? 64 * 1024
  const { job } = options
  const env = { ...options.env, ...(job === undefined ? {} : { [JOB_MARKER]: job }) }
  const child = execa(file, rest, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env,
    extendEnv: options.env === undefined,
    input: options.input ?? '',
    reject: false,
    buffer: false,
    detached: true,
    stripFinalNewline: false,
  })
  const output = new Transcript(options.headOutput ?? 0, keep)
  const stdout = new Transcript(0, keep)
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout.add(text)
    output.add(text)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => output.add(text))
  let timedOut = false
  let sweep: Promise<unknown> = Promise.resolve()
  const killAll = () => {
    if (child.pid === undefined) return
    // Read before the first signal: a child whose parent has died can no longer be found by descent.
    const tree = job === undefined ? [] : descendantsOf(child.pid)
    killProcessGroup(child.pid)
    for (const who of tree) signal(who, 'SIGKILL')
    if (job !== undefined) sweep = killJob(job)
  }
  const timer = setTimeout(
    () => {
      timedOut = true
      killAll()
    },
    options.timeoutMs ?? 2 ** 31 - 1,
  )
  options.signal?.addEventListener('abort', killAll, { once: true })
  // What it left running holds its pipes, so they would never close.
  if (job !== undefined) child.nodeChildProcess.on('exit', () => (sweep = killJob(job)))
  if (options.leaves === true) {
    child.nodeChildProcess.on('exit', () => {
      for (const pipe of [child.stdout, child.stderr]) setTimeout(() => pipe.destroy(), LAST_WORDS_MS)
    })
  }
  try {
    const result = await child
    await sweep
    return {
      ok: result.exitCode === 0,
      code: result.exitCode ?? null,
      signal: result.signal ?? null,
      timedOut,
      output: output.text(),
      stdout: stdout.text(),
      notFound: result.code === 'ENOENT',
    }
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', killAll)
  }
}

/**
 * Runs a short program of the machine's own (tmux) to its end, as `run` does. It takes less time than what `run` needs
 * is loaded in.
 */
export function runShort(
  argv: readonly string[],
  { env, input = '', timeoutMs }: Pick<RunOptions, 'env' | 'input'> & { timeoutMs: number },
): Promise<Outcome> {
  const [file = '', ...rest] = argv
  const output = new Transcript(0, 64 * 1024)
  const stdout = new Transcript(0, 64 * 1024)
  return new Promise((resolve) => {
    let timedOut = false
    const child = spawn(file, rest, { env: env ?? process.env, detached: true, stdio: 'pipe' })
    const timer = setTimeout(() => {
      timedOut = true
      if (child.pid !== undefined) killProcessGroup(child.pid)
    }, timeoutMs)
    const end = (code: number | null, signal: string | null, notFound: boolean) => {
      clearTimeout(timer)
      const said = { output: output.text(), stdout: stdout.text() }
      resolve({ ok: code === 0, code, signal, timedOut, ...said, notFound })
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout.add(text)
      output.add(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => output.add(text))
    child.on('error', (error) => {
      if (child.pid === undefined) end(null, null, codeOf(error) === 'ENOENT')
    })
    child.on('close', (code, signal) => {
      if (child.pid !== undefined) end(code, signal, false)
    })
    // One that ends without reading its input is told by its exit.
    child.stdin.on('error', () => undefined).end(input)
  })
}

/** The name of the environment variable by which every process of a job is known. */
export const JOB_MARKER = 'OV_JOB'

/** Kills every process of a job, again until none is left. Gives the survivors after a few seconds of trying. */
export async function killJob(job: string): Promise<ProcessIdentity[]> {
  const deadline = performance.now() + 5_000
  for (;;) {
    const left = processesMarked(JOB_MARKER, job)
    if (left.length === 0 || performance.now() > deadline) return left
    for (const who of left) signal(who, 'SIGKILL')
    await delay(5)
  }
}

/** Live processes that have this variable with this value in their environment, the calling one aside. */
export function processesMarked(name: string, value: string): ProcessIdentity[] {
  return allProcesses().filter(({ pid }) => pid !== process.pid && environmentOf(pid).includes(`${name}=${value}`))
}

function descendantsOf(root: number): ProcessIdentity[] {
  const all = allProcesses()
  const family = new Set([root])
  for (let grown = true; grown; ) {
    const fresh = all.filter((stat) => family.has(stat.parent) && !family.has(stat.pid))
    grown = fresh.length > 0
    for (const stat of fresh) family.add(stat.pid)
  }
  return all.filter((stat) => family.has(stat.pid) && stat.pid !== root)
}

/** The beginning and the end of a text that may be of any length. */
class Transcript {
  readonly #headRoom: number
  readonly #tailRoom: number
  #head = ''
  #tail = ''
  #length = 0

  constructor(headRoom: number, tailRoom: number) {
    this.#headRoom = headRoom
    this.#tailRoom = tailRoom
  }

  add(text: string): void {
    this.#length += text.length
    const room = this.#headRoom - this.#head.length
    this.#head += text.slice(0, room)
    this.#tail = (this.#tail + text.slice(room)).slice(-this.#tailRoom)
  }

  text(): string {
    const left = this.#length - this.#head.length - this.#tail.length
    if (this.#head === '' || left === 0) return this.#head + this.#tail
    return `${this.#head}\n[… ${left} characters left out …]\n${this.#tail}`
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

/** Sets going again what of our own process group is suspended; to who runs it does nothing. */
export function resumeGroup(): void {
  process.kill(0, 'SIGCONT')
}

/** Gives the terminal to a program until it ends; gives its exit code. Ctrl-C is the program's to handle, not ours. */
export async function runOnTerminal(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file = '', ...rest] = argv
  const listeners = process.listeners('SIGINT')
  const ignore = () => undefined
  process.removeAllListeners('SIGINT').on('SIGINT', ignore)
  try {
    const child = spawn(file, rest, { stdio: 'inherit', env })
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(signal === null ? (code ?? 1) : 1))
    })
  } finally {
    process.off('SIGINT', ignore)
    for (const listener of listeners) process.on('SIGINT', listener)
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

/** How a program ended: with a code or by a signal, or not begun at all. */
export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null } | { readonly error: Error }

/**
 * Starts a child on our own terminal, in our process group: so it is in the terminal's foreground, and is told of its size
 * and its end as we are. Resolves when it has ended.
 */
export function spawnOnTerminal(
  argv: readonly string[],
  options: { cwd: string; env: Readonly<Record<string, string>> },
): Promise<Ended> {
  const [file = '', ...rest] = argv
  return new Promise<Ended>((resolve) => {
    const child = spawn(file, rest, { cwd: options.cwd, env: { ...options.env }, stdio: 'inherit' })
    child.on('error', (error) => {
      // Of one that runs, an error says that a signal could not be sent.
      if (child.pid === undefined) resolve({ error })
    })
    child.on('exit', (code, signal) => resolve({ code, signal }))
    // A command line that no kernel takes is thrown at once.
  }).catch((error: Error) => ({ error }))
}

/** What a program may have switched on in a terminal: pasting in brackets, the mouse, keys, another screen, no cursor. */
const MODES_OFF =
  '\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[>4m\x1b[?1l\x1b>\x1b[?1049l\x1b[?25h\x1b[0m\r\n'

/** Clears our own terminal, what has scrolled away too. */
export function clearTerminal(): void {
  if (process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[2J\x1b[3J')
}

/** Puts our own terminal right that a program has left as it was when it died. */
export async function mendTerminal(): Promise<void> {
  if (!process.stdout.isTTY) return
  process.stdout.write(MODES_OFF)
  const child = spawn('stty', ['sane'], { stdio: ['inherit', 'ignore', 'ignore'] })
  await new Promise((resolve) => child.on('close', resolve).on('error', resolve))
}

/** Turns this process into another program, with its pid and terminal. Returns only where Node can't do that. */
export function becomeProgram(argv: readonly string[], env: Readonly<Record<string, string>>): void {
  const [file = '', ...rest] = argv
  process.execve?.(file, [file, ...rest], { ...env })
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
