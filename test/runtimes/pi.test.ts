import { expect, test } from 'vitest'
import pi from '../../runtimes/pi.ts'
import type { SessionSpec } from '../../src/contract/runtime.ts'

const spec: SessionSpec = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/repo/wt',
  gitFolders: [],
  environment: { HOME: '/home/me' },
  privateDir: '/private',
  instructions: 'Be good.',
  prompt: 'Go.',
  readOnly: false,
  root: false,
  extraArgs: [],
}

/** What follows `flag` in the arguments. */
const after = (flag: string, session: Partial<SessionSpec>) => {
  const { argv } = pi.start({ ...spec, ...session })
  return argv.includes(flag) ? argv[argv.indexOf(flag) + 1] : undefined
}

const settled = (facts: Record<string, unknown>) =>
  pi.read(
    JSON.stringify({
      type: 'extension_ui_request',
      id: 'x',
      method: 'setStatus',
      statusKey: 'ov',
      statusText: JSON.stringify({ is: 'settled', ...facts }),
    }),
  )

test('the login and the providers are the human’s, from their own folder where they have one', () => {
  expect(pi.start(spec).links).toEqual([
    { path: 'pi/auth.json', to: '/home/me/.pi/agent/auth.json' },
    { path: 'pi/models.json', to: '/home/me/.pi/agent/models.json' },
  ])
  const { links } = pi.start({ ...spec, environment: { PI_CODING_AGENT_DIR: '/theirs' } })
  expect(links?.map(({ to }) => to)).toEqual(['/theirs/auth.json', '/theirs/models.json'])
})

test('a read-only role has no tool that writes, and exact tools are exactly those', () => {
  expect(after('--exclude-tools', { readOnly: true })).toBe('edit,write')
  expect(after('--exclude-tools', {})).toBeUndefined()
  expect(after('--tools', { readOnly: true, tools: ['read', 'grep'] })).toBe('read,grep')
  expect(pi.start({ ...spec, tools: [] }).argv).toContain('--no-tools')
})

test('the end of a limit is what the headers say, as a time, as seconds or as a date', () => {
  const at = Date.UTC(2026, 10, 20)
  const limited = (headers: Record<string, string>) =>
    settled({ stop: 'error', error: '429 {"error":{"message":"slow down"}}', refusal: { at, headers } })
  expect(limited({ 'retry-after': '90' })).toEqual([
    { type: 'failed', cause: 'rate_limit', message: '429 slow down', resetAt: at + 90_000 },
  ])
  const unified = { 'retry-after': '1', 'anthropic-ratelimit-unified-reset': String(at / 1000 + 7200) }
  expect(limited(unified)).toMatchObject([{ resetAt: at + 7_200_000 }])
  expect(limited({ 'retry-after': new Date(at + 60_000).toUTCString() })).toMatchObject([{ resetAt: at + 60_000 }])
  expect(limited({ 'retry-after': 'soon' })[0]).not.toHaveProperty('resetAt')
})

test('a dialog that is not the guard’s has nobody to answer it', () => {
  const [event] = pi.read('{"type":"extension_ui_request","id":"7","method":"confirm","title":"Sure?"}')
  expect(event).toMatchObject({ type: 'ask', ask: { id: '7', interactive: true } })
  if (event?.type !== 'ask') throw new Error('no question')
  expect(JSON.parse(pi.answer(event.ask, { allow: true }).line)).toEqual({
    type: 'extension_ui_response',
    id: '7',
    cancelled: true,
  })
})

test('a session’s file tells what entered the context: prompts and the output of tools', () => {
  const line = (role: string, content: unknown) =>
    JSON.stringify({ type: 'message', id: 'a', message: { role, content } })
  const text = (words: string) => [{ type: 'text', text: words }]
  expect(pi.transcript.entered(line('user', text('mail 1')))).toEqual(['mail 1'])
  expect(pi.transcript.entered(line('toolResult', text('mail 2')))).toEqual(['mail 2'])
  expect(pi.transcript.entered(line('assistant', text('mail 3')))).toEqual([])
  const place = { environment: {}, privateDir: '/private' }
  expect(pi.transcript.locate('abc', place)).toEqual({ folder: '/private/pi/sessions', endsWith: '_abc.jsonl' })
})

test('what 0.74 prints at the end of a run is not guessed at: it may be tried again', () => {
  expect(pi.read('{"type":"agent_end","messages":[]}')).toMatchObject([{ type: 'unknown' }])
  const { argv } = pi.start(spec)
  // That version has no such option, and ends at once.
  expect(argv).toContain('--session-id')
  const exit = {
    code: 1,
    signal: null,
    stderrTail: 'Error: Unknown option: --session-id',
    stdoutTail: '',
    collected: {},
  }
  expect(pi.exited(exit)).toMatchObject([{ type: 'failed', message: expect.stringContaining('--session-id') }])
})

test('on its own screen a prompt is text, never a command, a shell or a file, and a long one is pasted', () => {
  const prompt = (text: string) => {
    const plan = pi.start({ ...spec, prompt: text, interactive: { repository: '/repo' } })
    return plan.firstPrompt === 'included' ? plan.argv.at(-1) : null
  }
  expect(prompt('Go.\n/compact')).toBe('Go.\n/compact')
  for (const text of ['/compact', '!ls', ' @notes.md']) expect(prompt(text)).toBe(`Message:\n${text}`)
  expect(prompt('x'.repeat(200_000))).toBeNull()
  expect(pi.sendInput('/quit', { busy: false, sequence: 1, interactive: true })).toEqual({
    by: 'paste',
    text: 'Message:\n/quit',
  })
})

test('on its own screen a failed turn is no end that could be put off by mail', () => {
  const failed = { stop: 'error', error: '401 {"error":{"message":"invalid x-api-key"}}' }
  expect(pi.readHook('stop', { failed })).toEqual([{ type: 'failed', cause: 'auth', message: '401 invalid x-api-key' }])
  expect(pi.readHook('stop', { last_assistant_message: 'Done.' })).toEqual([
    { type: 'ask', ask: { id: '', when: 'stop' } },
    { type: 'turn_end', text: 'Done.' },
  ])
})

test('tokens of a session on its own screen are those of each reply and of each summary', () => {
  const counts = { input: 10, output: 3, cacheRead: 2, cacheWrite: 1, cost: { total: 0.5 } }
  const tokens = { input: 10, output: 3, cacheRead: 2, cacheWrite: 1, costUsd: 0.5 }
  const reply = { type: 'message', id: 'a1', message: { role: 'assistant', model: 'm', usage: counts } }
  expect(pi.transcript.used(JSON.stringify(reply))).toMatchObject({ request: 'a1', event: { usage: tokens } })
  const summary = JSON.stringify({ type: 'compaction', id: 'b2', summary: 'So far', usage: counts })
  expect(pi.transcript.used(summary)).toMatchObject({ request: 'b2', event: { usage: tokens } })
  expect(pi.transcript.used('{"type":"message","id":"c3","message":{"role":"user","content":"hi"}}')).toBeNull()
})
