import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Ask } from '../../src/certify/llm/script.ts'
import { type Llm, startLlm } from '../../src/certify/llm/server.ts'
import type { Outcome } from '../../src/os/process.ts'
import type { Outcome as TaskOutcome } from '../../src/tasks/outcome.ts'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'
import type { Cli } from './cli.ts'

/** A machine with a repository, a real agent CLI on PATH and a scripted model behind it. */
export interface Fleet {
  readonly home: Home
  /** The environment of what a person types. */
  readonly env: Readonly<Record<string, string>>
  readonly llm: Llm
  readonly repo: string
  /** What a person types. */
  ov(...args: string[]): Promise<Outcome>
  /** `ov … --json`, its document. */
  json<T>(...args: string[]): Promise<T>
  sling(...args: string[]): Promise<Slung>
  git(...args: string[]): string
  close(): Promise<void>
}

/** `ov sling --wait --json` on its way. */
export interface Slung {
  readonly exit: Promise<{ readonly code: number | null; readonly outcome: TaskOutcome }>
}

export interface Mail {
  readonly id: string
  readonly from: string
  readonly type: string
  readonly subject: string
  readonly body: string
}

/** Opens a fleet for a CLI whose program is in the folder `bin`, let in by a key or by a subscription. */
export async function openFleet(cli: Cli, bin: string, as: 'key' | 'subscription' = 'key'): Promise<Fleet> {
  const home = makeHome()
  const llm = await startLlm(cli.trial)
  const repo = makeRepo(home)
  const { env: login, files, section, model } = cli.trial.setting({ url: llm.url, key: cli.key, as })
  configure(home, repo, section === undefined ? '' : `runtime: ${JSON.stringify({ [cli.runtime.id]: section })}\n`)
  for (const { path, content } of files) {
    const file = join(home.env.HOME ?? '', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content, { mode: 0o600 })
  }
  const env = { PATH: `${bin}:${home.env.PATH}`, ...login }
  const ov = (...args: string[]) => home.ov(repo, args, { env, timeoutMs: 100_000 })
  const json = async <T>(...args: string[]) => JSON.parse((await ov(...args, '--json')).stdout) as T
  const { code, output } = await ov('init')
  if (code !== 0) throw new Error(output)
  return {
    home,
    env: { ...home.env, ...env },
    llm,
    repo,
    ov,
    json,
    async sling(...args) {
      const asked = model === undefined || args.includes('--model') ? [] : ['--model', model]
      const running = ov('sling', '--runtime', cli.runtime.id, ...asked, ...args, '--wait', '--json')
      return { exit: running.then(({ code, stdout, output }) => ({ code, outcome: outcomeIn(stdout, output) })) }
    },
    git: (...args) => git(home, repo, ...args),
    async close() {
      await home.dispose()
      await llm.close()
    },
  }
}

function outcomeIn(stdout: string, output: string): TaskOutcome {
  try {
    return JSON.parse(stdout) as TaskOutcome
  } catch (error) {
    throw new Error(`ov sling printed no document:\n${output}`, { cause: error })
  }
}

/** What the model saw last of its conversation: the whole of it, tool results included. */
export function context(ask: Ask | undefined): string {
  return (ask?.messages ?? [])
    .flatMap((message) => [message.text, ...message.toolResults.map((result) => result.text)])
    .join('\n')
}

/** The conversation with what the CLI itself adds to it. */
export function wholeOf(ask: Ask | undefined): string {
  return `${ask?.system}\n${context(ask)}`
}

/** How often a text stands in another. */
export function times(text: string, part: string): number {
  return text.split(part).length - 1
}

/** Files below a folder that hold the text. */
export function filesWith(folder: string, text: string): string[] {
  const wanted = Buffer.from(text)
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(wanted))
}

/** Command lines of all processes that hold the text. */
export function commandLinesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        // It ended meanwhile.
        return []
      }
    })
    .filter((line) => line.includes(text))
}

/**
 * Pids of this fleet's agent CLIs, or of one agent's: not of what they start, though it may be the same program.
 */
export function pidsOf(cli: Cli, fleet: Fleet, agent?: string): number[] {
  const mine = [`XDG_RUNTIME_DIR=${fleet.home.env.XDG_RUNTIME_DIR}`, ...(agent ? [`OV_AGENT=${agent}`] : [])]
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const program = readlinkSync(`/proc/${pid}/exe`)
        if (!cli.trial.executables.some((end) => program.endsWith(end))) return false
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
        if (cli.trial.isItself?.(argv) === false) return false
        const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
        return mine.every((variable) => environment.includes(variable))
      } catch {
        // It ended meanwhile, or is another user's.
        return false
      }
    })
}

/** A conversation as a play, for people. */
export function playOf(ask: Ask | undefined): string {
  return (ask?.messages ?? [])
    .flatMap((message) => [
      ...message.toolResults.map((result) => `◂ ${result.text.trim().replaceAll('\n', '\n  ')}`),
      ...(message.text === '' ? [] : [`${message.role}: ${message.text.replace(REMINDERS, '').trim()}`]),
      ...message.toolCalls.map((call) => `▸ ${call.name} ${JSON.stringify(call.input)}`),
    ])
    .join('\n')
}

const REMINDERS = /<system-reminder>.*?<\/system-reminder>|# Environment\n.*/gs

/** Writes a readable account of a run, for people, into `.cache/`. */
export function account(name: string, parts: Readonly<Record<string, string>>): void {
  const folder = resolve(import.meta.dirname, '..', '..', '.cache')
  mkdirSync(folder, { recursive: true })
  const text = Object.entries(parts).map(([title, body]) => `## ${title}\n\n${body.trim()}\n`)
  writeFileSync(join(folder, `${name}.md`), `# ${name}\n\n${text.join('\n')}`)
}
