import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import codex from '../../runtimes/codex.ts'
import type { SessionSpec } from '../../src/contract/runtime.ts'
import { guardVerdict } from '../../src/runner/guard.ts'
import { panes } from './recordings.ts'

const spec: SessionSpec = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/repo/wt "odd"',
  gitFolders: ['/repo/.git/objects', '/repo/.git/worktrees/wt'],
  environment: { HOME: '/home/me' },
  privateDir: '/private',
  instructions: 'Be good.',
  prompt: 'Go.',
  readOnly: false,
  root: false,
  extraArgs: [],
}
const onScreen: SessionSpec = { ...spec, interactive: { repository: '/repo' }, hook: '/private/bin/ov-hook' }

function configOf(session: SessionSpec): string {
  return codex.start(session).files.find((file) => file.path.endsWith('config.toml'))?.content ?? ''
}

/** The frame by which its thread begins. */
function threadOf(session: SessionSpec): { method: string; params: Record<string, unknown> } {
  const frame = codex.start(session).hello?.at(-1)
  return JSON.parse(frame?.via === 'stdin' ? frame.line : '{}')
}

test('it may write its worktree, what a commit needs, and temporary files; a read-only role the latter alone', () => {
  const written = (session: SessionSpec) =>
    configOf(session)
      .split('\n')
      .filter((line) => line.endsWith('= "write"'))
      .map((line) => JSON.parse(line.slice(0, -' = "write"'.length)))
  expect(written(spec)).toEqual([':tmpdir', ':slash_tmp', spec.worktree, ...spec.gitFolders])
  expect(written({ ...spec, readOnly: true })).toEqual([':tmpdir', ':slash_tmp'])
})

test('the human’s login is shared by a link, wherever their folder lies, and what the model runs can’t read it', () => {
  const plan = codex.start(spec)
  expect(plan.env).toEqual({ CODEX_HOME: '/private/codex' })
  expect(plan.links).toContainEqual({ path: 'codex/auth.json', to: '/home/me/.codex/auth.json' })
  expect(configOf(spec)).toContain('"/home/me/.codex/auth.json" = "deny"')
  const elsewhere = { ...spec, environment: { HOME: '/home/me', CODEX_HOME: '/cfg' } }
  expect(codex.start(elsewhere).links).toContainEqual({ path: 'codex/auth.json', to: '/cfg/auth.json' })
})

test('a fresh session begins a thread that asks nobody; a resumed one takes up its own', () => {
  expect(threadOf(spec)).toMatchObject({
    method: 'thread/start',
    params: { cwd: spec.worktree, approvalPolicy: 'never', developerInstructions: 'Be good.' },
  })
  expect(threadOf({ ...spec, resume: 'abc', model: 'gpt-6' })).toMatchObject({
    method: 'thread/resume',
    params: { threadId: 'abc', model: 'gpt-6' },
  })
})

test('the repository is declared untrusted, or Codex would trust it and run its servers; its AGENTS.md is passed on', () => {
  for (const session of [spec, onScreen])
    expect(configOf(session)).toContain(`[projects.${JSON.stringify(spec.worktree)}]\ntrust_level = "untrusted"`)
  expect(configOf(onScreen)).toContain('[projects."/repo"]\ntrust_level = "untrusted"')
  expect(codex.start(spec).links).toContainEqual({ path: 'codex/AGENTS.md', to: `${spec.worktree}/AGENTS.md` })
})

test('the hooks of a screen are trusted by the digest that Codex itself would write', () => {
  const [file] = codex.deployHooks(onScreen)
  expect(file?.path).toBe('codex/hooks.json')
  const events = Object.keys(JSON.parse(file?.content ?? '{}').hooks)
  expect(events).toEqual(['SessionStart', 'UserPromptSubmit', 'PreToolUse', 'PostToolUse', 'Stop'])
  // As told by hooks/list of 0.169.0 for exactly this hook.
  expect(configOf({ ...onScreen, hook: '/p/ov-hook' })).toContain(
    '[hooks.state."/private/codex/hooks.json:stop:0:0"]\ntrusted_hash = "sha256:8ea163d1173aab12e5c54bad6544a6c894c5e58e860e2ac6e387fe016ef6ec78"',
  )
  expect(configOf(onScreen).match(/trusted_hash/g)).toHaveLength(6)
  expect(codex.deployHooks(spec)).toEqual([])
})

test('an approval that somebody’s own settings make it ask for is declined: nobody is at a screen', () => {
  const [event] = codex.read(
    '{"id":0,"method":"item/commandExecution/requestApproval","params":{"command":"git push","reason":"need push"}}',
  )
  if (event?.type !== 'ask') throw new Error('no question')
  const verdict = guardVerdict(event.ask, { worktree: '/w', readOnly: false })
  expect(verdict).toMatchObject({ allow: false })
  const line = (allow: boolean) => {
    const frame = codex.answer(event.ask, allow ? { allow } : { allow, reason: 'no' })
    return JSON.parse(frame?.line ?? '{}')
  }
  expect(line(false)).toEqual({ id: 0, result: { decision: 'decline' } })
  expect(line(true)).toEqual({ id: 0, result: { decision: 'accept' } })
})

test('a form, a login or a tool of the client’s is answered by an error, so that it blocks nothing', () => {
  for (const method of ['item/tool/requestUserInput', 'mcpServer/elicitation/request', 'attestation/generate']) {
    const [event] = codex.read(JSON.stringify({ id: 'x', method, params: {} }))
    if (event?.type !== 'ask') throw new Error('no question')
    const frame = codex.answer(event.ask, { allow: false, reason: 'Nobody.' })
    expect(JSON.parse(frame?.line ?? '{}')).toEqual({ id: 'x', error: { code: -32000, message: 'Nobody.' } })
  }
})

/** The failure that a turn ended with, said at this time. */
function failureOf(message: string, at: Date): unknown {
  const error = { message, codexErrorInfo: 'usageLimitExceeded' }
  const params = { threadId: 't', turn: { id: 'u', status: 'failed', error, items: [] } }
  return codex.read(JSON.stringify({ method: 'turn/completed', params, emittedAtMs: at.getTime() }))[0]
}

test('a limit’s reset is read out of its prose: later today, after midnight, on another day; never too early', () => {
  const at = new Date(2026, 10, 20, 23, 50, 30)
  const said = (when: string) => failureOf(`You’ve hit your usage limit. Upgrade, or try again at ${when}.`, at)
  const until = (...time: [number, number, number, number, number]) => ({
    cause: 'rate_limit',
    resetAt: new Date(...time).getTime(),
  })
  expect(said('11:55 PM')).toMatchObject(until(2026, 10, 20, 23, 56))
  expect(said('11:50 PM')).toMatchObject(until(2026, 10, 20, 23, 51))
  expect(said('12:10 AM')).toMatchObject(until(2026, 10, 21, 0, 11))
  expect(said('Nov 25th, 2026 6:40 PM')).toMatchObject(until(2026, 10, 25, 18, 41))
  expect(said('a later time')).not.toHaveProperty('resetAt')
})

test('a failed request that is tried again is no failure, and says for what reason', () => {
  const error = {
    message: 'Reconnecting... 2/5',
    codexErrorInfo: { responseStreamDisconnected: { httpStatusCode: 503 } },
  }
  const line = (willRetry: boolean) => codex.read(JSON.stringify({ method: 'error', params: { error, willRetry } }))
  expect(line(true)).toEqual([{ type: 'retrying', attempt: 2, delayMs: 0, cause: 'overloaded' }])
  expect(line(false)).toEqual([])
})

test('an account without a login fails before anything is asked; a provider that needs none goes on', () => {
  const account = (requiresOpenaiAuth: boolean, who: unknown) =>
    codex.read(JSON.stringify({ id: 'ov-account', result: { account: who, requiresOpenaiAuth } }))
  expect(account(true, null)).toMatchObject([{ type: 'failed', cause: 'auth' }])
  expect(account(true, { type: 'apiKey' })).toEqual([])
  expect(account(false, null)).toEqual([])
})

test('cached input is counted once, as read from the cache', () => {
  const total = { inputTokens: 2400, cachedInputTokens: 1600, cacheWriteInputTokens: 0, outputTokens: 68 }
  const line = { method: 'thread/tokenUsage/updated', params: { tokenUsage: { total } } }
  expect(codex.read(JSON.stringify(line))).toMatchObject([
    { type: 'usage', scope: 'total', usage: { input: 800, cacheRead: 1600, output: 68, costUsd: null } },
  ])
})

test('what would be a command, a mention or a shell line on its screen is typed as text', () => {
  const typed = (text: string) => {
    const input = codex.sendInput(text, { busy: false, sequence: 0, interactive: true })
    return input.by === 'paste' ? input.text : null
  }
  for (const text of ['/compact', '!ls', '@file', '$skill', '?']) expect(typed(text)).toBe(`Message:\n${text}`)
  expect(typed('# Your task')).toBe('# Your task')
  expect(typed('ends in \\')).toBe('ends in \\\n')
})

test('a screen that asks for a login is left to a person, who is told what to type', () => {
  const pane = panes().find((one) => one.file.endsWith('codex-0.169.0.screen-dialog-sign-in.txt'))
  expect(pane && codex.screen(pane)).toEqual({ is: 'dialog', about: 'sign in (codex login)', answer: null })
})

test('its start-up questions are answered from wherever the cursor stands; a strange one is left to a person', () => {
  const pane = panes().find((one) => one.file.endsWith('codex-0.169.0.screen-dialog-trust.txt'))
  if (!pane) throw new Error('no pane')
  expect(codex.screen(pane)).toMatchObject({ answer: ['Enter'] })
  const moved = pane.text.replace('› 1.', '  1.').replace('  2.', '› 2.')
  expect(codex.screen({ ...pane, text: moved })).toMatchObject({ answer: ['Up', 'Enter'] })
  const model = '  Meet GPT-7\n\n› 1. Try new model\n  2. Use existing model\n\n  enter/esc confirm · ^c quit'
  expect(codex.screen({ title: 'x', text: model })).toMatchObject({ answer: ['Down', 'Enter'] })
  const hooks = '  Hooks need review\n\n› 1. Review hooks\n  2. Trust all and continue\n\n  enter confirm · esc skip'
  expect(codex.screen({ title: 'x', text: hooks })).toMatchObject({ about: 'Hooks need review', answer: null })
})

test('what is typed and not sent is seen, over several lines; the hint in an empty box is not typed text', () => {
  const typed = (what: string) => {
    const pane = panes().find((one) => one.file.endsWith(`codex-0.169.0.screen-idle-${what}.txt`))
    const screen = pane && codex.screen(pane)
    return screen?.is === 'idle' ? screen.typed : screen
  }
  expect(typed('typed')).toBe('please run it\nsecond line')
  expect(typed('typed-long')).toBe('[Pasted Content 3005 chars]')
  expect(typed('typed-many')).toMatch(/^a line of text\n(.*\n)*end$/)
  expect(typed('done')).toBe('')
})

test('its transcript tells which prompts and tool outputs entered the context, also in the middle of a turn', () => {
  const file = join(import.meta.dirname, 'fixtures', 'codex-0.169.0.transcript.jsonl')
  const texts = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => codex.transcript.entered(line))
  expect(texts).toEqual([
    expect.stringContaining('You are `builder-1`'),
    expect.stringContaining('<environment_context>'),
    'Go.',
    expect.stringContaining('held'),
    'Steer.',
    'Again.',
  ])
  expect(codex.transcript.locate('abc', spec)).toEqual({ folder: '/private/codex/sessions', endsWith: '-abc.jsonl' })
})
