import { afterEach, beforeEach, expect, test } from 'vitest'
import amp from '../../runtimes/amp.ts'
import { drop, refuse, say, shell } from '../../src/certify/llm/script.ts'
import { type Llm, startLlm } from '../../src/certify/llm/server.ts'

/** The emulated server of Amp, by a client that does what Amp's CLI does. */

let llm: Llm
beforeEach(async () => {
  llm = await startLlm(amp.trial)
})
afterEach(() => llm.close())

const post = (path: string, body: unknown, key = 'sgamp_user_x') =>
  fetch(`${llm.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  })

interface Told {
  readonly method: string
  readonly params: Readonly<Record<string, unknown>>
}

/** A connection to a thread, as its executor. */
async function executor(thread: string) {
  const socket = new WebSocket(
    `${llm.url.replace('http', 'ws')}/actors/gateway/threadActor/websocket/?rvt-key=${thread}`,
    ['rivet', 'rivet_encoding.bare'],
  )
  const told: Told[] = []
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data))
    if (message.method !== undefined) told.push(message)
  })
  const closed = new Promise<void>((resolve) => socket.addEventListener('close', () => resolve()))
  await new Promise<void>((resolve) => socket.addEventListener('open', () => resolve()))
  let id = 0
  const send = (method: string, params: unknown) =>
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: `r${id++}`, method, params }))
  send('executor_connect', { clientId: 'me' })
  send('executor_guidance_snapshot', { files: [{ uri: 'file:///AGENTS.md', content: 'Be brief.' }] })
  send('executor_tools_register', { tools: [{ name: 'shell_command' }, { name: 'create_file' }] })
  send('executor_tools_bootstrap_complete', { ok: true })
  return {
    told,
    send,
    closed,
    prompt: (text: string) =>
      send('client_append_user_msg', { messageId: `M-${'a'.repeat(22)}`, content: [{ type: 'text', text }] }),
    /** The next thing told of that kind. */
    next: (method: string) =>
      expect
        .poll(() => told.findIndex((one) => one.method === method))
        .toBeGreaterThanOrEqual(0)
        .then(() => {
          const [found] = told.splice(0, told.findIndex((one) => one.method === method) + 1).slice(-1)
          return found?.params
        }),
    close: () => socket.close(),
  }
}

async function newThread(): Promise<string> {
  const opened = (await (await post('/api/thread-actors', { agentMode: 'medium' })).json()) as { threadId: string }
  return opened.threadId
}

test('a prompt is answered by the script: a tool is leased, its output is in the next request, and the turn ends', async () => {
  llm.play('a', (ask) => ask.system === 'Be brief.', [shell('ls'), say('Done.')])
  const me = await executor(await newThread())
  me.prompt('Look.')
  const { toolCallId, toolName, args } = (await me.next('tool_lease')) ?? {}
  expect([toolName, args]).toEqual(['shell_command', { command: 'ls' }])
  me.send('executor_tool_result', {
    toolCallId,
    run: { status: 'done', result: { output: 'README.md\n', exitCode: 0 } },
  })
  await expect.poll(() => llm.asked('a').length).toBe(2)
  expect(llm.asked('a')[1]?.messages).toMatchObject([
    { role: 'user', text: 'Look.' },
    { role: 'assistant', toolCalls: [{ name: 'shell_command' }] },
    { role: 'user', toolResults: [{ text: 'README.md\n', isError: false }] },
  ])
  await expect.poll(() => me.told.at(-1)).toMatchObject({ method: 'agent_state', params: { state: 'idle' } })
  expect(llm.unscripted).toEqual([])
  me.close()
})

test('a refusal is told and ends the turn; a key of another shape is refused before there is a thread', async () => {
  llm.play('a', () => true, [refuse(429)])
  const me = await executor(await newThread())
  me.prompt('Look.')
  expect(await me.next('error_set')).toMatchObject({ error: { message: '429 scripted error 429' } })
  me.close()
  expect((await post('/api/internal', { method: 'getUserInfo' }, 'nonsense')).status).toBe(401)
})

test('an answer that is cut off cuts the connection once; the model is asked again by the next, and the thread is whole', async () => {
  llm.play('a', () => true, [drop(), say('Done.')])
  const thread = await newThread()
  const first = await executor(thread)
  first.prompt('Look.')
  await first.closed
  const second = await executor(thread)
  expect(await second.next('message_added')).toMatchObject({ message: { role: 'assistant' } })
  second.close()
  const tail = await (await post('/api/internal', { method: 'getThreadTail', params: { thread } })).json()
  expect(tail).toMatchObject({ result: { messages: [{ role: 'user' }, { role: 'assistant' }] } })
})

test('tools that the thread’s settings disable are not on offer', async () => {
  llm.play('a', () => true, [say('Done.')])
  const me = await executor(await newThread())
  me.send('client_update_thread_settings', { settings: { 'tools.disable': ['create_file'] } })
  me.prompt('Look.')
  await expect.poll(() => llm.asked('a')[0]?.tools).toEqual(['shell_command'])
  me.close()
})
