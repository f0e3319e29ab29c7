import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Outcome, run } from '../../src/os/process.ts'

/** The built binary: tests drive what a person would. */
export const OV = resolve(import.meta.dirname, '..', '..', 'dist', 'src', 'main.js')

/** A machine of the test's own: HOME, runtime folder, temp folder, and every process started in it known by them. */
export interface Home {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  /** Runs `ov` in a folder, as a person would. */
  ov(
    cwd: string,
    args: readonly string[],
    options?: { env?: Record<string, string>; input?: string; timeoutMs?: number },
  ): Promise<Outcome>
  /** Ends every process that was started in this home, by pid, and removes it. */
  dispose(): Promise<void>
}

/** Read once: a test that ran out of time may have left the environment of its home behind. */
const OUTSIDE = tmpdir()

export function makeHome(): Home {
  const path = mkdtempSync(join(OUTSIDE, 'ovt-'))
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: join(path, 'home'),
    XDG_RUNTIME_DIR: join(path, 'run'),
    TMPDIR: join(path, 'tmp'),
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
  }
  for (const folder of [env.HOME, env.XDG_RUNTIME_DIR, env.TMPDIR]) mkdirSync(folder, { mode: 0o700 })
  writeFileSync(
    join(env.HOME, '.gitconfig'),
    '[user]\n\tname = Test\n\temail = test@localhost\n[init]\n\tdefaultBranch = main\n',
  )
  return {
    path,
    env,
    ov: (cwd, args, options = {}) =>
      run([process.execPath, OV, ...args], {
        cwd,
        env: { ...env, ...options.env },
        timeoutMs: options.timeoutMs ?? 60_000,
        maxOutput: 4_000_000,
        ...(options.input === undefined ? {} : { input: options.input }),
      }),
    async dispose() {
      for (let round = 0; round < 50 && killAllOf(env.XDG_RUNTIME_DIR) > 0; round++)
        await new Promise((done) => setTimeout(done, 20))
      rmSync(path, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Kills what carries this runtime folder in its environment; gives how many there were. */
function killAllOf(runtimeDir: string): number {
  let found = 0
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue
    try {
      if (!readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(`XDG_RUNTIME_DIR=${runtimeDir}`)) continue
      process.kill(Number(name), 'SIGKILL')
      found += 1
    } catch {
      // It ended meanwhile, or is another user's: either way not ours to end.
    }
  }
  return found
}

/** Git as the human uses it, in a folder. */
export function git(home: Home, cwd: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd, env: { ...home.env }, encoding: 'utf8' }).trim()
}

/** A repository with one commit, whose test passes unless a file `bad` exists. */
export function makeRepo(home: Home, name = 'repo'): string {
  const path = join(home.path, name)
  mkdirSync(path, { recursive: true })
  git(home, path, 'init', '--quiet', '--initial-branch=main')
  writeFileSync(join(path, 'package.json'), '{ "name": "toy", "scripts": { "test": "test ! -f bad" } }\n')
  writeFileSync(join(path, 'README.md'), '# Toy\n')
  git(home, path, 'add', '--all')
  git(home, path, 'commit', '--quiet', '--message', 'First')
  return path
}

/** Writes `overstory.yaml` with the gate of `makeRepo` and whatever else the test wants, and commits it. */
export function configure(home: Home, repo: string, more = ''): void {
  writeFileSync(
    join(repo, 'overstory.yaml'),
    `project: { qualityGates: [{ name: tests-pass, command: 'test ! -f bad' }] }\n${more}`,
  )
  git(home, repo, 'add', '--all')
  git(home, repo, 'commit', '--quiet', '--message', 'Configure ov')
}

/** A repository that is configured and set up for `ov`. */
export async function readyRepo(home: Home, more = '', name = 'repo'): Promise<string> {
  const repo = makeRepo(home, name)
  configure(home, repo, more)
  const { code, output } = await home.ov(repo, ['init'])
  if (code !== 0) throw new Error(output)
  return repo
}
