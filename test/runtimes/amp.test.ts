import { expect, test } from 'vitest'
import amp from '../../runtimes/amp.ts'
import { versionIn } from '../../src/preflight/version.ts'

test.each([
  ["Error: Invalid or missing API key. Run 'amp login' to authenticate.", 'auth'],
  ['Error: API request for getUserInfo failed: 429', 'rate_limit'],
  ['Error: Amp server returned an error. Try again in a moment.', 'overloaded'],
  ["Error: Couldn't connect to the Amp server at http://127.0.0.1:9.", 'network'],
  ['Error: unknown option --nonsense', 'crash'],
  // Taken up once more, then begun anew with a digest.
  ['Thread https://ampcode.com/threads/T-12345678-0000-0000-0000-000000000000 does not exist.', 'crash'],
] as const)('a turn that never began is told by stderr: %s is %s', (stderrTail, cause) => {
  const exit = { code: 1, signal: null, stderrTail, stdoutTail: '', collected: {} }
  expect(amp.exited(exit)).toEqual([{ type: 'failed', cause, message: stderrTail }])
})

test('what a plugin rejected is a tool that failed, though the line calls it no error', () => {
  const content = [
    { type: 'tool_result', tool_use_id: 'TU-1', content: 'Tool rejected by plugin: no', is_error: false },
  ]
  expect(amp.read(JSON.stringify({ type: 'user', message: { role: 'user', content } }))).toMatchObject([
    { type: 'tool_end', ok: false },
    { type: 'accepted' },
  ])
})

test('of a patch every file is shown to the guard', () => {
  const patchText = [
    '*** Begin Patch',
    '*** Add File: a.txt',
    '+*** Add File: no.txt',
    '*** Update File: /abs/b.txt',
    '*** Move to: ../c.txt',
    '@@',
    '-x',
    '*** Delete File: d e.txt',
    '*** End Patch',
  ].join('\n')
  expect(amp.readHook('tool-start', { tool: 'apply_patch', input: { patchText } })).toMatchObject([
    { ask: { when: 'before_tool', tool: 'apply_patch', writes: ['a.txt', '/abs/b.txt', '../c.txt', 'd e.txt'] } },
  ])
})

test('another program that is called amp is told by its version', () => {
  const own = '0.0.1790142911-g7618fb (released 2026-09-23T05:55:11.000Z, 1mo ago)'
  expect(versionIn(own, amp)).toBe('0.0.1790142911')
  expect(versionIn('amp 0.7.1', amp)).toBeNull()
})

test('a question is asked without a tool, and not at all without a folder for the settings that see to it', () => {
  expect(amp.getPromptCommand('Why?', {})).toBeNull()
  const plan = amp.getPromptCommand('Why?', { privateDir: '/private' })
  expect(plan).toMatchObject({ stdin: 'Why?', env: { XDG_CONFIG_HOME: '/private/config' } })
  expect(JSON.parse(plan?.files?.[0]?.content ?? '')).toMatchObject({
    'amp.tools.disable': ['*'],
    'amp.permissions': [{ tool: '*', action: 'reject' }],
  })
})
