import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { isWritable, writeWhole } from '../os/files.ts'
import type { Outcome } from '../os/process.ts'
import { type Machine, makeMachine } from './machine.ts'
import { Unproved } from './unproved.ts'

/** A machine with a repository in which a person types `ov`. */
export interface Ground {
  readonly machine: Machine
  readonly repo: string
  /** What a person types: `ov …`. */
  ov(words: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome>
  /** `ov … --json`, its document. @throws {Unproved} when it was refused */
  json(...words: readonly string[]): Promise<unknown>
  /** What git prints. */
  git(...words: readonly string[]): Promise<string>
}

/** Longest that one command of `ov` may take, in ms: `ov sling --wait` is among them. */
const COMMAND_MS = 240_000

/** Some CLIs let agents write to /tmp; what they must not write to lies elsewhere. A short path, since sockets are below. */
const PLACE = existsSync('/var/tmp') && isWritable('/var/tmp') ? '/var/tmp' : tmpdir()

/**
 * @param main the `main.js` of the `ov` that is driven
 * @param env what the person has in the environment beside what every machine has
 */
export function makeGround(main: string, env: (machine: Machine) => Readonly<Record<string, string>>): Ground {
  const machine = makeMachine(PLACE)
  const repo = join(machine.path, 'repo')
  const theirs = env(machine)
  const ground: Ground = {
    machine,
    repo,
    ov: (words, more = {}) =>
      machine.run([process.execPath, main, ...words], {
        cwd: repo,
        env: { ...theirs, ...more },
        timeoutMs: COMMAND_MS,
        maxOutput: 4_000_000,
      }),
    json: async (...words) => documentIn(words, await ground.ov([...words, '--json'])),
    async git(...words) {
      const { ok, output, stdout } = await machine.run(['git', ...words], { cwd: repo })
      if (!ok) throw new Unproved(`git ${words.join(' ')}: ${output.trim()}`)
      return stdout.trim()
    },
  }
  return ground
}

/**
 * Makes the repository: one commit, a gate that passes unless a file `bad` exists, set up for `ov` with these settings.
 *
 * @param own an adapter of a person's own, which is to be run here
 */
export async function setUp(
  { repo, git, ov }: Ground,
  settings: Readonly<Record<string, unknown>>,
  own: { readonly id: string; readonly text: string } | null = null,
): Promise<void> {
  const project = { qualityGates: [{ name: 'tests-pass', command: 'test ! -f bad' }] }
  mkdirSync(repo)
  writeFileSync(join(repo, 'README.md'), '# Toy\n')
  // JSON is YAML.
  writeFileSync(join(repo, 'overstory.yaml'), `${JSON.stringify({ project, ...settings }, null, 2)}\n`)
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '--all')
  await git('commit', '--quiet', '--message', 'First')
  const must = async (...words: readonly string[]) => {
    const { ok, output } = await ov(words)
    if (!ok) throw new Unproved(`ov ${words.join(' ')}: ${output.trim()}`)
  }
  if (own !== null) {
    writeWhole(join(repo, '.overstory', 'runtimes', `${own.id}.js`), own.text)
    writeFileSync(join(repo, 'overstory.local.yaml'), '{ "runtime": { "own": true } }\n')
    await must('runtime', 'trust', own.id, '--yes')
  }
  await must('init')
}

const refusal = z.object({ error: z.object({ message: z.string() }) })

/** What a command with `--json` printed. @throws {Unproved} when that is no document, or says why it was refused */
export function documentIn([command]: readonly string[], { stdout, output }: Outcome): unknown {
  const document = documentOrNull(stdout)
  if (document === null) throw new Unproved(`ov ${command} printed no document: ${output.trim()}`)
  const refused = refusal.safeParse(document)
  if (refused.success) throw new Unproved(`ov ${command}: ${refused.data.error.message}`)
  return document
}

function documentOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Whoever asks says what stood there instead.
    return null
  }
}
