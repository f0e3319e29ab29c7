import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  argumentsOf,
  type Outcome,
  processesMarked,
  programOfProcess,
  type RunOptions,
  run,
  signal,
} from '../os/process.ts'
import { removeAll } from '../os/scrub.ts'

/** A machine of its own on this one: home, runtime folder and temporary folder; what is started in it is known by them. */
export interface Machine {
  readonly path: string
  readonly env: Readonly<Record<'HOME' | 'TMPDIR' | 'XDG_RUNTIME_DIR' | 'PATH', string> & Record<string, string>>
  /** Runs a program as the person at this machine would. `env` is added to theirs. */
  run(argv: readonly string[], options?: RunOptions): Promise<Outcome>
  /** What was started here and still runs. */
  processes(): { readonly pid: number; readonly program: string; readonly argv: readonly string[] }[]
  /** Ends all of that, by pid, and removes the machine. */
  dispose(): Promise<void>
}

/** By this variable of their environment processes of a machine are known. */
const MARK = 'XDG_RUNTIME_DIR'

/** Makes a machine in a new folder below `folder`, whose person has a name for git and nothing else. */
export function makeMachine(folder: string): Machine {
  const path = mkdtempSync(join(folder, 'ovt-'))
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: join(path, 'home'),
    [MARK]: join(path, 'run'),
    TMPDIR: join(path, 'tmp'),
    LANG: 'C.UTF-8',
    NO_COLOR: '1',
  } as const
  for (const each of [env.HOME, env[MARK], env.TMPDIR]) mkdirSync(each, { mode: 0o700 })
  writeFileSync(
    join(env.HOME, '.gitconfig'),
    '[user]\n\tname = Test\n\temail = test@localhost\n[init]\n\tdefaultBranch = main\n',
  )
  const mine = () => processesMarked(MARK, env[MARK])
  return {
    path,
    env,
    run: (argv, options = {}) => run(argv, { ...options, env: { ...env, ...options.env } }),
    processes: () =>
      mine().flatMap(({ pid }) => {
        const program = programOfProcess(pid)
        return program === undefined ? [] : [{ pid, program, argv: argumentsOf(pid) }]
      }),
    async dispose() {
      for (let round = 0; round < 50; round++) {
        const left = mine().filter((who) => signal(who, 'SIGKILL'))
        if (left.length === 0) break
        await delay(20)
      }
      removeAll(path)
    },
  }
}
