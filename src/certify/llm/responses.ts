import type { ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Ask, Message, Reply } from './script.ts'
import type { Wire } from './wire.ts'

/** The OpenAI Responses API: `POST /v1/responses`, always streamed, as Codex asks for it. */
export const responses: Wire = {
  read(path, body) {
    if (path !== '/v1/responses') return null
    const parsed = requestSchema.safeParse(body)
    return parsed.success ? askOf(parsed.data) : null
  },
  write(reply, _ask, response, id) {
    switch (reply.is) {
      case 'message':
        begin(response, id)
        for (const event of eventsOf(reply, id)) response.write(sse(event))
        response.end()
        return
      case 'error':
        response.writeHead(reply.status, {
          'content-type': 'application/json',
          'x-request-id': `req_${id}`,
          ...reply.headers,
        })
        response.end(JSON.stringify({ error: { type: reply.type, message: reply.message, ...reply.details } }))
        return
      case 'hang':
        return
      case 'drop':
        begin(response, id)
        for (const event of eventsOf({ is: 'message', text: reply.text, calls: [] }, id).slice(0, 3))
          response.write(sse(event))
        setImmediate(() => response.destroy())
        return
    }
  },
  // Which models there are is asked as by the chat completions' clients (chat.ts).
  aside: () => false,
}

const part = z.looseObject({ type: z.string(), text: z.string().optional() })
const content = z.union([z.string(), z.array(part)])
const named = z.looseObject({ type: z.string(), name: z.string().optional() })
/** Some are in a namespace; it is part of their name here, as `functions.exec`. */
const tool = named.extend({ tools: z.array(named).optional() })
const item = z.looseObject({
  type: z.string().optional(),
  role: z.string().optional(),
  content: content.nullish(),
  call_id: z.string().optional(),
  name: z.string().optional(),
  arguments: z.string().optional(),
  input: z.string().optional(),
  output: z.unknown().optional(),
  /** Models in code mode get their tools by an item of the conversation. */
  tools: z.array(tool).optional(),
})
const requestSchema = z.looseObject({
  model: z.string(),
  instructions: z.string().nullish(),
  input: z.array(item),
  tools: z.array(tool).optional(),
})
type Item = z.infer<typeof item>

const OF_THE_SYSTEM = ['developer', 'system']

function askOf(request: z.infer<typeof requestSchema>): Ask {
  const tools = [...(request.tools ?? []), ...request.input.flatMap((one) => one.tools ?? [])]
  const messages = request.input.flatMap(messageOf)
  // Codex asks for a title as for anything else, tools included.
  const aside = messages.at(-1)?.text.startsWith('Generate a concise, single-line task title')
  return {
    model: request.model,
    system: [
      request.instructions ?? '',
      ...request.input.filter((one) => OF_THE_SYSTEM.includes(one.role ?? '')).map((one) => textOf(one.content)),
    ].join('\n'),
    messages,
    // Those without a name are the service's own.
    tools: aside ? [] : tools.flatMap(namesOf),
    stream: true,
  }
}

function namesOf({ name, tools }: z.infer<typeof tool>): string[] {
  if (name === undefined) return []
  return tools === undefined ? [name] : tools.map((one) => `${name}.${one.name}`)
}

function messageOf(one: Item): Message[] {
  const nothing = { text: '', toolCalls: [], toolResults: [] }
  const id = one.call_id ?? ''
  switch (one.type ?? 'message') {
    case 'message':
      if (OF_THE_SYSTEM.includes(one.role ?? '')) return []
      return [{ ...nothing, role: one.role === 'assistant' ? 'assistant' : 'user', text: textOf(one.content) }]
    case 'function_call':
      return [
        {
          ...nothing,
          role: 'assistant',
          toolCalls: [{ id, name: one.name ?? '', input: JSON.parse(one.arguments ?? '{}') }],
        },
      ]
    case 'custom_tool_call':
      return [{ ...nothing, role: 'assistant', toolCalls: [{ id, name: one.name ?? '', input: one.input }] }]
    case 'function_call_output':
    case 'custom_tool_call_output': {
      const text = typeof one.output === 'string' ? one.output : textOf(content.catch('').parse(one.output))
      return [{ ...nothing, role: 'user', toolResults: [{ id, text, isError: false }] }]
    }
    default:
      return []
  }
}

function textOf(value: z.infer<typeof content> | null | undefined): string {
  if (typeof value === 'string') return value
  return (value ?? []).flatMap((one) => one.text ?? []).join('\n')
}

/** Every answer costs the same, so that a test can count: 1200 in, 800 of them from cache; 34 out, 5 of them reasoning. */
const USAGE = {
  input_tokens: 1200,
  input_tokens_details: { cached_tokens: 800 },
  output_tokens: 34,
  output_tokens_details: { reasoning_tokens: 5 },
  total_tokens: 1234,
}

function eventsOf(
  reply: Extract<Reply, { is: 'message' }>,
  id: string,
): { readonly type: string; readonly [key: string]: unknown }[] {
  const said = {
    type: 'message',
    role: 'assistant',
    id: `msg_${id}`,
    content: [{ type: 'output_text', text: reply.text, annotations: [] }],
  }
  const silent = reply.text === '' && reply.calls.length > 0
  return [
    { type: 'response.created', response: { id: `resp_${id}` } },
    ...(silent
      ? []
      : [
          { type: 'response.output_item.added', output_index: 0, item: { ...said, content: [] } },
          {
            type: 'response.output_text.delta',
            item_id: said.id,
            output_index: 0,
            content_index: 0,
            delta: reply.text,
          },
          { type: 'response.output_item.done', output_index: 0, item: said },
        ]),
    ...reply.calls.map(({ tool, input }, index) => ({
      type: 'response.output_item.done',
      output_index: index + 1,
      item: {
        id: `item_${id}_${index}`,
        call_id: `call_${id}_${index}`,
        ...placeOf(tool),
        status: 'completed',
        ...(typeof input === 'string'
          ? { type: 'custom_tool_call', input }
          : { type: 'function_call', arguments: JSON.stringify(input) }),
      },
    })),
    { type: 'response.completed', response: { id: `resp_${id}`, usage: USAGE } },
  ]
}

function placeOf(tool: string): { readonly name: string; readonly namespace?: string } {
  const [namespace, name] = tool.split('.')
  return name === undefined ? { name: tool } : { name, namespace: namespace ?? '' }
}

function begin(response: ServerResponse, id: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'x-request-id': `req_${id}` })
}

function sse(event: { readonly type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}
