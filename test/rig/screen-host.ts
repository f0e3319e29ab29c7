/**
 * Runs in a pane of tmux as a runner does, and gives the FAKE screen CLI its prompts, one after another.
 *
 * node screen-host.ts SOCKET FOLDER FIRST COUNT reports|screen-only
 *
 * FOLDER/events.ndjson: what the session told; its last line is `"over"`.
 */
import { appendFileSync, existsSync, readFileSync, watch, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import claude from '../../runtimes/claude.ts'
import { systemClock } from '../../src/clock.ts'
import type { AgentEvent, AgentRuntime, HookEvent, SessionSpec } from '../../src/contract/runtime.ts'
import { ownPane } from '../../src/os/tmux.ts'
import { openInteractive } from '../../src/runner/interactive.ts'
import { hardPrompts } from './prompts.ts'

const [socket = '', folder = '', first = '0', count = '1', kind = ''] = process.argv.slice(2)
const prompts = hardPrompts(1_000).slice(Number(first), Number(first) + Number(count))
const reports = kind === 'reports'
const reported = join(folder, 'reported.ndjson')
writeFileSync(reported, '')

const hooks = Object.fromEntries(
  ['SessionStart', 'UserPromptSubmit', 'Stop'].map((name) => [
    name,
    [{ hooks: [{ command: `cat >> '${reported}'; echo >> '${reported}'` }] }],
  ]),
)
const NAMES: Record<string, HookEvent> = { SessionStart: 'session-start', UserPromptSubmit: 'prompt', Stop: 'stop' }

const runtime: AgentRuntime = {
  ...claude,
  start: () => ({
    protocol: 'interactive',
    argv: [
      ...[process.execPath, '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'screen-cli.ts')],
      ...[folder, '--session-id', 'fake', '--settings', JSON.stringify({ hooks })],
    ],
    env: {},
    files: [],
    firstPrompt: 'at-once',
  }),
  sendInput: (text) => ({ by: 'paste', text }),
  deployHooks: () => [],
}

const note = (what: unknown) => appendFileSync(join(folder, 'events.ndjson'), `${JSON.stringify(what)}\n`)
const spec = { worktree: folder } as SessionSpec

let next = 0
const emit = (event: AgentEvent) => {
  note(event.type === 'accepted' ? { type: 'accepted' } : event)
  if (event.type !== 'turn_end') return
  const prompt = prompts[++next]
  if (prompt !== undefined) return session.prompt(prompt)
  note('over')
  process.exit(0)
}

const session = openInteractive({
  runtime,
  spec: () => spec,
  program: null,
  contain: (argv) => [...argv],
  deathOf: () => null,
  environment: { PATH: process.env.PATH ?? '', TERM: process.env.TERM ?? '' },
  writeFiles: () => undefined,
  readFile: () => null,
  log: { write: (stream, text) => (stream === 'ov' ? note(text) : undefined), close: () => undefined },
  emit,
  reader: { behind: () => false, caughtUp: () => undefined },
  tmux: { socket },
  pane: ownPane() ?? '',
  now: () => systemClock.monotonic(),
  reports,
  dialogs: ['known'],
  answered: () => undefined,
})

let read = 0
const follow = () => {
  const lines = readFileSync(reported, 'utf8').split('\n')
  const whole = lines.slice(0, -1)
  for (const line of whole.slice(read)) {
    if (line === '') continue
    const payload: { hook_event_name: string; stop_hook_active?: boolean } = JSON.parse(line)
    for (const event of claude.readHook(NAMES[payload.hook_event_name] ?? 'compact', payload))
      if (event.type !== 'ask') session.report(event)
  }
  read = whole.length
}
if (reports && existsSync(reported)) watch(reported, follow)

session.prompt(prompts[0] ?? '')
