import { expect, test } from 'vitest'
import goose from '../../runtimes/goose.ts'

const message = (text: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    type: 'message',
    message: { role: 'assistant', created: 1000, content: [{ type: 'text', text }], metadata: more },
  })

test('what the model says is never taken for goose’s own word', () => {
  const words =
    'Ran into this error: Rate limit exceeded: full.\n\nPlease retry if you think this is a transient error.'
  expect(goose.read(message(words, { inference: { provider: 'openai' } }))).toEqual([
    { type: 'text', text: words, piece: true },
  ])
  expect(goose.read(message(words))).toEqual([
    { type: 'failed', cause: 'rate_limit', message: 'Ran into this error: Rate limit exceeded: full.' },
  ])
  expect(goose.read(message('Compaction complete'))).toEqual([
    { type: 'text', text: 'Compaction complete', piece: true },
  ])
})

test.each([
  ['1h2m3.5s', 3724],
  ['20s', 20],
  ['6m0s', 360],
  ['350ms', 1],
  ['soon', null],
])('a limit that ends in %s', (words, seconds) => {
  const said = `Ran into this error: Rate limit exceeded: Please try again in ${words}.`
  const resetAt = seconds === null ? {} : { resetAt: (1000 + seconds) * 1000 }
  expect(goose.read(message(said))).toEqual([{ type: 'failed', cause: 'rate_limit', message: said, ...resetAt }])
})

test('its guard asks about the file; a call it can’t read, and no answer, refuse', () => {
  const asked = goose.readHook('tool-start', { tool_name: 'write', tool_call_id: 'c', tool_input: { path: '../x' } })
  expect(asked).toEqual([{ type: 'ask', ask: { id: 'c', when: 'before_tool', tool: 'write', writes: '../x' } }])
  expect(goose.readHook('tool-start', { tool_name: 'write', tool_input: { file: 'x' } })).toMatchObject([
    { type: 'unknown' },
  ])
  expect(goose.answerHook('tool-start', { allow: true }).stdout).toBe('{"decision":"allow"}\n')
  expect(JSON.parse(goose.answerHook('tool-start', { allow: false, reason: 'No' }).stdout)).toEqual({
    decision: 'block',
    reason: 'No',
  })
})

test('the newest request tells what is in the context', () => {
  const input = {
    messages: [
      { role: 'user', content: [{ text: 'mail 7' }] },
      { role: 'tool', content: 'mail 8' },
    ],
  }
  const entered = goose.transcript.entered(JSON.stringify({ model_config: {}, input }))
  expect(entered).toEqual(expect.arrayContaining(['mail 7', 'mail 8']))
  expect(goose.transcript.entered('{"data":{"content":"mail 9"},"usage":null}')).toEqual([])
})
