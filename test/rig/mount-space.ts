import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type Outcome, run } from '../../src/os/process.ts'
import { type Home, OV } from './sandbox-home.ts'

/** A mount namespace of a test's own: file systems mounted in it (a full one, a read-only one) exist nowhere else. */
export interface MountSpace {
  /** Runs a shell script in it. */
  sh(script: string): Promise<Outcome>
  /** Runs `ov` in it, as a person would. `env` is added to the home's. */
  ov(cwd: string, args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>
  /** What runs a program in it. */
  readonly enter: readonly string[]
  /** The process that keeps it. */
  readonly holder: number
}

/** Opens a mount namespace, as root or as any user that may make user namespaces. It ends with the home. */
export async function mountSpace(home: Home): Promise<MountSpace> {
  const isRoot = process.getuid?.() === 0
  const holder = spawn('unshare', [isRoot ? '-m' : '-Urm', 'sh', '-c', 'echo ready; exec sleep 1000000'], {
    env: { ...home.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  const enter = ['nsenter', '-t', String(holder.pid), '-m', ...(isRoot ? [] : ['-U', '--preserve-credentials'])]
  const inside = (argv: readonly string[], env = {}) =>
    run([...enter, ...argv], { env: { ...home.env, ...env }, timeoutMs: 60_000, maxOutput: 4_000_000 })
  return {
    sh: (script) => inside(['sh', '-c', script]),
    ov: (cwd, args, env) =>
      inside(['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd, process.execPath, OV, ...args], env),
    enter,
    holder: holder.pid ?? 0,
  }
}
