import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Ask, Message, Reply } from './script.ts'
import type { Wire } from './wire.ts'

/** The Gemini API: `POST /v1beta/models/<model>:streamGenerateContent` as server-sent events, or `:generateContent` whole. */
export const gemini: Wire = {
  read(path, body) {
    const [, model, method] = /^\/v1(?:beta|alpha)?\/models\/([^/:]+):(\w+)$/.exec(path) ?? []
    if (model === undefined || !GENERATING.has(method ?? '')) return null
    const parsed = requestSchema.safeParse(body)
    return parsed.success ? askOf(parsed.data, model, method === STREAMED) : null
  },
  write: (reply, ask, response, id) => answer(reply, ask, response, (chunk) => ({ ...chunk, responseId: id })),
  aside(request: IncomingMessage, path, body, response) {
    if (path.endsWith(':countTokens')) json(response, { totalTokens: Math.ceil(JSON.stringify(body).length / 4) })
    else if (request.method === 'GET' && path === '/v1beta/models') json(response, { models: [] })
    else return false
    return true
  },
}

const STREAMED = 'streamGenerateContent'
const GENERATING = new Set([STREAMED, 'generateContent'])

const part = z.looseObject({
  text: z.string().optional(),
  /** A thought's text is for people. */
  thought: z.boolean().optional(),
  functionCall: z.looseObject({ id: z.string().optional(), name: z.string(), args: z.unknown().optional() }).optional(),
  functionResponse: z
    .looseObject({ id: z.string().optional(), name: z.string(), response: z.record(z.string(), z.unknown()) })
    .optional(),
})
const content = z.looseObject({ role: z.string().optional(), parts: z.array(part).default([]) })
const requestSchema = z.looseObject({
  contents: z.array(content),
  systemInstruction: content.optional(),
  tools: z
    .array(z.looseObject({ functionDeclarations: z.array(z.looseObject({ name: z.string() })).optional() }))
    .optional(),
})
type Content = z.infer<typeof content>

function askOf(request: z.infer<typeof requestSchema>, model: string, stream: boolean): Ask {
  return {
    model,
    system: textOf(request.systemInstruction),
    messages: request.contents.map(messageOf),
    tools: (request.tools ?? []).flatMap((tool) => (tool.functionDeclarations ?? []).map(({ name }) => name)),
    stream,
  }
}

function messageOf(one: Content): Message {
  return {
    role: one.role === 'model' ? 'assistant' : 'user',
    text: textOf(one),
    toolCalls: one.parts.flatMap(({ functionCall: call }) =>
      call === undefined ? [] : [{ id: call.id ?? call.name, name: call.name, input: call.args ?? {} }],
    ),
    toolResults: one.parts.flatMap(({ functionResponse: result }) => {
      if (result === undefined) return []
      const { error, output = result.response } = result.response
      const said = error ?? output
      const text = typeof said === 'string' ? said : JSON.stringify(said)
      return [{ id: result.id ?? result.name, text, isError: error !== undefined }]
    }),
  }
}

function textOf(one: Content | undefined): string {
  return (one?.parts ?? []).flatMap(({ text, thought }) => (text === undefined || thought ? [] : [text])).join('\n')
}

/** Every answer costs the same, so that a test can count: 1200 in, 800 of them from cache; 34 out, 5 of them thought. */
const USAGE = {
  promptTokenCount: 1200,
  cachedContentTokenCount: 800,
  candidatesTokenCount: 29,
  thoughtsTokenCount: 5,
  totalTokenCount: 1234,
}

type Chunk = Readonly<Record<string, unknown>>

/** What the API sends, before a service that wraps it wraps it. */
function answer(reply: Reply, ask: Ask, response: ServerResponse, wrapped: (chunk: Chunk) => Chunk): void {
  switch (reply.is) {
    case 'message': {
      const chunks = chunksOf(reply, ask)
      if (!ask.stream) {
        json(response, wrapped(whole(chunks)))
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (const chunk of chunks) response.write(sse(wrapped(chunk)))
      response.end()
      return
    }
    case 'error': {
      const status = /^[A-Z_]+$/.test(reply.type) ? reply.type : (STATUS_NAMES[reply.status] ?? 'UNKNOWN')
      const error = { code: reply.status, message: reply.message, status, ...reply.details }
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
      response.end(JSON.stringify({ error }))
      return
    }
    case 'hang':
      return
    case 'drop': {
      const [first = {}] = chunksOf({ is: 'message', text: reply.text, calls: [] }, ask)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(sse(wrapped(first)))
      setImmediate(() => response.destroy())
      return
    }
  }
}

/** The names this API gives to HTTP statuses. */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** The text first, then the calls with the end and the counts. */
function chunksOf(reply: Extract<Reply, { is: 'message' }>, ask: Ask): Chunk[] {
  const calls = reply.calls.map(({ tool, input }) => ({ functionCall: { name: tool, args: input } }))
  const text = reply.text === '' && calls.length > 0 ? [] : [{ text: reply.text }]
  return [
    { candidates: [{ content: { role: 'model', parts: text }, index: 0 }], modelVersion: ask.model },
    {
      candidates: [{ content: { role: 'model', parts: calls }, finishReason: 'STOP', index: 0 }],
      usageMetadata: USAGE,
      modelVersion: ask.model,
    },
  ]
}

const candidates = z.looseObject({
  candidates: z.tuple([z.looseObject({ content: z.looseObject({ parts: z.array(z.unknown()) }) })]),
})

function whole(chunks: readonly Chunk[]): Chunk {
  const parts = chunks.flatMap((chunk) => candidates.parse(chunk).candidates[0].content.parts)
  return {
    ...chunks.at(-1),
    candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }],
  }
}

function sse(chunk: Chunk): string {
  return `data: ${JSON.stringify(chunk)}\r\n\r\n`
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
