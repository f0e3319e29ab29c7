import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Ask, Message, Reply } from './script.ts'
import type { Wire } from './wire.ts'

/** The Anthropic Messages API: `POST /v1/messages`, streamed or whole, and what clients ask beside it. */
export const anthropic: Wire = {
  read(path, body) {
    if (path !== '/v1/messages') return null
    const parsed = requestSchema.safeParse(body)
    return parsed.success ? askOf(parsed.data) : null
  },
  write(reply, ask, response, id) {
    switch (reply.is) {
      case 'message':
        return ask.stream ? stream(response, messageOf(reply, ask, id)) : whole(response, messageOf(reply, ask, id))
      case 'error':
        response.writeHead(reply.status, {
          'content-type': 'application/json',
          'request-id': `req_${id}`,
          ...reply.headers,
        })
        response.end(
          JSON.stringify({ type: 'error', error: { type: reply.type, message: reply.message, ...reply.details } }),
        )
        return
      case 'hang':
        return
      case 'drop': {
        const message = messageOf({ is: 'message', text: reply.text, calls: [] }, ask, id)
        response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${id}` })
        for (const event of eventsOf(message).slice(0, 3)) response.write(sse(event))
        setImmediate(() => response.destroy())
        return
      }
    }
  },
  aside(request: IncomingMessage, path, body, response) {
    if (request.method === 'HEAD' && path === '/api/hello') response.writeHead(200).end()
    else if (path === '/v1/messages/count_tokens')
      json(response, { input_tokens: Math.ceil(JSON.stringify(body).length / 4) })
    else return false
    return true
  },
}

const block = z.looseObject({ type: z.string() })
const content = z.union([z.string(), z.array(block)])
const requestSchema = z.looseObject({
  model: z.string(),
  system: content.optional(),
  messages: z.array(z.looseObject({ role: z.enum(['user', 'assistant', 'system']), content })),
  tools: z.array(z.looseObject({ name: z.string().optional() })).optional(),
  stream: z.boolean().optional(),
})

type Content = z.infer<typeof content>

function askOf(request: z.infer<typeof requestSchema>): Ask {
  return {
    model: request.model,
    system: textOf(request.system ?? ''),
    messages: request.messages.map((message): Message => {
      const blocks = typeof message.content === 'string' ? [] : message.content
      return {
        role: message.role === 'assistant' ? 'assistant' : 'user',
        text: textOf(message.content),
        toolCalls: blocks
          .filter((one) => one.type === 'tool_use')
          .map((one) => ({ id: String(one.id), name: String(one.name), input: one.input })),
        toolResults: blocks
          .filter((one) => one.type === 'tool_result')
          .map((one) => ({
            id: String(one.tool_use_id),
            text: textOf((one.content ?? '') as Content),
            isError: one.is_error === true,
          })),
      }
    }),
    tools: (request.tools ?? []).flatMap((tool) => tool.name ?? []),
    stream: request.stream ?? false,
  }
}

function textOf(value: Content): string {
  if (typeof value === 'string') return value
  return value
    .filter((one) => one.type === 'text')
    .map((one) => String(one.text))
    .join('\n')
}

interface Block {
  readonly type: 'text' | 'tool_use'
  readonly text?: string
  readonly id?: string
  readonly name?: string
  readonly input?: unknown
}

interface Answer {
  readonly id: string
  readonly model: string
  readonly content: readonly Block[]
  readonly stop_reason: 'end_turn' | 'tool_use'
  readonly usage: Readonly<Record<string, number>>
}

/** Every answer costs the same, so that a test can count: 1200 fresh, 800 read from cache, 100 written to it, 34 out. */
const USAGE = {
  input_tokens: 1200,
  cache_creation_input_tokens: 100,
  cache_read_input_tokens: 800,
  output_tokens: 34,
}

function messageOf(reply: Extract<Reply, { is: 'message' }>, ask: Ask, id: string): Answer {
  return {
    id: `msg_${id}`,
    model: ask.model,
    content: [
      ...(reply.text === '' && reply.calls.length > 0 ? [] : [{ type: 'text', text: reply.text } as const]),
      ...reply.calls.map(
        (one, index) => ({ type: 'tool_use', id: `toolu_${id}_${index}`, name: one.tool, input: one.input }) as const,
      ),
    ],
    stop_reason: reply.calls.length > 0 ? 'tool_use' : 'end_turn',
    usage: USAGE,
  }
}

function whole(response: ServerResponse, message: Answer): void {
  json(response, { type: 'message', role: 'assistant', stop_sequence: null, ...message })
}

function stream(response: ServerResponse, message: Answer): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${message.id}` })
  for (const event of eventsOf(message)) response.write(sse(event))
  response.end()
}

function eventsOf(message: Answer): { readonly type: string; readonly [key: string]: unknown }[] {
  return [
    {
      type: 'message_start',
      message: {
        type: 'message',
        role: 'assistant',
        id: message.id,
        model: message.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...message.usage, output_tokens: 1 },
      },
    },
    ...message.content.flatMap((one, index) => [
      {
        type: 'content_block_start',
        index,
        content_block: one.type === 'text' ? { type: 'text', text: '' } : { ...one, input: {} },
      },
      {
        type: 'content_block_delta',
        index,
        delta:
          one.type === 'text'
            ? { type: 'text_delta', text: one.text }
            : { type: 'input_json_delta', partial_json: JSON.stringify(one.input) },
      },
      { type: 'content_block_stop', index },
    ]),
    {
      type: 'message_delta',
      delta: { stop_reason: message.stop_reason, stop_sequence: null },
      usage: message.usage,
    },
    { type: 'message_stop' },
  ]
}

function sse(event: { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
