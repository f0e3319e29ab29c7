import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sayEnding, wholeOf } from '../job.ts'
import { held, shell } from '../llm/script.ts'
import type { Proof } from '../proof.ts'
import { must, Unproved } from '../unproved.ts'
import { done, NOTHING } from './work.ts'

/** Proofs of what stays where it belongs: the human's settings with the human, a secret with the CLI. */

/** What the agent that a person is talking to leaves in the environment of what it starts. */
const OUTER = 'of-an-outer-agent'
const OF_OUTER_AGENT = {
  AGENT: OUTER,
  AMP_THREAD_ID: OUTER,
  CLAUDECODE: OUTER,
  CLAUDE_CODE_ENTRYPOINT: OUTER,
  CODEX_SANDBOX: OUTER,
  COPILOT_CLI: OUTER,
  CURSOR_AGENT: OUTER,
  GEMINI_CLI: OUTER,
  GOOSE_TERMINAL: OUTER,
  NODE_OPTIONS: `--title=${OUTER}`,
  OPENCODE: OUTER,
} as const

const isolation: Proof = {
  id: 'isolation',
  title:
    'hooks, servers and instructions of the human’s own get no part in its work and stay as they are, and so does an outer agent’s environment',
  async run(stage) {
    const { machine, candidate } = stage
    const marker = join(machine.path, 'their-command-ran')
    const words = 'THEIR-OWN-INSTRUCTIONS'
    const theirs = candidate.runtime.trial.surprises({ command: `touch '${marker}'`, words })
    stage.atHome(theirs)
    const job = stage.sling([shell('env'), ...done(NOTHING)], { env: OF_OUTER_AGENT })
    const ending = await job.ended
    must(ending.state === 'done', sayEnding(ending))
    must(!existsSync(marker), 'A command of theirs was run.')
    const seen = job.asked().map(wholeOf).join('\n')
    must(!seen.includes(words), 'The model was given instructions of theirs.')
    must(!seen.includes(OUTER), 'It has variables of the outer agent’s.')
    const changed = theirs.filter(({ path, content }) => readFileSync(join(machine.env.HOME, path), 'utf8') !== content)
    must(changed.length === 0, `Changed: ${changed.map(({ path }) => path).join(', ')}`)
    return {}
  },
}

const secrets: Proof = {
  id: 'secrets',
  title: 'its key is on no command line and nowhere in what ov keeps, even when the agent prints it',
  async run(stage) {
    const { repo, key, setting, machine } = stage
    const files = setting.files.map(({ path }) => `~/${path}`).join(' ')
    const working = held(shell(`env; cat ${files} </dev/null`))
    const job = stage.sling([working, ...done(NOTHING)])
    await job.reaches(working)
    const shown = machine.processes().filter(({ argv }) => argv.some((word) => word.includes(key)))
    must(shown.length === 0, `It is on the command line of ${shown[0]?.argv[0]}.`)
    working.release()
    const ending = await job.ended
    must(ending.state === 'done', sayEnding(ending))
    const kept = () => filesWith(join(repo, '.overstory'), key)
    // The CLI's own notes go with the agent's private folder, a moment after its end.
    await stage
      .until('An end without it', () => (kept().length === 0 ? true : null), GONE_MS)
      .catch(() => {
        throw new Unproved(`It is in ${kept().join(', ')}.`)
      })
    return { did: job.seen().includes(key) ? 'the agent could print it' : 'the agent never saw it' }
  },
}

/** An agent that has ended is cleared away by then, in ms. */
const GONE_MS = 15_000

/** Files below a folder that hold a text. */
function filesWith(folder: string, text: string): string[] {
  const wanted = Buffer.from(text)
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readBytes(path)?.includes(wanted) ?? false)
}

function readBytes(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch {
    // It went meanwhile.
    return null
  }
}

export const PRIVACY: readonly Proof[] = [isolation, secrets]
