import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { makeMachine } from '../../src/certify/machine.ts'
import type { Outcome } from '../../src/os/process.ts'

/** The built binary: tests drive what a person would. */
export const OV = resolve(import.meta.dirname, '..', '..', 'dist', 'src', 'main.js')

/** A machine of the test's own: HOME, runtime folder, temp folder, and every process started in it known by them. */
export interface Home {
  readonly path: string
  readonly env: Readonly<Record<string, string>>
  /** Runs `ov` in a folder, as a person would; `binary`: another build of it. */
  ov(
    cwd: string,
    args: readonly string[],
    options?: { env?: Record<string, string>; input?: string; timeoutMs?: number; binary?: string },
  ): Promise<Outcome>
  /** What was started in this home and still runs. */
  processes(): { readonly pid: number; readonly program: string; readonly argv: readonly string[] }[]
  /** Ends all of that, by pid, and removes the home. */
  dispose(): Promise<void>
}

/** Read once: a test that ran out of time may have left the environment of its home behind. */
const OUTSIDE = tmpdir()

export function makeHome(): Home {
  const { path, env, run, processes, dispose } = makeMachine(OUTSIDE)
  return {
    path,
    env,
    ov: (cwd, args, { env, input, timeoutMs = 180_000, binary = OV } = {}) =>
      run([process.execPath, binary, ...args], {
        cwd,
        timeoutMs,
        maxOutput: 4_000_000,
        ...(env === undefined ? {} : { env }),
        ...(input === undefined ? {} : { input }),
      }),
    processes,
    dispose,
  }
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
