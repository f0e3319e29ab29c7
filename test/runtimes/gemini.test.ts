import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import gemini from '../../runtimes/gemini.ts'
import { transcriptOf } from '../../src/agents/transcript.ts'
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

const fileOf = (path: string, session: Partial<SessionSpec> = {}) => {
  const full = { ...spec, ...session }
  const files = [...gemini.start(full).files, ...gemini.deployHooks(full)]
  return files.find((file) => file.path === `gemini/.gemini/${path}`)?.content ?? ''
}
const settings = (session: Partial<SessionSpec>) => JSON.parse(fileOf('settings.json', session))

const failed = (message: string, timestamp = '2026-11-20T12:00:00.000Z') =>
  gemini.read(JSON.stringify({ type: 'result', status: 'error', timestamp, error: { type: 'unknown', message } }))

test('commits are by whom git says, and by a stand-in where nobody is configured', () => {
  const author = { name: 'Ann', email: 'ann@example.org' }
  const config = (session: Partial<SessionSpec>) => {
    const env: Readonly<Record<string, string>> = gemini.start({ ...spec, ...session }).env
    const pairs = Array.from({ length: Number(env.GIT_CONFIG_COUNT) }, (_, at) => at)
    return Object.fromEntries(pairs.map((at) => [env[`GIT_CONFIG_KEY_${at}`], env[`GIT_CONFIG_VALUE_${at}`]]))
  }
  expect(config({ author })).toEqual({ 'user.name': 'Ann', 'user.email': 'ann@example.org' })
  expect(config({})).toEqual({ 'user.name': 'ov', 'user.email': 'ov@localhost' })
})

test('its tools don’t see its key, unless something else that looks secret is theirs to see', () => {
  const hidden = (environment: Record<string, string>) =>
    settings({ environment }).security.environmentVariableRedaction.enabled
  expect(hidden({ GEMINI_API_KEY: 'k', HOME: '/home/me', XDG_RUNTIME_DIR: '/run' })).toBe(true)
  expect(hidden({ GEMINI_API_KEY: 'k', NPM_TOKEN: 't' })).toBe(false)
  expect(hidden({ GEMINI_API_KEY: 'k', NODE_EXTRA_CA_CERTS: '/ca.pem' })).toBe(false)
})

test.each([
  [{ GEMINI_API_KEY: 'k' }, 'gemini-api-key'],
  [{ GEMINI_API_KEY: 'k', GOOGLE_GEMINI_BASE_URL: 'http://127.0.0.1' }, 'gemini-api-key'],
  [{ GOOGLE_API_KEY: 'k' }, 'vertex-ai'],
  [{ GEMINI_API_KEY: 'k', GOOGLE_GENAI_USE_VERTEXAI: 'true' }, 'vertex-ai'],
  [{ GEMINI_API_KEY: 'k', GOOGLE_GENAI_USE_GCA: 'true' }, 'oauth-personal'],
  [{}, 'oauth-personal'],
])('with %o it logs in by %s', (environment, selectedType) => {
  expect(settings({ environment }).security.auth).toEqual({ selectedType })
})

test('instructions are code for it, whatever code is in them, so that no @word in them is an import', () => {
  const instructions = 'Ask @lead.\n````md\n```sh\nov mail\n```\n````'
  const memory = fileOf('GEMINI.md', { instructions })
  expect(memory).toContain(`\n\`\`\`\`\`markdown\n${instructions}\n\`\`\`\`\`\n`)
  // Its own rule: from a run of backticks to the next of the same length.
  const [region = ''] = /(`+)([\s\S]*?)\1/.exec(memory) ?? []
  expect(region).toContain(instructions)
})

test('a read-only role has no tool that writes, and exact tools are exactly those', () => {
  const removed = (session: Partial<SessionSpec>) => fileOf('policies/ov.toml', session).split('\n')[1]
  expect(removed({ readOnly: true })).toContain('"replace","write_file"')
  expect(removed({})).not.toContain('write_file')
  expect(settings({ tools: ['read_file'] }).tools.core).toEqual(['read_file'])
  expect(settings({}).tools).not.toHaveProperty('core')
})

test('a limit ends after the wait that is named, and the daily one at midnight in California', () => {
  const resetOf = (message: string, at?: string) => {
    const [event] = failed(message, at)
    return event?.type === 'failed' && event.resetAt !== undefined ? new Date(event.resetAt).toISOString() : null
  }
  expect(resetOf('[API Error: Slow down.\nSuggested retry after 6s.]\nPlease wait')).toBe('2026-11-20T12:00:06.000Z')
  expect(resetOf('[API Error: Quota exceeded. Please retry in 34.5s.]')).toBe('2026-11-20T12:00:34.500Z')
  expect(resetOf('[API Error: Your quota will reset after 1h2m3s.]')).toBe('2026-11-20T13:02:03.000Z')
  expect(resetOf('[API Error: Your quota will reset after 2h.]')).toBe('2026-11-20T14:00:00.000Z')
  const daily = '[API Error: You have exhausted your daily quota on this model.]'
  expect(resetOf(daily)).toBe('2026-11-21T08:00:00.000Z')
  expect(resetOf(daily, '2026-07-01T06:59:59.000Z')).toBe('2026-07-01T07:00:00.000Z')
  // Clocks go forward, and back.
  expect(resetOf(daily, '2026-03-08T09:00:00.000Z')).toBe('2026-03-09T07:00:00.000Z')
  expect(resetOf(daily, '2026-11-01T08:00:00.000Z')).toBe('2026-11-02T08:00:00.000Z')
  expect(resetOf('[API Error: Rate limit reached.]')).toBeNull()
  expect(resetOf(daily, 'some day')).toBeNull()
  expect(resetOf(daily, '+275760-09-13T00:00:00.000Z')).toBeNull()
})

test.each([
  ['[API Error: The model is overloaded. Please try again later.]', 'overloaded'],
  ['[API Error: Quota exceeded for metric: x, limit: 0, model: gemini-3]\nPlease wait and try again later.', 'quota'],
  ['[API Error: Quota exceeded for metric: x, limit: 0.5, model: gemini-3]', 'rate_limit'],
  ['[API Error: The service is busy (Status: UNAVAILABLE)]', 'overloaded'],
  ['[API Error: terminated]', 'network'],
  ['Reached max session turns for this session.', 'limit'],
  ['Operation cancelled.', 'interrupted'],
  ['Something new', 'unknown'],
])('%s is %s', (message, cause) => {
  expect(failed(message)).toMatchObject([{ type: 'failed', cause }])
})

test.each([
  [41, null, 'auth'],
  [53, null, 'limit'],
  [173, null, 'rate_limit'],
  [244, null, 'overloaded'],
  [0, null, 'interrupted'],
  [null, 'SIGTERM', 'interrupted'],
  [1, null, 'crash'],
  [139, null, 'crash'],
] as const)('an end without a word, by exit code %o or signal %o, is %s', (code, signal, cause) => {
  const stderrTail = 'Warning: True color (24-bit) support not detected.\nWhy.\n    at async x (y)\n'
  const [event] = gemini.exited({ code, signal, stderrTail, stdoutTail: '', collected: {} })
  expect(event).toMatchObject({ type: 'failed', cause, message: expect.stringMatching(/\)\.\nWhy\.$/) })
})

test('a hook tells of tools and turns, and takes mail behind a tool’s output', () => {
  const call = (more: Record<string, unknown>) => ({ session_id: 's', hook_event_name: 'AfterTool', ...more })
  const ran = call({ tool_name: 'run_shell_command', tool_response: { llmContent: 'x', returnDisplay: 'one' } })
  expect(gemini.readHook('tool-end', ran)).toMatchObject([
    { type: 'ask', ask: { when: 'after_tool', tool: 'run_shell_command' } },
    { type: 'tool_end', ok: true, summary: 'one' },
  ])
  const framed = '<untrusted_context>\nOutput: two\nlines\nProcess Group PGID: 7\n</untrusted_context>'
  const coloured = call({ tool_response: { llmContent: framed, returnDisplay: [[{ text: 'two' }]] } })
  expect(gemini.readHook('tool-end', coloured)).toMatchObject([{}, { type: 'tool_end', summary: 'two\nlines' }])
  const broke = call({ tool_name: 'read_file', tool_response: { error: { message: 'no such file' } } })
  expect(gemini.readHook('tool-end', broke)).toMatchObject([{}, { type: 'tool_end', ok: false }])
  expect(gemini.readHook('tool-end', 'garbage')).toMatchObject([{ type: 'unknown' }])
  expect(JSON.parse(gemini.answerHook('tool-end', { allow: true, context: 'Mail' }).stdout)).toEqual({
    hookSpecificOutput: { hookEventName: 'AfterTool', additionalContext: 'Mail' },
  })
  expect(gemini.answerHook('tool-end', { allow: true })).toEqual({ stdout: '', stderr: '', exit: 0 })
})

test('on its own screen what stands in its box is read without its frame, and a question is a person’s', () => {
  const shown = (file: string) => {
    const [title = '', ...lines] = readFileSync(join(import.meta.dirname, 'fixtures', file), 'utf8').split('\n')
    return gemini.screen({ title, text: lines.join('\n') })
  }
  for (const plain of ['', '-plain']) {
    expect(shown(`gemini-0.61.0.screen-idle-typed${plain}.txt`)).toEqual({
      is: 'idle',
      typed: '/ov Do it\n\nline2 /etc',
    })
    expect(shown(`gemini-0.61.0.screen-idle-ready${plain}.txt`)).toEqual({ is: 'idle', typed: '' })
  }
  const text = 'How would you like to authenticate for this project?\n● 1. Login with Google'
  expect(gemini.screen({ title: '◇  Ready (wt)', text })).toMatchObject({ is: 'dialog', answer: null })
})

test('on its own screen tokens are those of its transcript, each reply once', () => {
  const lines = readFileSync(join(import.meta.dirname, 'fixtures', 'gemini-0.61.0.transcript.jsonl'), 'utf8').split(
    '\n',
  )
  const replies = new Map(
    lines.flatMap((line) => {
      const told = gemini.transcript.used(line)
      return told === null ? [] : [[told.request, told.event.usage] as const]
    }),
  )
  expect([...replies.values()]).toEqual([
    {
      input: 400,
      output: 39,
      cacheRead: 800,
      cacheWrite: null,
      costUsd: null,
      model: 'gemini-3.1-pro-preview-customtools',
    },
    {
      input: 400,
      output: 39,
      cacheRead: 800,
      cacheWrite: null,
      costUsd: null,
      model: 'gemini-3.1-pro-preview-customtools',
    },
    {
      input: 400,
      output: 39,
      cacheRead: 800,
      cacheWrite: null,
      costUsd: null,
      model: 'gemini-3.1-pro-preview-customtools',
    },
  ])
})

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gemini-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** The conversation of a session whose file is a recorded one, up to a line. */
const conversation = (fixture: string, id: string, lines?: number) => {
  const chats = join(folder, 'gemini', '.gemini', 'tmp', 'wt', 'chats')
  mkdirSync(chats, { recursive: true })
  const text = readFileSync(join(import.meta.dirname, 'fixtures', `gemini-0.61.0.${fixture}.jsonl`), 'utf8')
  writeFileSync(
    join(chats, `session-2026-11-20T12-00-${id.slice(0, 8)}.jsonl`),
    text.split('\n').slice(0, lines).join('\n'),
  )
  const found = transcriptOf(gemini, { environment: {}, privateDir: folder }, () => id)
  if (found === undefined) throw new Error('it keeps none')
  return found
}

test('prompts and tool outputs are in the context, across a resume', async () => {
  const id = 'b3ec5ba6-0f49-4319-b160-0ae2399a1cc3'
  const kept = conversation('transcript', id)
  for (const mark of ['MARK1', 'MARK2', 'TOOLOUT']) expect(await kept.has(mark)).toBe(true)
  expect(await kept.has('session_context')).toBe(false)
  expect(await kept.canResume(id)).toBe(true)
})

test('a prompt that got no answer is taken back: not in the context any more, and nothing to go on with', async () => {
  const id = 'e1c03304-516a-48ab-8fa8-4f5d092449da'
  expect(await conversation('taken-back', id, 3).has('MARK1')).toBe(true)
  const kept = conversation('taken-back', id)
  expect(await kept.has('MARK1')).toBe(false)
  expect(await kept.canResume(id)).toBe(false)
})
