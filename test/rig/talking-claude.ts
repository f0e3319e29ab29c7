import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from './sandbox-home.ts'

/** A FAKE `claude` that talks: it keeps its conversations on disk and goes on with them, as Claude Code does. */
export interface Talking {
  /** The environment in which `ov` finds it, logged in. */
  readonly env: Record<string, string>
  /** All prompts of all its conversations in the order in which they came, and which conversation each was in. */
  heard(): { readonly session: string; readonly prompt: string }[]
  /** The standing instructions it was last started with, by the name of the agent. */
  instructions(agent: string): string
  /** All its conversations as they lie on disk, the oldest first. */
  conversations(): string
  /** Forgets all its conversations. */
  forget(): void
}

/**
 * Puts a FAKE `claude` first on PATH that answers by a shell script. It is not Claude Code and proves nothing about it;
 * what it proves is what the engine does with a CLI that speaks and remembers like this.
 *
 * @param brain runs for every prompt with the prompt on stdin, in the environment and folder of the agent; what it
 *   prints is what the agent says at the end of its turn. `$OV_AGENT` tells which agent it is. Exit code 41 stands for a
 *   key that is refused, 42 for a crash of the CLI, 43 for an account at its limit: what it printed is when that ends, in
 *   seconds since the epoch. Lines on file descriptor 3 the CLI prints as they are: frames of its protocol.
 * @param judge answers questions in passing; without it the answer to all of them is "Fine."
 */
export function talkingClaude(home: Home, brain: string, judge?: string): Talking {
  const bin = mkdtempSync(join(home.path, 'bin-'))
  const heard = join(bin, 'heard.ndjson')
  writeFileSync(join(bin, 'brain.sh'), brain)
  if (judge !== undefined) writeFileSync(join(bin, 'judge.sh'), judge)
  writeFileSync(join(bin, 'claude'), `#!${process.execPath}\n${PROGRAM}`, { mode: 0o755 })
  writeFileSync(join(bin, 'package.json'), '{ "type": "commonjs" }\n')
  // An agent's own config folder shares it with the human.
  const projects = join(home.env.HOME ?? '', '.claude', 'projects')
  mkdirSync(projects, { recursive: true })
  return {
    env: { PATH: `${bin}:${home.env.PATH}`, ANTHROPIC_API_KEY: 'sk-fake' },
    heard: () =>
      existsSync(heard)
        ? readFileSync(heard, 'utf8')
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line))
        : [],
    instructions: (agent) => readFileSync(join(bin, `${agent}.md`), 'utf8'),
    conversations: () =>
      readdirSync(projects, { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.jsonl'))
        .map((path) => join(projects, path))
        .sort((one, other) => statSync(one).birthtimeMs - statSync(other).birthtimeMs)
        .map((path) => readFileSync(path, 'utf8'))
        .join('\n'),
    forget() {
      for (const name of readdirSync(projects)) rmSync(join(projects, name), { recursive: true })
    },
  }
}

const PROGRAM = String.raw`
const { appendFileSync, copyFileSync, existsSync, mkdirSync } = require('node:fs')
const { execFileSync, spawn } = require('node:child_process')
const { createInterface } = require('node:readline')
const { join } = require('node:path')
const args = process.argv.slice(2)
if (args[0] === '--version') {
  console.log('2.1.328 (Claude Code)')
  process.exit()
}
// A question in passing.
if (args.includes('--no-session-persistence')) {
  const judge = join(__dirname, 'judge.sh')
  if (existsSync(judge)) execFileSync('/bin/sh', [judge], { stdio: 'inherit' })
  else console.log('Fine.')
  process.exit()
}
const after = (flag) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined)
const resumed = after('--resume')
const session = resumed ?? after('--session-id')
copyFileSync(after('--append-system-prompt-file'), join(__dirname, process.env.OV_AGENT + '.md'))
const config = process.env.CLAUDE_CONFIG_DIR ?? join(process.env.HOME, '.claude')
const folder = join(config, 'projects', process.cwd().replaceAll(/[^a-zA-Z0-9]/g, '-'))
mkdirSync(folder, { recursive: true })
const transcript = join(folder, session + '.jsonl')
if (resumed !== undefined && !existsSync(transcript)) {
  console.error('No conversation found with session ID: ' + resumed)
  process.exit(1)
}
const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const queue = []
let busy = false
let began = false
const next = () => {
  const content = queue.shift()
  if (content === undefined) return
  busy = true
  if (!began) say({ type: 'system', subtype: 'init', session_id: session, model: 'fake', claude_code_version: '2.1.328' })
  began = true
  appendFileSync(transcript, JSON.stringify({ type: 'user', message: { role: 'user', content }, sessionId: session, agent: process.env.OV_AGENT }) + '\n')
  appendFileSync(join(__dirname, 'heard.ndjson'), JSON.stringify({ session, prompt: content }) + '\n')
  say({ type: 'user', message: { role: 'user', content }, session_id: session, isReplay: true })
  const brain = spawn('/bin/sh', [join(__dirname, 'brain.sh')], { stdio: ['pipe', 'pipe', 'inherit', 'pipe'] })
  brain.stdio[3].pipe(process.stdout, { end: false })
  brain.stdin.on('error', () => undefined)
  brain.stdin.end(content)
  let said = ''
  brain.stdout.on('data', (chunk) => (said += chunk))
  brain.on('close', (code) => {
    busy = false
    if (code === 42) process.exit(1)
    if (code === 41) {
      const result = 'Invalid API key · Please run /login'
      say({ type: 'result', subtype: 'success', is_error: true, result, terminal_reason: 'api_error', api_error_status: 401 })
      return next()
    }
    if (code === 43) {
      say({ type: 'rate_limit_event', rate_limit_info: { status: 'rejected', resetsAt: Number(said), rateLimitType: 'five_hour' } })
      const result = "You've hit your session limit"
      say({ type: 'result', subtype: 'success', is_error: true, result, terminal_reason: 'api_error', api_error_status: 429 })
      return next()
    }
    const text = said.trim()
    if (text !== '') say({ type: 'assistant', message: { content: [{ type: 'text', text }] } })
    say({ type: 'result', subtype: 'success', is_error: false, result: text, terminal_reason: 'completed' })
    next()
  })
}
createInterface({ input: process.stdin }).on('line', (line) => {
  const frame = JSON.parse(line)
  if (frame.type !== 'user') return
  queue.push(frame.message.content)
  if (!busy) next()
}).on('close', () => process.exit())
`
