import type { ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Ask, Message, Reply } from './script.ts'
import type { Wire } from './wire.ts'

/** The OpenAI chat completions API, as its many clients know it: `POST …/chat/completions`, streamed or whole. */
export const chat: Wire = {
  read(path, body) {
    if (!path.endsWith('/chat/completions')) return null
    const parsed = requestSchema.safeParse(body)
    return parsed.success ? askOf(parsed.data) : null
  },
  write(reply, ask, response, id) {
    switch (reply.is) {
      case 'message':
        if (ask.stream) {
          begin(response, id)
          for (const chunk of chunksOf(reply, ask, id)) response.write(sse(chunk))
          response.end('data: [DONE]\n\n')
        } else json(response, 200, wholeOf(reply, ask, id), id)
        return
      case 'error': {
        const { type, message } = reply
        const error = { message, type, param: null, code: CODES[reply.status] ?? null, ...reply.details }
        json(response, reply.status, { error }, id, reply.headers)
        return
      }
      case 'hang':
        return
      case 'drop':
        begin(response, id)
        for (const chunk of chunksOf({ is: 'message', text: reply.text, calls: [] }, ask, id).slice(0, 2))
          response.write(sse(chunk))
        setImmediate(() => response.destroy())
        return
    }
  },
  aside(request, path, _body, response) {
    if (request.method !== 'GET' || !/^(\/v1)?\/models$/.test(path)) return false
    // Codex asks for `models`, all others read `data`.
    json(response, 200, { object: 'list', data: [], models: [] }, 'models')
    return true
  },
}

const part = z.looseObject({ type: z.string(), text: z.string().optional() })
const content = z.union([z.string(), z.array(part)]).nullish()
/** Tools that take free text are `custom`. */
const toolCall = z.looseObject({
  id: z.string(),
  function: z.looseObject({ name: z.string(), arguments: z.string() }).optional(),
  custom: z.looseObject({ name: z.string(), input: z.string() }).optional(),
})
const named = z.looseObject({ name: z.string() }).optional()
const requestSchema = z.looseObject({
  model: z.string(),
  messages: z.array(
    z.looseObject({
      role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
      content,
      tool_calls: z.array(toolCall).nullish(),
      tool_call_id: z.string().optional(),
    }),
  ),
  tools: z.array(z.looseObject({ function: named, custom: named })).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
})
type Turn = z.infer<typeof requestSchema>['messages'][number]

function askOf(request: z.infer<typeof requestSchema>): Ask {
  return {
    model: request.model,
    system: request.messages
      .filter(ofTheSystem)
      .map((one) => textOf(one.content))
      .join('\n'),
    messages: request.messages.filter((one) => !ofTheSystem(one)).map(messageOf),
    tools: (request.tools ?? []).flatMap((one) => one.function?.name ?? one.custom?.name ?? []),
    stream: request.stream ?? false,
    ...(request.stream && !request.stream_options?.include_usage ? { uncounted: true } : {}),
  }
}

function ofTheSystem({ role }: Turn): boolean {
  return role === 'system' || role === 'developer'
}

function messageOf(one: Turn): Message {
  const text = textOf(one.content)
  if (one.role === 'tool')
    return {
      role: 'user',
      text: '',
      toolCalls: [],
      toolResults: [{ id: one.tool_call_id ?? '', text, isError: false }],
    }
  return {
    role: one.role === 'assistant' ? 'assistant' : 'user',
    text,
    toolCalls: (one.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function?.name ?? call.custom?.name ?? '',
      input: call.custom?.input ?? jsonOrText(call.function?.arguments ?? ''),
    })),
    toolResults: [],
  }
}

function textOf(value: z.infer<typeof content>): string {
  if (typeof value === 'string') return value
  return (value ?? []).flatMap((one) => one.text ?? []).join('\n')
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A client may give back what a model said, well-formed or not.
    return text
  }
}

/** The names the service itself gives to these statuses. */
const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  404: 'model_not_found',
  429: 'rate_limit_exceeded',
  500: 'server_error',
}

/** Every answer costs the same, so that a test can count: 1200 in, 800 of them from cache; 34 out, 5 of them reasoning. */
const USAGE = {
  prompt_tokens: 1200,
  completion_tokens: 34,
  total_tokens: 1234,
  prompt_tokens_details: { cached_tokens: 800, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 5, audio_tokens: 0 },
}

type Spoken = Extract<Reply, { is: 'message' }>

function head(ask: Ask, id: string, object: string): Readonly<Record<string, unknown>> {
  return { id: `chatcmpl-${id}`, object, created: Math.floor(Date.now() / 1000), model: ask.model }
}

/** A call, and how its beginning and its end are streamed. */
function callsOf(reply: Spoken, id: string) {
  return reply.calls.map(({ tool, input }, index) => {
    const call = { id: `call_${id}_${index}` }
    if (typeof input === 'string') {
      const custom = { name: tool, input }
      return {
        whole: { ...call, type: 'custom', custom },
        pieces: [
          { ...call, index, type: 'custom', custom: { ...custom, input: '' } },
          { index, custom: { input } },
        ],
      }
    }
    const args = JSON.stringify(input)
    return {
      whole: { ...call, type: 'function', function: { name: tool, arguments: args } },
      pieces: [
        { ...call, index, type: 'function', function: { name: tool, arguments: '' } },
        { index, function: { arguments: args } },
      ],
    }
  })
}

function textOrNull(reply: Spoken): string | null {
  return reply.text === '' && reply.calls.length > 0 ? null : reply.text
}

function reasonOf(reply: Spoken): 'tool_calls' | 'stop' {
  return reply.calls.length > 0 ? 'tool_calls' : 'stop'
}

function wholeOf(reply: Spoken, ask: Ask, id: string): object {
  const calls = callsOf(reply, id)
  const message = {
    role: 'assistant',
    content: textOrNull(reply),
    refusal: null,
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(({ whole }) => whole) }),
  }
  return {
    ...head(ask, id, 'chat.completion'),
    choices: [{ index: 0, message, logprobs: null, finish_reason: reasonOf(reply) }],
    usage: USAGE,
  }
}

/** The pieces of an answer. The last one has no choices, but the usage, for those that want to count. */
function chunksOf(reply: Spoken, ask: Ask, id: string): object[] {
  const chunk = (delta: object, finish: string | null = null) => ({
    ...head(ask, id, 'chat.completion.chunk'),
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  })
  const text = textOrNull(reply)
  return [
    chunk({ role: 'assistant', content: text === null ? null : '' }),
    ...(text === null ? [] : [chunk({ content: text })]),
    ...callsOf(reply, id).flatMap(({ pieces }) => pieces.map((piece) => chunk({ tool_calls: [piece] }))),
    chunk({}, reasonOf(reply)),
    ...(ask.uncounted ? [] : [{ ...head(ask, id, 'chat.completion.chunk'), choices: [], usage: USAGE }]),
  ]
}

function begin(response: ServerResponse, id: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': `req_${id}` })
}

function sse(chunk: object): string {
  return `data: ${JSON.stringify(chunk)}\n\n`
}

function json(
  response: ServerResponse,
  status: number,
  value: object,
  id: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': `req_${id}`, ...headers })
  response.end(JSON.stringify(value))
}
