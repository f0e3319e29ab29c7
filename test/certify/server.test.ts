import { afterEach, beforeEach, expect, test } from 'vitest'
import claude from '../../runtimes/claude.ts'
import codex from '../../runtimes/codex.ts'
import { always, call, drop, type Hands, hang, held, refuse, say, shell } from '../../src/certify/llm/script.ts'
import { type Llm, startLlm } from '../../src/certify/llm/server.ts'

/** Of two CLIs: each has its own shell. */
const HANDS: Hands = {
  shell: (command, tools) => claude.trial.shell(command, tools) ?? codex.trial.shell(command, tools),
  write: claude.trial.write,
}

let llm: Llm
beforeEach(async () => {
  llm = await startLlm(HANDS)
})
afterEach(() => llm.close())

function post(body: Record<string, unknown>, path = '/v1/messages', signal?: AbortSignal): Promise<Response> {
  return fetch(`${llm.url}${path}`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'm',
      messages: [{ role: 'user', content: 'Hi' }],
      tools: [{ name: 'Bash' }],
      ...body,
    }),
    ...(signal === undefined ? {} : { signal }),
  })
}

const everybody = () => true

test('answers come in the script’s order, whole or streamed as the client wants', async () => {
  llm.play('a', everybody, [call('Bash', { command: 'ls' }, 'Looking.'), say('Done.')])
  const whole = await (await post({})).json()
  expect(whole).toMatchObject({
    stop_reason: 'tool_use',
    content: [
      { type: 'text', text: 'Looking.' },
      { type: 'tool_use', name: 'Bash', input: { command: 'ls' } },
    ],
  })
  const streamed = await (await post({ stream: true })).text()
  expect(streamed.match(/(?<=^event: ).*/gm)).toEqual([
    'message_start',
    'content_block_start',
    'content_block_delta',
    'content_block_stop',
    'message_delta',
    'message_stop',
  ])
  expect(streamed).toContain('"text":"Done."')
  await post({})
  expect(llm.asked('a')).toHaveLength(3)
  expect(llm.unscripted).toHaveLength(1)
})

test('conversations are told apart, and side requests take no step', async () => {
  llm.play('a', (ask) => ask.system.includes('A'), [say('to A')])
  llm.play('b', (ask) => ask.system.includes('B'), [say('to B')])
  expect(await (await post({ tools: [], system: 'A' })).text()).toContain('side answer')
  expect(await (await post({ system: [{ type: 'text', text: 'B' }] })).text()).toContain('to B')
  expect(await (await post({ system: 'A' })).text()).toContain('to A')
  expect(llm.requests.map((request) => request.script)).toEqual(['side', 'b', 'a'])
})

test('it refuses with status, type and headers, once or for good', async () => {
  llm.play('a', everybody, [refuse(429, { headers: { 'retry-after': '7' } }), always(refuse(401))])
  const limited = await post({})
  expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '7'])
  expect(await limited.json()).toMatchObject({ error: { type: 'rate_limit_error' } })
  expect([(await post({})).status, (await post({})).status]).toEqual([401, 401])
})

test('a held step waits for the test’s hand', async () => {
  const step = held(say('now'))
  llm.play('a', everybody, [step])
  const answer = post({})
  expect((await step.reached).messages[0]?.text).toBe('Hi')
  step.release()
  expect(await (await answer).text()).toContain('now')
})

test('it can hang, and cut a stream', async () => {
  llm.play('a', everybody, [hang(), drop()])
  const patience = new AbortController()
  const hung = post({}, '/v1/messages', patience.signal)
  await expect.poll(() => llm.asked('a').length).toBe(1)
  patience.abort()
  await expect(hung).rejects.toThrow()
  await expect((await post({ stream: true })).text()).rejects.toThrow()
})

test('greetings and token counts are answered beside the script; anything else is not found', async () => {
  expect((await fetch(`${llm.url}/api/hello`, { method: 'HEAD' })).status).toBe(200)
  expect(await (await post({}, '/v1/messages/count_tokens')).json()).toMatchObject({ input_tokens: expect.any(Number) })
  expect((await post({}, '/v1/other')).status).toBe(404)
  expect(llm.unscripted).toEqual([])
})

/** As Codex asks. */
function ask(more: Record<string, unknown> = {}): Promise<Response> {
  return fetch(`${llm.url}/v1/responses`, {
    method: 'POST',
    body: JSON.stringify({
      model: 'm',
      instructions: 'Base.',
      tools: [{ type: 'function', name: 'exec_command' }, { type: 'web_search' }],
      input: [
        { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'You are B.' }] },
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] },
        { type: 'function_call', call_id: 'c1', name: 'exec_command', arguments: '{"cmd":"ls"}' },
        { type: 'function_call_output', call_id: 'c1', output: 'a.txt' },
      ],
      ...more,
    }),
  })
}

test('one script answers both services, each by its own tools', async () => {
  llm.play('a', everybody, [shell('ls'), shell('ls')])
  expect(await (await post({})).json()).toMatchObject({
    content: [{ type: 'tool_use', name: 'Bash', input: { command: 'ls' } }],
  })
  const events = (await (await ask()).text()).split('\n').filter((line) => line.startsWith('data: '))
  const items = events.map((line) => JSON.parse(line.slice(6))).filter((event) => event.type.endsWith('item.done'))
  expect(items).toMatchObject([{ item: { type: 'function_call', name: 'exec_command' } }])
  expect(JSON.parse(items[0].item.arguments)).toMatchObject({ cmd: 'ls' })
})

test('the Responses API: developers speak to the system, calls and outputs belong to the conversation', async () => {
  llm.play('a', (one) => one.system.includes('You are B.'), [say('Done.')])
  const text = await (await ask()).text()
  expect(text.match(/(?<=^event: ).*/gm)).toEqual([
    'response.created',
    'response.output_item.added',
    'response.output_text.delta',
    'response.output_item.done',
    'response.completed',
  ])
  const [asked] = llm.asked('a')
  expect(asked).toMatchObject({
    system: 'Base.\nYou are B.',
    tools: ['exec_command'],
    messages: [
      { role: 'user', text: 'Hi' },
      { role: 'assistant', toolCalls: [{ id: 'c1', name: 'exec_command', input: { cmd: 'ls' } }] },
      { role: 'user', toolResults: [{ id: 'c1', text: 'a.txt' }] },
    ],
  })
})

test('the Responses API refuses in its own words, calls free-text tools, and cuts streams', async () => {
  llm.play('a', everybody, [
    refuse(429, { type: 'usage_limit_reached', details: { resets_at: 7 } }),
    call('apply_patch', '*** Begin Patch'),
    drop(),
  ])
  expect(await (await ask()).json()).toMatchObject({ error: { type: 'usage_limit_reached', resets_at: 7 } })
  expect(await (await ask()).text()).toContain('"type":"custom_tool_call","input":"*** Begin Patch"')
  await expect((await ask()).text()).rejects.toThrow()
})
