import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isWritable } from '../os/files.ts'
import type { Outcome } from '../os/process.ts'
import { startJob } from './job.ts'
import { startLlm } from './llm/server.ts'
import { makeMachine } from './machine.ts'
import type { Candidate, Stage, StageOptions } from './stage.ts'
import { Unproved } from './unproved.ts'

/** Longest that anything takes which goes well, on a busy machine. */
const PATIENCE_MS = 120_000
/** Between two looks at what this process itself knows, and at what another process is asked for. */
const LOOK_MS = 50
const ASK_MS = 700

/** Some CLIs let agents write to /tmp; what they must not write to lies elsewhere. A short path, since sockets are below. */
const PLACE = existsSync('/var/tmp') && isWritable('/var/tmp') ? '/var/tmp' : tmpdir()

/** @param signal ends all of it at once */
export async function openStage(candidate: Candidate, options: StageOptions, signal?: AbortSignal): Promise<Stage> {
  const { trial } = candidate.runtime
  const machine = makeMachine(PLACE)
  const llm = await startLlm(trial)
  const close = async () => {
    signal?.removeEventListener('abort', close)
    await llm.close()
    await machine.dispose()
  }
  signal?.addEventListener('abort', close)
  const key = trial.key(randomBytes(24).toString('base64url'))
  const setting = trial.setting({ url: llm.url, key, as: options.as ?? 'key' })
  const repo = join(machine.path, 'repo')

  const stage: Stage = {
    candidate,
    machine,
    llm,
    repo,
    key,
    setting,
    ov: (words, env = {}) =>
      machine.run([process.execPath, candidate.ov, ...words], {
        cwd: repo,
        env: { ...setting.env, ...env },
        timeoutMs: 2 * PATIENCE_MS,
        maxOutput: 4_000_000,
      }),
    json: async (...words) => documentIn(words, await stage.ov([...words, '--json'])),
    async git(...words) {
      const { ok, output, stdout } = await machine.run(['git', ...words], { cwd: repo })
      if (!ok) throw new Unproved(`git ${words.join(' ')}: ${output.trim()}`)
      return stdout.trim()
    },
    atHome(files) {
      for (const { path, content } of files) {
        const file = join(machine.env.HOME, path)
        mkdirSync(dirname(file), { recursive: true })
        writeFileSync(file, content, { mode: 0o600 })
      }
    },
    sling: (steps, request = {}) => startJob(stage, steps, request),
    running: () =>
      machine.processes().flatMap(({ pid, program, argv }) => {
        const isCli = trial.executables.some((end) => program.endsWith(end)) && trial.isItself?.(argv) !== false
        return isCli ? [pid] : []
      }),
    async until(what, look, ms = PATIENCE_MS) {
      const deadline = performance.now() + ms
      for (;;) {
        const began = performance.now()
        const found = await look()
        if (found !== null) return found
        if (performance.now() > deadline) throw new Unproved(`${what}: not within ${Math.round(ms / 1000)} s.`)
        signal?.throwIfAborted()
        await delay(performance.now() - began > LOOK_MS ? ASK_MS : LOOK_MS)
      }
    },
    close,
  }
  try {
    stage.atHome(setting.files)
    await makeRepository(stage, options.config ?? {})
    return stage
  } catch (error) {
    await close()
    throw error
  }
}

/** A repository with one commit, whose gate passes unless a file `bad` exists, set up for `ov`. */
async function makeRepository(stage: Stage, config: Readonly<Record<string, unknown>>): Promise<void> {
  const { repo, setting, candidate } = stage
  const { id } = candidate.runtime
  mkdirSync(repo)
  writeFileSync(join(repo, 'README.md'), '# Toy\n')
  // JSON is YAML.
  const settings = {
    project: { qualityGates: [{ name: 'tests-pass', command: 'test ! -f bad' }] },
    runtime: { default: id, [id]: { binary: candidate.program, ...setting.section } },
    ...config,
  }
  writeFileSync(join(repo, 'overstory.yaml'), `${JSON.stringify(settings, null, 2)}\n`)
  await stage.git('init', '--quiet', '--initial-branch=main')
  await stage.git('add', '--all')
  await stage.git('commit', '--quiet', '--message', 'First')
  const { ok, output } = await stage.ov(['init'])
  if (!ok) throw new Unproved(`ov init: ${output.trim()}`)
}

/** What `ov … --json` printed; a failure of it too. */
function documentIn(words: readonly string[], { stdout, output }: Outcome): unknown {
  try {
    return JSON.parse(stdout)
  } catch {
    throw new Unproved(`ov ${words.join(' ')} printed no document: ${output.trim()}`)
  }
}
