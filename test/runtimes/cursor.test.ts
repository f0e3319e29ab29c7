import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import cursor from '../../runtimes/cursor.ts'
import { versionIn } from '../../src/preflight/version.ts'

/** What others recorded of Cursor's CLI 2026.07.20; it was never run here. */
const LINES = readFileSync(join(import.meta.dirname, 'fixtures', 'cursor-documented.jsonl'), 'utf8')
  .split('\n')
  .filter(Boolean)

test('every line that others recorded is understood: three tools that went well, what was said, what it used', () => {
  const events = LINES.flatMap((line) => [...cursor.read(line)])
  expect(events.filter(({ type }) => type === 'unknown')).toEqual([])
  expect(events.find(({ type }) => type === 'started')).toMatchObject({
    session: expect.stringMatching(/^[\da-f-]{36}$/),
  })
  expect(events.filter(({ type }) => type === 'tool_start')).toMatchObject([
    { tool: 'read', summary: '/lab/notes.txt' },
    { tool: 'shell', summary: 'wc -l notes.txt' },
    { tool: 'edit', summary: '/lab/count.txt' },
  ])
  expect(events.filter(({ type }) => type === 'tool_end')).toMatchObject([{ ok: true }, { ok: true }, { ok: true }])
  expect(events.slice(-2)).toMatchObject([
    { type: 'usage', usage: { input: 8830, output: 185, cacheRead: 44800, cacheWrite: 0, costUsd: null } },
    { type: 'turn_end' },
  ])
})

test('a line that is cut off is unknown', () => {
  for (const line of LINES) expect(cursor.read(line.slice(0, line.length / 2))).toMatchObject([{ type: 'unknown' }])
})

test.each([
  ["Error: Authentication required. Please run 'agent login' first", 1, 'auth'],
  ['Error: [resource_exhausted] Error', 1, 'rate_limit'],
  ['You have hit your usage limit', 1, 'quota'],
  ['Cannot use this model: nosuch. Available models: auto', 1, 'model'],
  ['Error: getaddrinfo ENOTFOUND api2.cursor.sh', 1, 'network'],
  ['Workspace Trust Required', 1, 'refused'],
  ['', 0, 'crash'],
  ['Segmentation fault', 139, 'crash'],
] as const)('an end without a result is a failure: %s (exit code %i) is %s', (stderrTail, code, cause) => {
  const [event] = cursor.exited({ code, signal: null, stderrTail, stdoutTail: LINES[0] ?? '', collected: {} })
  expect(event).toMatchObject({ type: 'failed', cause, message: expect.stringContaining(stderrTail) })
})

test('another program that is called agent is told by its version', () => {
  expect(versionIn('2026.07.20-8cc9c0b\n', cursor)).toBe('2026.07.20')
  for (const other of ['agent version 1.4.2', '7.61.0', 'Agent 7.61.0 - Commit: 4dba7d9', 'v20.1.1'])
    expect(versionIn(other, cursor)).toBeNull()
})
