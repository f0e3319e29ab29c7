import { expect, test } from 'vitest'
import sapling from '../../runtimes/sapling.ts'
import type { SessionSpec } from '../../src/contract/runtime.ts'

const spec: SessionSpec = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/repo/wt',
  gitFolders: [],
  environment: { ANTHROPIC_API_KEY: 'sk-ant-x' },
  privateDir: '/private',
  instructions: 'Be good.',
  prompt: 'Go.',
  readOnly: false,
  root: false,
  extraArgs: [],
}

const guards = (session: Partial<SessionSpec>) =>
  JSON.parse(sapling.deployHooks({ ...spec, ...session })[0]?.content ?? '{}')

test('an Anthropic key goes to Anthropic, a MiniMax one to MiniMax, and any to where the human says', () => {
  expect(sapling.start({ ...spec, model: 'claude-sonnet-4-5' }).env).toEqual({
    ANTHROPIC_BASE_URL: 'https://api.anthropic.com',
  })
  expect(sapling.start({ ...spec, model: 'MiniMax-M2.5' }).env).toEqual({})
  expect(sapling.start(spec).env).toEqual({})
  const environment = { ANTHROPIC_BASE_URL: 'https://gateway.example' }
  expect(sapling.start({ ...spec, model: 'claude-sonnet-4-5', environment }).env).toEqual({})
  const asked = (environment: Record<string, string>) =>
    sapling.getPromptCommand('Why?', { model: 'claude-sonnet-4-5', environment }).env
  expect(asked({})).toEqual({ ANTHROPIC_BASE_URL: 'https://api.anthropic.com' })
  expect(asked(environment)).toEqual({})
})

test('its guard is whole: without its rules it would be refused, without its boundary it would be none', () => {
  expect(guards({})).toEqual({ rules: [], blockedTools: [], pathBoundary: '/repo/wt' })
  expect(sapling.start(spec).argv.join(' ')).toContain('--guards-file /private/sapling/guards.json')
})

test('a read-only role writes by no file tool but keeps its shell, by which it speaks to ov; exact tools are exactly those', () => {
  expect(guards({ readOnly: true }).blockedTools).toEqual(['edit', 'write'])
  expect(guards({ readOnly: true, tools: ['bash', 'read'] }).blockedTools).toEqual(['edit', 'glob', 'grep', 'write'])
})

test('what the model is not told when it is refused stands in its instructions', () => {
  const instructions = sapling.start({ ...spec, readOnly: true }).files.map(({ content }) => content)
  expect(instructions[0]).toMatch(/^Be good\.\n/)
  for (const words of ['outside your worktree /repo/wt', 'edit, write.']) expect(instructions[0]).toContain(words)
})

test('counts begin anew with each process, and those of its cache are of one request', () => {
  const [, , , begun] = sapling.read('{"type":"ready","model":"m"}')
  expect(begun).toMatchObject({ type: 'usage', scope: 'total', usage: { input: 0, output: 0, cacheRead: null } })
  const counts = { inputTokens: 900, outputTokens: 30, cacheReadTokens: 5, cacheWriteTokens: 1, model: 'm' }
  expect(sapling.read(JSON.stringify({ type: 'turn_end', turn: 2, ...counts }))).toMatchObject([
    { scope: 'total', usage: { input: 900, output: 30, cacheRead: null, cacheWrite: null, costUsd: null } },
    { scope: 'added', usage: { input: null, output: null, cacheRead: 5, cacheWrite: 1 } },
  ])
})
