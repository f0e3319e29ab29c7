import { afterEach, beforeEach, expect, test } from 'vitest'
import { call, drop, refuse, say, shell } from '../../src/certify/llm/script.ts'
import { type Llm, startLlm } from '../../src/certify/llm/server.ts'

let llm: Llm
beforeEach(async () => {
  llm = await startLlm({ shell: (command) => ({ tool: 'bash', input: { command } }), write: () => null })
})
afterEach(() => llm.close())

const everybody = () => true

function ask(more: Record<string, unknown> = {}, path = '/v1/chat/completions'): Promise<Response> {
  return fetch(`${llm.url}${path}`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'm',
      tools: [{ type: 'function', function: { name: 'bash', parameters: {} } }],
      messages: [
        { role: 'system', content: 'You are A.' },
        { role: 'user', content: [{ type: 'text', text: 'Hi' }] },
        { role: 'assistant', content: null, tool_calls: [callOf('c1', '{"command":"ls"}')] },
        { role: 'tool', tool_call_id: 'c1', content: 'a.txt' },
      ],
      ...more,
    }),
  })
}

const callOf = (id: string, args: string) => ({ id, type: 'function', function: { name: 'bash', arguments: args } })

function chunksOf(text: string) {
  const data = text.match(/(?<=^data: ).*/gm) ?? []
  expect(data.at(-1)).toBe('[DONE]')
  return data.slice(0, -1).map((one) => JSON.parse(one))
}

test('chat completions: a conversation is read with its system text, calls and outputs, under any base path', async () => {
  llm.play('a', (one) => one.system.includes('You are A.'), [say('Done.'), say('Again.')])
  expect(await (await ask()).json()).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { role: 'assistant', content: 'Done.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1200, completion_tokens: 34, prompt_tokens_details: { cached_tokens: 800 } },
  })
  expect((await ask({}, '/proxy/v9/chat/completions')).status).toBe(200)
  expect(llm.asked('a')[0]).toMatchObject({
    system: 'You are A.',
    tools: ['bash'],
    messages: [
      { role: 'user', text: 'Hi' },
      { role: 'assistant', toolCalls: [{ id: 'c1', name: 'bash', input: { command: 'ls' } }] },
      { role: 'user', toolResults: [{ id: 'c1', text: 'a.txt' }] },
    ],
  })
})

test('chat completions: a stream carries text and calls in pieces, and its usage to those that ask', async () => {
  llm.play('a', everybody, [call('bash', { command: 'ls' }, 'Looking.'), call('patch', '*** Begin'), shell('pwd')])
  const counted = chunksOf(await (await ask({ stream: true, stream_options: { include_usage: true } })).text())
  expect(
    counted
      .flatMap((one) => one.choices)
      .map((one) => one.delta.content ?? '')
      .join(''),
  ).toBe('Looking.')
  const calls = counted.flatMap((one) => one.choices).flatMap((one) => one.delta.tool_calls ?? [])
  expect(calls[0]).toMatchObject({ index: 0, function: { name: 'bash' } })
  expect(calls.map((one) => one.function.arguments).join('')).toBe('{"command":"ls"}')
  expect(counted.at(-2).choices[0].finish_reason).toBe('tool_calls')
  expect(counted.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 1234 } })
  const patch = chunksOf(
    await (await ask({ stream: true, tools: [{ type: 'custom', custom: { name: 'patch' } }] })).text(),
  )
  expect(patch.flatMap((one) => one.choices).flatMap((one) => one.delta.tool_calls ?? [])).toMatchObject([
    { index: 0, type: 'custom', custom: { name: 'patch', input: '' } },
    { index: 0, custom: { input: '*** Begin' } },
  ])
  const uncounted = chunksOf(await (await ask({ stream: true })).text())
  expect(JSON.stringify(uncounted)).toContain('pwd')
  expect(uncounted.filter((one) => one.usage !== undefined)).toEqual([])
})

test('chat completions: refusals in the service’s words and headers, cut streams, the list of models', async () => {
  llm.play('a', everybody, [refuse(429, { headers: { 'retry-after': '7' } }), drop()])
  const limited = await ask()
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
  expect(await limited.json()).toEqual({
    error: { type: 'rate_limit_error', message: 'scripted error 429', param: null, code: 'rate_limit_exceeded' },
  })
  await expect((await ask({ stream: true })).text()).rejects.toThrow()
  expect(await (await fetch(`${llm.url}/v1/models`)).json()).toMatchObject({ object: 'list', data: [] })
})
