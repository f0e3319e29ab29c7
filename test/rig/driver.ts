import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Home } from './sandbox-home.ts'

const SCRIPT = join(import.meta.dirname, 'train-driver.ts')

/** A process of its own that drives a project's merge train when told to. */
export interface Driver {
  readonly child: ChildProcess
  /** Resolves with the first line from now on that matches; rejects when the process ends before. */
  line(wanted: RegExp): Promise<string>
  /** Drives the train once. */
  drive(): void
  /** Sends a signal to it alone, or to it and all that it started in its process group. */
  signal(name: NodeJS.Signals, whole?: 'group'): void
  /** Resolves when it is gone. */
  readonly ended: Promise<void>
}

/** Starts one; it is ready to drive at its line `ready`. */
export function startDriver(home: Home, repo: string): Driver {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', SCRIPT], {
    cwd: repo,
    // Many of them are started: what one has compiled the next need not.
    env: { ...home.env, NODE_COMPILE_CACHE: join(home.path, 'compiled') },
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  let rest = ''
  const listeners = new Set<() => void>()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    tell()
  })
  // A killed process has closed its pipe; what was on its way to it is of no interest.
  child.stdin.on('error', () => undefined)
  let gone = false
  const ended = new Promise<void>((resolve) => {
    child.on('exit', () => {
      gone = true
      tell()
      resolve()
    })
  })
  let read = 0
  return {
    child,
    ended,
    line: (wanted) =>
      new Promise((resolve, reject) => {
        const look = () => {
          while (read < lines.length) {
            const line = lines[read++] ?? ''
            if (!wanted.test(line)) continue
            listeners.delete(look)
            return resolve(line)
          }
          if (!gone) return
          listeners.delete(look)
          reject(new Error(`the driver ended before it said ${wanted}`))
        }
        listeners.add(look)
        look()
      }),
    drive: () => child.stdin.write('drive\n'),
    signal(name, whole) {
      if (child.pid !== undefined && !gone) process.kill(whole === 'group' ? -child.pid : child.pid, name)
    },
  }
}
