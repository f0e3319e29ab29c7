import { execFileSync, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { git, type Home, makeHome, OV } from '../rig/sandbox-home.ts'
import { cpuMs } from './cpu.ts'
import type { Taken } from './row.ts'

export interface CommandOptions {
  readonly cwd?: string
  /** Beside the home's own variables. */
  readonly env?: Readonly<Record<string, string>>
}

/** What a row has to do its work with: a home of its own (HOME, runtime and temp folder, no variable of the caller's). */
export interface Stage {
  readonly home: Home
  /** True in a short run: sizes may be smaller then, as long as the ratio means the same. */
  readonly short: boolean
  /** The argv of `ov`, as it is installed. */
  ov(...args: string[]): string[]
  /** A repository with so many files, and nothing else. Its gates are none. */
  repository(files?: number, name?: string): string
  /** The same, set up for `ov`. */
  project(options?: { files?: number; config?: string; name?: string }): Promise<string>
  /** A script in the home; gives its path. */
  script(name: string, text: string): string
  /** A side that runs a command to its end. */
  command(argv: readonly string[], options?: CommandOptions): () => Promise<Taken>
  /** A side that runs a command so many times, one after the other from one shell, and gives the time of one. */
  repeated(times: number, argv: readonly string[], options?: CommandOptions): () => Promise<Taken>
  /** Runs a command to its end, timed from before it is spawned until its exit is seen. Not 0 is an error. */
  run(argv: readonly string[], options?: CommandOptions): Promise<Taken>
  /** Times work of this process. */
  timed(work: () => Promise<unknown>): Promise<Taken>
  /** Before the home goes. */
  afterwards(work: () => Promise<unknown>): void
  dispose(): Promise<void>
}

export function makeStage(short: boolean): Stage {
  const home = makeHome()
  const undo: (() => Promise<unknown>)[] = []
  const run: Stage['run'] = (argv, { cwd = home.path, env = {} } = {}) =>
    runTimed(argv, cwd, { ...home.env, ...env }, home.path)
  const stage: Stage = {
    home,
    short,
    ov: (...args) => [process.execPath, OV, ...args],
    repository(files = 2, name = 'repo') {
      const path = join(home.path, name)
      git(home, home.path, 'init', '--quiet', '--initial-branch=main', path)
      fill(home, path, files)
      return path
    },
    async project({ files = 2, config = '', name = 'repo' } = {}) {
      const path = stage.repository(files, name)
      writeFileSync(join(path, 'overstory.yaml'), `${config === '' ? '{}' : config}\n`)
      git(home, path, 'add', '--all')
      git(home, path, 'commit', '--quiet', '--message', 'Configure ov')
      const outcome = await home.ov(path, ['init', '--yes'])
      if (!outcome.ok) throw new Error(outcome.output)
      return path
    },
    script(name, text) {
      const path = join(home.path, name)
      writeFileSync(path, text, { mode: 0o755 })
      return path
    },
    command: (argv, options) => () => run(argv, options),
    repeated: (times, argv, options) => async () => {
      const loop = `i=0; while [ $i -lt ${times} ]; do "$@" </dev/null || exit 1; i=$((i + 1)); done`
      const { ms } = await run(['/bin/sh', '-c', loop, 'sh', ...argv], options)
      return { ms: ms / times }
    },
    run,
    async timed(work) {
      const from = performance.now()
      await work()
      return { ms: performance.now() - from }
    },
    afterwards(work) {
      undo.unshift(work)
    },
    async dispose() {
      try {
        for (const work of undo) await work()
      } finally {
        await home.dispose()
      }
    },
  }
  return stage
}

/** One commit with so many small files, a hundred to a folder. */
function fill(home: Home, path: string, files: number): void {
  const changes = Array.from({ length: files }, (_, index) => {
    const text = `line ${index}\n`
    return `M 100644 inline d${Math.floor(index / 100)}/f${index}\ndata ${text.length}\n${text}\n`
  })
  const who = 'Test <test@localhost> 1700000000 +0000'
  const input = `commit refs/heads/main\ncommitter ${who}\ndata 5\nFirst\n${changes.join('')}\n`
  execFileSync('git', ['fast-import', '--quiet'], { cwd: path, env: { ...home.env }, input })
  git(home, path, 'reset', '--quiet', '--hard')
}

/** Output goes to a file, not a pipe: nobody has to read it while the time runs. */
function runTimed(argv: readonly string[], cwd: string, env: Record<string, string>, folder: string): Promise<Taken> {
  const [file = '', ...rest] = argv
  const output = join(folder, 'bench-output')
  const fd = openSync(output, 'w')
  return new Promise<Taken>((resolve, reject) => {
    const cpu = cpuMs()
    const from = performance.now()
    const child = spawn(file, rest, { cwd, env, stdio: ['ignore', fd, fd] })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      const ms = performance.now() - from
      closeSync(fd)
      if (code === 0) resolve({ ms, cpuMs: cpu === null ? null : (cpuMs() ?? 0) - cpu })
      else reject(new Error(`${argv.join(' ')} ended with ${code ?? signal}:\n${readFileSync(output, 'utf8')}`))
    })
  })
}
