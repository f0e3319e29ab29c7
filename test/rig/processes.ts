import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import { allProcesses, argumentsOf, type ProcessIdentity, spawnPiped } from '../../src/os/process.ts'

/** Real processes of one test, known by a number that only they carry in their command line. */
export interface Herd {
  /** Seconds to sleep, unique to this herd: `sleep $T` is found by it. */
  readonly token: string
  /** Runs a shell script in which `$T` is the token, with just this environment. */
  start(
    script: string,
    options?: { env?: Record<string, string>; cwd?: string; wrap?: (argv: string[]) => string[] },
  ): ChildProcess
  /** Live `sleep $T` processes. */
  sleepers(): ProcessIdentity[]
  /** Waits until there are this many. */
  expectSleepers(count: number): Promise<void>
  /** Ends whatever carries the token or was started here. */
  end(): void
}

export function herd(): Herd {
  const token = `9${randomBytes(5).readUIntBE(0, 5)}`
  const started: ChildProcess[] = []
  const sleepers = () => allProcesses().filter(({ pid }) => argumentsOf(pid).join(' ') === `sleep ${token}`)
  return {
    token,
    start(script, { env = {}, cwd = '/', wrap = (argv: string[]) => argv } = {}) {
      const child = spawnPiped(wrap(['/bin/sh', '-c', script]), {
        cwd,
        env: { PATH: process.env.PATH ?? '', T: token, ...env },
      })
      started.push(child)
      return child
    },
    sleepers,
    expectSleepers: (count) => expect.poll(() => sleepers().length, { interval: 10 }).toBe(count),
    end() {
      for (const { pid } of sleepers()) process.kill(pid, 'SIGKILL')
      for (const child of started) child.kill('SIGKILL')
    },
  }
}
