import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from './sandbox-home.ts'

/**
 * A FAKE Cursor CLI. It is not Cursor's and proves nothing about it: it behaves as Cursor's documentation says its CLI
 * does, so that it shows what the engine does with a CLI like that. Run by the script that `fakeCursor` puts on PATH.
 */

/** What the fake does in one turn. */
export interface FakeTurn {
  /** Its tools, in order: a command for its shell, or a file that it writes if its hook lets it. */
  readonly tools?: readonly (string | { readonly path: string; readonly content: string })[]
  readonly say?: string
  /** It ends by this code with words on stderr, and without a result. */
  readonly fail?: { readonly code: number; readonly stderr: string }
  /** After its result a worker of its group goes on: this shell command. */
  readonly linger?: string
}

/** Puts the fake first on PATH, by the name it is given there, and gives the environment in which `ov` finds it logged in. */
export function fakeCursor(home: Home, turns: readonly FakeTurn[], name = 'cursor-agent') {
  const folder = join(home.path, `cursor-${randomUUID().slice(0, 8)}`)
  mkdirSync(join(folder, 'bin'), { recursive: true })
  writeFileSync(join(folder, 'turns.json'), JSON.stringify(turns))
  const node = `${process.execPath} --disable-warning=ExperimentalWarning`
  const script = `#!/bin/sh\nexec ${node} ${import.meta.filename} ${folder} "$@"\n`
  writeFileSync(join(folder, 'bin', name), script, { mode: 0o755 })
  return {
    env: { PATH: `${folder}/bin:${home.env.PATH}`, CURSOR_API_KEY: 'key_of_nobody' },
    /** The prompts of a turn's chat, as they came in. */
    prompts: (): { chat: string; prompt: string }[] =>
      readFileSync(join(folder, 'prompts.ndjson'), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
  }
}

const out = (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`)

function main([folder = '', ...args]: readonly string[]): void {
  if (args.includes('--version')) return void process.stdout.write('2026.07.20-8cc9c0b\n')
  const given = (flag: string) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined)
  // It refuses a folder that is not trusted, and may say so by nothing.
  if (!args.includes('--trust')) return
  if (!process.env.CURSOR_API_KEY && !existsSync(join(process.env.CURSOR_CONFIG_DIR ?? '', 'auth.json'))) {
    process.stderr.write("Error: Authentication required. Please run 'agent login' first, or set CURSOR_API_KEY.\n")
    process.exitCode = 1
    return
  }
  const chat = given('--resume') ?? randomUUID()
  const prompt = readFileSync(0, 'utf8')
  const log = join(folder, 'prompts.ndjson')
  const before = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean).length : 0
  appendFileSync(log, `${JSON.stringify({ chat, prompt })}\n`)
  const turns: readonly FakeTurn[] = JSON.parse(readFileSync(join(folder, 'turns.json'), 'utf8'))
  const turn = turns[before] ?? {}
  const about = { session_id: chat }
  const words = (role: string, text: string) => ({ role, content: [{ type: 'text', text }] })
  out({ type: 'system', subtype: 'init', apiKeySource: 'env', cwd: process.cwd(), model: 'Auto', ...about })
  out({ type: 'user', message: words('user', prompt), ...about })
  out({ type: 'thinking', subtype: 'delta', text: 'Hm.', ...about })
  out({ type: 'thinking', subtype: 'completed', ...about })
  for (const [index, tool] of (turn.tools ?? []).entries()) {
    const kind = typeof tool === 'string' ? 'shellToolCall' : 'editToolCall'
    const args = typeof tool === 'string' ? { command: tool } : { path: tool.path, streamContent: tool.content }
    // The ids of the real one may hold a line break.
    const id = `call-${before}-${index}\nfc_0`
    out({ type: 'tool_call', subtype: 'started', call_id: id, tool_call: { [kind]: { args } }, ...about })
    const result = typeof tool === 'string' ? ran(tool) : wrote(id, tool)
    out({ type: 'tool_call', subtype: 'completed', call_id: id, tool_call: { [kind]: { args, result } }, ...about })
  }
  if (turn.fail !== undefined) {
    process.stderr.write(`${turn.fail.stderr}\n`)
    process.exitCode = turn.fail.code
    return
  }
  const said = turn.say ?? 'Done.'
  out({ type: 'assistant', message: words('assistant', said), ...about })
  const usage = { inputTokens: 1200, outputTokens: 34, cacheReadTokens: 800, cacheWriteTokens: 100 }
  out({ type: 'result', subtype: 'success', is_error: false, duration_ms: 1, result: said, usage, ...about })
  if (turn.linger !== undefined) spawnSync('/bin/sh', ['-c', turn.linger], { stdio: 'inherit' })
}

function ran(command: string) {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8' })
  return { success: { exitCode: status, stdout, stderr, interleavedOutput: stdout + stderr } }
}

function wrote(id: string, { path, content }: { path: string; content: string }) {
  const reason = refusal(id, path)
  if (reason !== null) return { rejected: { reason } }
  writeFileSync(path, content)
  return { success: { message: `Wrote contents to ${path}` } }
}

/** Why the hook of the config folder refuses this write; null when it does not, or there is none. */
function refusal(id: string, path: string): string | null {
  const file = join(process.env.CURSOR_CONFIG_DIR ?? '', 'hooks.json')
  if (!existsSync(file)) return null
  const { hooks } = JSON.parse(readFileSync(file, 'utf8'))
  // A name of an event that it does not know voids the whole file.
  if (Object.keys(hooks).some((name) => name !== 'preToolUse')) return null
  for (const { command, matcher, failClosed } of hooks.preToolUse) {
    if (!new RegExp(`^(${matcher})$`).test('Write')) continue
    const input = JSON.stringify({
      hook_event_name: 'preToolUse',
      tool_name: 'Write',
      tool_use_id: id,
      tool_input: { file_path: path },
    })
    const { status, stderr } = spawnSync('/bin/sh', ['-c', command], { input, encoding: 'utf8' })
    if (status === 2 || (status !== 0 && failClosed)) return stderr
  }
  return null
}

if (process.argv[1] === import.meta.filename) main(process.argv.slice(2))
