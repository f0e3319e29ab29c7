import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { findProgram, listFolder } from '../../../src/os/files.ts'
import {
  argumentsOf,
  environmentOf,
  identify,
  type Outcome,
  type ProcessIdentity,
  processesMarked,
  run,
} from '../../../src/os/process.ts'
import { type MountSpace, mountSpace } from '../../rig/mount-space.ts'
import { configure, type Home, makeRepo } from '../../rig/sandbox-home.ts'
import { talkingClaude } from '../../rig/talking-claude.ts'
import { type Brain, makeBrain } from './brain.ts'

/** A machine with a fleet on it, whose clock can be set and whose disk can be filled. */
export interface World {
  readonly home: Home
  readonly repo: string
  readonly brain: Brain
  /** Transcripts of the agents' conversations, as their CLI keeps them. */
  conversations(): string
  /** What a person types. */
  ov(...args: string[]): Promise<Outcome>
  /** `ov … --json`: its document, null where there is none; and all that it said, with its exit code. */
  json<T>(...args: string[]): Promise<{ readonly answer: T | null; readonly said: string }>
  /** `ov` as a person types it, for those who only know a home. */
  readonly asHome: Home
  /** The database, read past `ov`, to see what it does when. */
  look<T>(sql: string, ...values: readonly unknown[]): Promise<T[]>
  /** Everything that runs here, the harness aside. */
  processes(): ProcessIdentity[]
  /** Sets the wall clock of all that runs here to so many hours from the true one. Null: it can't be set here. */
  readonly jump: ((hours: number) => void) | null
  /** The file system of the state, to be filled; null: none can be mounted here. */
  readonly disk: { fill(): Promise<void>; free(): Promise<void> } | null
  /** Another process holds the database's lock for so long, in ms. */
  lock(ms: number): Promise<Outcome>
  close(): void
}

/** As programs find it that have their own folder. */
const SQLITE = createRequire(import.meta.url).resolve('better-sqlite3')

/** So large is the file system of the state, in MB. */
const DISK_MB = 256

export async function openWorld(home: Home, config: string): Promise<World> {
  const repo = makeRepo(home)
  const brain = makeBrain(join(home.path, 'oracle'))
  const claude = talkingClaude(home, brain.script)
  const clock = fakeClock(home)
  const state = join(repo, '.overstory')
  const space = await mounted(home, state)
  configure(home, repo, config)
  const env = { ...claude.env, ...clock?.env }
  const ov: World['ov'] = (...args) => (space === null ? home.ov(repo, args, { env }) : space.ov(repo, args, env))
  const init = await ov('init', '--yes')
  if (init.code !== 0) throw new Error(init.output)
  const inside = (...argv: string[]) => [...(space?.enter ?? []), ...argv]
  const looker = openLooker(inside(process.execPath, '-e', LOOK, join(state, 'state.db')))
  const ours = [space?.holder, looker.pid]
  return {
    home,
    repo,
    brain,
    conversations: claude.conversations,
    ov,
    async json<T>(...args: string[]) {
      const { code, stdout, output } = await ov(...args, '--json')
      return {
        answer: code === 0 ? (JSON.parse(stdout) as T) : null,
        said: `exit code ${code}: ${output.slice(-2_000)}`,
      }
    },
    asHome: { ...home, ov: (_, args) => ov(...args) },
    look: looker.ask,
    processes: () =>
      processesMarked('XDG_RUNTIME_DIR', home.env.XDG_RUNTIME_DIR ?? '').filter(({ pid }) => !ours.includes(pid)),
    jump: clock?.jump ?? null,
    disk:
      space === null
        ? null
        : {
            fill: async () => void (await space.sh(`cat /dev/zero > '${state}/ballast' 2> /dev/null`)),
            free: async () => void (await space.sh(`rm -f '${state}/ballast'`)),
          },
    lock: (ms) =>
      run(inside(process.execPath, '-e', LOCK, join(state, 'state.db'), `${ms}`), {
        timeoutMs: ms + 30_000,
      }),
    close: looker.close,
  }
}

const LOOK = `
const db = () => (db.open ??= new (require('${SQLITE}'))(process.argv[1], { readonly: true, timeout: 10000 }))
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { sql, values } = JSON.parse(line)
  let answer
  try { answer = { rows: db().prepare(sql).all(...values) } } catch (error) { answer = { error: error.message } }
  console.log(JSON.stringify(answer))
}).on('close', () => process.exit())
`

/** A process that reads the database where it lies: SQLite itself finds no way into another mount namespace. */
function openLooker(argv: readonly string[]): { pid: number; ask: World['look']; close(): void } {
  const [program = '', ...args] = argv
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  const waiting: ((line: string) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => waiting.shift()?.(line))
  const gone = JSON.stringify({ error: 'who reads the database has ended' })
  let ended = false
  child.stdin.on('error', () => undefined)
  child.on('close', () => {
    ended = true
    for (const answer of waiting.splice(0)) answer(gone)
  })
  return {
    pid: child.pid ?? 0,
    close: () => void child.kill('SIGKILL'),
    async ask<T>(sql: string, ...values: readonly unknown[]) {
      if (ended) throw new Error(gone)
      const answer = new Promise<string>((resolve) => waiting.push(resolve))
      child.stdin.write(`${JSON.stringify({ sql, values })}\n`)
      const { rows, error } = JSON.parse(await answer) as { rows?: T[]; error?: string }
      if (rows === undefined) throw new Error(error)
      return rows
    },
  }
}

const LOCK = `
const db = new (require('${SQLITE}'))(process.argv[1], { timeout: 20000 })
db.exec('BEGIN IMMEDIATE')
setTimeout(() => db.exec('ROLLBACK'), Number(process.argv[2]))
`

/** A mount namespace in which the state lies on a small file system of its own; null where none can be had. */
async function mounted(home: Home, state: string): Promise<MountSpace | null> {
  if (findProgram('unshare') === null || findProgram('nsenter') === null) return null
  mkdirSync(state)
  const space = await mountSpace(home)
  const { ok } = await space.sh(`mount -t tmpfs -o size=${DISK_MB}m,mode=755 tmpfs '${state}'`)
  return ok ? space : null
}

/** Lets programs that are started here see another wall clock, also one that changes while they run. */
function fakeClock(home: Home): { env: Record<string, string>; jump(hours: number): void } | null {
  const library = ['/usr/lib', '/usr/lib64', '/usr/local/lib']
    .flatMap((folder) => [folder, ...listFolder(folder).map((name) => join(folder, name))])
    .map((folder) => join(folder, 'faketime', 'libfaketime.so.1'))
    .find((path) => existsSync(path))
  if (library === undefined) return null
  const file = join(home.path, 'clock')
  const jump = (hours: number) => {
    // Whole or not at all: it is read all the time.
    writeFileSync(`${file}.new`, `${hours < 0 ? '' : '+'}${hours}h\n`)
    renameSync(`${file}.new`, file)
  }
  jump(0)
  return {
    jump,
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: '1',
      // Time for decisions is monotonic, and the kernel's is nobody's to set.
      DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
  }
}

const SHARED_MEMORY = '/dev/shm'

/** Removes what libfaketime keeps in shared memory for processes that were killed. */
export function sweepClocks(): void {
  for (const name of listFolder(SHARED_MEMORY)) {
    const pid = /^(?:sem\.)?faketime_(?:shm|sem)_(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && identify(Number(pid)) === null) rmSync(join(SHARED_MEMORY, name), { force: true })
  }
}

/** What a process is, of those that run a fleet. */
export type Role = 'runner' | 'cli' | 'watcher' | 'tender' | 'tmux'

/** The name of the agent whose CLI this is, or the id of the agent whose runner it is, goes with it. */
export function roleOf(pid: number): { role: Role; of: string } | null {
  const argv = argumentsOf(pid)
  if (argv[2] === 'runner') return { role: 'runner', of: argv[3] ?? '' }
  if (argv[2] === 'tend') return { role: 'tender', of: '' }
  if (argv.includes('watcher')) return { role: 'watcher', of: '' }
  if (argv[0] === 'tmux' && argv.includes('start-server')) return { role: 'tmux', of: '' }
  if (!/\/bin-[^/]*\/claude$/.test(argv[1] ?? '')) return null
  const agent = environmentOf(pid).find((variable) => variable.startsWith('OV_AGENT='))
  return agent === undefined ? null : { role: 'cli', of: agent.slice('OV_AGENT='.length) }
}
