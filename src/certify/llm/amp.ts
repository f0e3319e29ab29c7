import { randomBytes, randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Ask, Message, Reply } from './script.ts'
import { acceptSocket, type TextSocket } from './websocket.ts'
import type { Wire } from './wire.ts'

/**
 * An emulation of Amp's server. Amp's models are called by its vendor's server, and the CLI only runs the tools, so there is
 * no model's API to script. The vendor documents nothing of this; frames and their order were learned from what CLI
 * 0.0.1790142911 sends and checks. What the CLI does with a frame is thus proved; that the vendor's server would send the
 * same in the same case is not.
 *
 * - HTTP: `POST /api/internal` (`{method}`: who is logged in, plugins, skills, a thread as it stands), `POST
 *   /api/thread-actors` makes a thread or opens one.
 * - WebSocket `…/gateway/threadActor/websocket/?rvt-key=THREAD`, JSON-RPC. The CLI opens two: its executor, which
 *   registers tools, sends instructions and runs what it is leased, and one for plugins, which only watches.
 */
export function amp(): Wire {
  const threads = new Map<string, Thread>()
  return {
    read: () => null,
    write: () => undefined,
    aside(request, path, body, response) {
      if (path !== '/api/internal' && path !== '/api/thread-actors') return false
      if (!/^Bearer sgamp_/.test(request.headers.authorization ?? ''))
        json(response, 401, { ok: false, error: { code: 'auth-required', message: 'scripted error 401' } })
      else if (path === '/api/internal') json(response, 200, internal(threads, body))
      else json(response, ...opened(threads, body))
      return true
    },
    upgrade(request, socket, answer) {
      const thread = threads.get(new URL(request.url ?? '/', 'http://localhost').searchParams.get('rvt-key') ?? '')
      if (thread === undefined) return false
      const end: TextSocket = acceptSocket(request, socket, {
        text: (text) => thread.heard(end, text),
        closed: () => thread.left(end),
      })
      thread.joined(end, answer)
      return true
    },
  }
}

const callSchema = z.looseObject({
  method: z.string(),
  params: z.looseObject({ thread: z.string().optional() }).optional(),
})

function internal(threads: ReadonlyMap<string, Thread>, body: unknown): unknown {
  const call = callSchema.safeParse(body)
  if (!call.success) return { ok: false, error: { code: 'invalid-argument', message: 'no method' } }
  const { method, params } = call.data
  switch (method) {
    case 'getUserInfo':
      return {
        ok: true,
        result: {
          id: 'user_1',
          email: 'me@example.com',
          username: 'me',
          emailVerified: true,
          features: [],
          team: null,
        },
      }
    case 'loadPlugins':
      return { ok: true, result: [] }
    case 'loadSkills':
      return { ok: true, result: { skills: [] } }
    case 'getThreadTail': {
      const thread = threads.get(params?.thread ?? '')
      if (thread === undefined) return { ok: false, error: { code: 'thread-not-found', message: 'Thread not found' } }
      return { ok: true, result: thread.asItStands() }
    }
    default:
      return { ok: true, result: {} }
  }
}

const openSchema = z.looseObject({ threadId: z.string().optional(), agentMode: z.string().optional() })

function opened(threads: Map<string, Thread>, body: unknown): [status: number, body: unknown] {
  const wanted = openSchema.safeParse(body)
  const { threadId = `T-${randomUUID()}`, agentMode = 'medium' } = wanted.success ? wanted.data : {}
  let thread = threads.get(threadId)
  if (thread === undefined && wanted.data?.threadId !== undefined) return [404, { error: 'Thread not found' }]
  if (thread === undefined) {
    thread = new Thread(threadId, agentMode)
    threads.set(threadId, thread)
  }
  return [
    200,
    {
      threadId,
      wsToken: 'scripted',
      ownerUserId: 'user_1',
      threadVersion: thread.version,
      usesThreadActors: true,
      usesDtw: true,
      executorType: 'local-client',
      agentMode: thread.mode,
    },
  ]
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

const runSchema = z.looseObject({
  status: z.string(),
  result: z.unknown().optional(),
  error: z.unknown().optional(),
  reason: z.unknown().optional(),
})

const request = z.looseObject({ id: z.union([z.string(), z.number()]), method: z.string() })

/** The requests that are acted on, and what is read of them. All others are but acknowledged. */
const actSchema = z.discriminatedUnion('method', [
  z.looseObject({ method: z.literal('executor_connect'), params: z.looseObject({ clientId: z.string() }) }),
  z.looseObject({
    method: z.literal('executor_tools_register'),
    params: z.looseObject({ tools: z.array(z.looseObject({ name: z.string() })) }),
  }),
  z.looseObject({
    method: z.literal('executor_guidance_snapshot'),
    params: z.looseObject({ files: z.array(z.looseObject({ content: z.string().optional() })) }),
  }),
  z.looseObject({ method: z.literal('executor_tools_bootstrap_complete') }),
  z.looseObject({
    method: z.literal('client_update_thread_settings'),
    params: z.looseObject({
      settings: z.looseObject({
        'tools.disable': z.array(z.string()).optional(),
        'tools.enable': z.array(z.string()).optional(),
      }),
    }),
  }),
  z.looseObject({ method: z.literal('client_resume'), params: z.looseObject({ version: z.number() }) }),
  z.looseObject({
    method: z.literal('client_append_user_msg'),
    params: z.looseObject({
      messageId: z.string(),
      agentMode: z.string().optional(),
      content: z.array(z.looseObject({ type: z.string(), text: z.string().optional() })),
    }),
  }),
  z.looseObject({
    method: z.literal('executor_tool_result'),
    params: z.looseObject({ toolCallId: z.string(), run: runSchema }),
  }),
  z.looseObject({ method: z.literal('client_cancel') }),
])

type Act = z.infer<typeof actSchema>

type Run = Partial<z.infer<typeof runSchema>>

type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: unknown }
  | { readonly type: 'tool_result'; readonly toolUseID: string; readonly run: Run }

interface Said {
  readonly role: 'user' | 'assistant'
  readonly messageId: string
  readonly content: readonly Block[]
  readonly usage?: Readonly<Record<string, number>>
}

/** Every answer costs the same, so that a test can count: 1200 fresh, 800 read from cache, 100 written to it, 34 out. */
const USAGE = {
  inputTokens: 1200,
  cacheReadInputTokens: 800,
  cacheCreationInputTokens: 100,
  outputTokens: 34,
  totalInputTokens: 2100,
  maxInputTokens: 200_000,
}

/**
 * One conversation, and whoever is connected to it.
 *
 * ```
 *  idle ─ prompt ─► working ─ answer with tools ─► running_tools ─ all results ─► working … ─ answer ─► idle
 *                      └─ refused, cancelled, executor gone ─► idle
 * ```
 */
class Thread {
  readonly id: string
  mode: string
  readonly #said: Said[] = []
  readonly #tools = new Set<string>()
  /** By the settings of the thread's first process: the CLI registers all tools, the server offers what is left. */
  #disabled: readonly string[] = []
  #enabled: readonly string[] | null = null
  readonly #sockets = new Set<TextSocket>()
  #executor: TextSocket | null = null
  /** The executor has registered its tools and sent its instructions. */
  #ready = false
  #guidance = ''
  #answer: (ask: Ask) => Promise<Reply> = async () => ({ is: 'hang' })
  #state = 'idle'
  #queue: Said[] = []
  #running = false
  /** The model's stream was cut together with the connections: it is asked again once the executor is back. */
  #dropped = false
  /** That has happened in this turn; if it happens again, the server gives up and says so. */
  #cut = false
  /** Rises with everything that makes what is under way void. */
  #turn = 0
  #results: ((id: string, run: Run) => void) | null = null

  constructor(id: string, mode: string) {
    this.id = id
    this.mode = mode
  }

  get version(): number {
    return this.#said.length
  }

  asItStands(): unknown {
    const data = {
      id: this.id,
      v: this.version,
      created: 0,
      agentMode: this.mode,
      meta: { usesThreadActors: true, visibility: 'private' },
    }
    return { thread: { data }, messages: this.#said.map((said) => this.#message(said)), hasMoreBefore: false }
  }

  joined(socket: TextSocket, answer: (ask: Ask) => Promise<Reply>): void {
    this.#sockets.add(socket)
    this.#answer = answer
    // One that only watches takes itself for connected once it has heard anything.
    this.#tell(socket, 'agent_state', { state: this.#state })
  }

  left(socket: TextSocket): void {
    this.#sockets.delete(socket)
    if (this.#executor !== socket) return
    this.#executor = null
    this.#ready = false
    this.#tools.clear()
    if (!this.#dropped) this.#stop()
  }

  heard(socket: TextSocket, text: string): void {
    if (text === 'ping') {
      socket.send('pong')
      return
    }
    const message: unknown = jsonOrNull(text)
    const asked = request.safeParse(message)
    // A notification: what a tool prints while it runs, what plugins say.
    if (!asked.success) return
    socket.send(JSON.stringify({ jsonrpc: '2.0', id: asked.data.id, result: null }))
    const act = actSchema.safeParse(message)
    if (act.success) this.#act(socket, act.data)
  }

  #act(socket: TextSocket, { method, params }: Act): void {
    switch (method) {
      case 'executor_connect': {
        this.#executor = socket
        const connected = { executorId: params.clientId, registeredToolCount: 0, guidanceInventory: [] }
        this.#tell(socket, 'executor_connected', connected)
        return
      }
      case 'executor_tools_register':
        for (const { name } of params.tools) this.#tools.add(name)
        return
      case 'executor_guidance_snapshot':
        this.#guidance = params.files.map((file) => file.content ?? '').join('\n')
        return
      case 'executor_tools_bootstrap_complete':
        this.#ready = true
        this.#goOn()
        return
      case 'client_update_thread_settings':
        this.#disabled = params.settings['tools.disable'] ?? []
        this.#enabled = params.settings['tools.enable'] ?? null
        return
      case 'client_resume':
        for (const [at, said] of this.#said.entries())
          if (at + 1 > params.version) this.#tell(socket, 'message_added', this.#added(said, at + 1))
        return
      case 'client_append_user_msg': {
        this.mode = params.agentMode ?? this.mode
        const content = params.content.map((one) => ({ type: 'text' as const, text: one.text ?? '' }))
        this.#queue.push({ role: 'user', messageId: params.messageId, content })
        this.#cut = false
        this.#goOn()
        return
      }
      case 'executor_tool_result':
        this.#tell(socket, 'executor_tool_result_ack', { toolCallId: params.toolCallId })
        this.#results?.(params.toolCallId, params.run)
        return
      case 'client_cancel':
        this.#stop()
    }
  }

  /** What waits for a model or a tool is void; tools that ran are told of as cancelled. */
  #stop(): void {
    this.#turn++
    this.#running = false
    this.#results = null
    const open = this.#said.at(-1)
    const calls = open?.role === 'assistant' ? open.content.filter((block) => block.type === 'tool_use') : []
    if (calls.length > 0)
      this.#say({
        role: 'user',
        messageId: newId('M'),
        content: calls.map((call) => ({
          type: 'tool_result',
          toolUseID: call.id,
          run: { status: 'cancelled', reason: 'The executor is gone.' },
        })),
      })
    this.#enter('idle')
  }

  #goOn(): void {
    if (this.#running || !this.#ready || (this.#queue.length === 0 && !this.#dropped)) return
    this.#running = true
    this.#dropped = false
    this.#run(++this.#turn).catch((error: unknown) => {
      this.#running = false
      this.#refuse(error instanceof Error ? error.message : String(error))
    })
  }

  async #run(turn: number): Promise<void> {
    for (;;) {
      for (const prompt of this.#queue.splice(0)) this.#say(prompt)
      const messageId = newId('M')
      this.#enter('working', messageId)
      this.#tellAll('inference_tools', { messageId, agentMode: this.mode, tools: this.#offered() })
      const reply = await this.#answer(this.#ask())
      if (turn !== this.#turn) return
      switch (reply.is) {
        case 'hang':
          return
        case 'drop':
          this.#running = false
          if (this.#cut) {
            // Words that the CLI knows.
            this.#refuse('Stream stalled: no data received for 60 s')
            return
          }
          this.#cut = true
          this.#dropped = true
          for (const socket of [...this.#sockets]) socket.cut()
          return
        case 'error':
          this.#running = false
          this.#refuse(`${reply.status} ${reply.message}`)
          return
        case 'message': {
          const calls = reply.calls.map(
            ({ tool, input }) => ({ type: 'tool_use', id: newId('TU'), name: tool, input }) as const,
          )
          const text = reply.text === '' && calls.length > 0 ? [] : [{ type: 'text', text: reply.text } as const]
          this.#say({ role: 'assistant', messageId, content: [...text, ...calls], usage: USAGE })
          if (calls.length > 0) {
            const results = await this.#lease(messageId, calls)
            if (turn !== this.#turn) return
            this.#say({ role: 'user', messageId: newId('M'), content: results })
          } else if (this.#queue.length === 0) {
            this.#running = false
            this.#enter('idle')
            return
          }
        }
      }
    }
  }

  /** Has the executor run these tools, and gives what came of them. */
  #lease(messageId: string, calls: readonly Extract<Block, { type: 'tool_use' }>[]): Promise<Block[]> {
    const runs = new Map<string, Run>()
    const { promise, resolve } = Promise.withResolvers<Block[]>()
    this.#results = (id, run) => {
      runs.set(id, run)
      if (calls.every((call) => runs.has(call.id)))
        resolve(calls.map((call) => ({ type: 'tool_result', toolUseID: call.id, run: runs.get(call.id) ?? {} })))
    }
    this.#enter('running_tools', messageId)
    for (const call of calls) {
      const lease = { toolCallId: call.id, toolName: call.name, args: call.input, messageId }
      if (this.#executor !== null) this.#tell(this.#executor, 'tool_lease', lease)
    }
    return promise
  }

  #offered(): string[] {
    const named = (patterns: readonly string[], name: string) => patterns.includes('*') || patterns.includes(name)
    return [...this.#tools].filter((name) => !named(this.#disabled, name) && named(this.#enabled ?? ['*'], name))
  }

  #ask(): Ask {
    return {
      model: this.mode,
      system: this.#guidance,
      messages: this.#said.map((said): Message => {
        const text = said.content.flatMap((block) => (block.type === 'text' ? [block.text] : []))
        return {
          role: said.role,
          text: text.join('\n'),
          toolCalls: said.content.filter((block) => block.type === 'tool_use'),
          toolResults: said.content.flatMap((block) =>
            block.type === 'tool_result'
              ? [{ id: block.toolUseID, text: outcomeOf(block.run), isError: block.run.status !== 'done' }]
              : [],
          ),
        }
      }),
      tools: this.#offered(),
      stream: true,
    }
  }

  #say(said: Said): void {
    this.#said.push(said)
    this.#tellAll('message_added', this.#added(said, this.version))
  }

  #added(said: Said, seq: number): Readonly<Record<string, unknown>> {
    return { seq, message: this.#message(said) }
  }

  #message({ role, messageId, content, usage }: Said): Readonly<Record<string, unknown>> {
    const blocks = content.map((block) => (block.type === 'tool_use' ? { ...block, complete: true } : block))
    const state = role === 'assistant' ? { state: { type: 'complete' } } : {}
    return { threadId: this.id, role, messageId, content: blocks, ...state, ...(usage === undefined ? {} : { usage }) }
  }

  #refuse(message: string): void {
    this.#tellAll('error_set', { seq: this.version, error: { message } })
    this.#enter('idle')
  }

  #enter(state: string, messageId?: string): void {
    this.#state = state
    this.#tellAll('agent_state', { state, ...(messageId === undefined ? {} : { messageId }) })
  }

  #tellAll(method: string, params: Readonly<Record<string, unknown>>): void {
    for (const socket of this.#sockets) this.#tell(socket, method, params)
  }

  #tell(socket: TextSocket, method: string, params: Readonly<Record<string, unknown>>): void {
    socket.send(JSON.stringify({ jsonrpc: '2.0', method, params }))
  }
}

const shellSchema = z.looseObject({ output: z.string(), exitCode: z.number().optional() })

/** What a tool gave, as a model would read it. */
function outcomeOf({ result, error, reason }: Run): string {
  const shell = shellSchema.safeParse(result)
  if (shell.success)
    return shell.data.exitCode ? `${shell.data.output}\nexit code ${shell.data.exitCode}` : shell.data.output
  const told = result ?? error ?? reason ?? ''
  return typeof told === 'string' ? told : JSON.stringify(told)
}

/** Ids of the service are a kind and 22 letters or digits. */
function newId(kind: 'M' | 'TU'): string {
  return `${kind}-${randomBytes(16).toString('hex').slice(0, 22)}`
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No message of the protocol: it is passed over.
    return null
  }
}
