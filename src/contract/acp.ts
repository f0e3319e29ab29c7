import * as z from 'zod'
import { brief, causeOfStatus, textOf } from './reading.ts'
import type {
  AgentEvent,
  AgentRuntime,
  Ask,
  Can,
  FailureCause,
  Frame,
  ProcessExit,
  SessionFacts,
  SessionSpec,
  Usage,
} from './runtime.ts'

/**
 * The Agent Client Protocol: JSON-RPC lines on stdio, one process for all turns. Pure, for adapters: frames to send, and
 * the meaning of lines that came. The shapes are those of protocol version 1; agents differ in what they leave out and in
 * what they say instead, which `AcpQuirks` names.
 *
 * No state is needed to know what was answered: the id of each request says what it asked for, and the one that takes up
 * a session names it, because its answer does not. What is replayed of a session comes before that answer, and belongs to
 * no turn: the engine passes over it.
 */

/** How an agent's ACP differs from another's. */
export interface AcpQuirks {
  readonly title: string
  /** What the text of a message begins with when it is no message, but tells that a turn failed: such a turn "ends" well. */
  readonly trouble?: RegExp
  /** Causes by the words of a failure, before its status is looked for. */
  readonly words?: readonly (readonly [RegExp, FailureCause])[]
  /**
   * What the counts in the answer to a prompt are: totals of the process, of the session, or of the last request alone,
   * which are worth nothing.
   */
  readonly tokens: 'process' | 'session' | 'last-request'
  /** `usage_update` tells what the session has cost so far, in US dollars. */
  readonly dollars?: true
  /** The name of a tool, by what a call says beside the protocol. Absent: its kind. */
  readonly tool?: (meta: unknown) => string | undefined
}

/** The part of an adapter that speaks ACP. `can` and `start` are the adapter's own, by `acpCan` and `acpHello`. */
export type AcpDriver = Pick<AgentRuntime, 'sendInput' | 'read' | 'exited' | 'answer' | 'interrupt'>

/** What a runtime can over ACP: a second prompt would end the first, and nothing tells that a prompt has arrived. */
export function acpCan(can: Can): Can {
  return { ...can, structured: 'duplex', interactive: false, steer: false, echo: false }
}

/** The frames at the start. The first prompt goes out when the session's id is known (`after-started`). */
export function acpHello({ worktree, resume }: Pick<SessionSpec, 'worktree' | 'resume'>): readonly Frame[] {
  const place = { cwd: worktree, mcpServers: [] }
  return [
    request(HELLO, 'initialize', {
      protocolVersion: 1,
      clientInfo: { name: 'oversling', title: 'ov', version: '1' },
      // Its own tools work on its own files: nothing is asked of this side.
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    }),
    resume === undefined
      ? request(BEGIN, 'session/new', place)
      : request(`${TAKE_UP}${resume}`, 'session/load', { ...place, sessionId: resume }),
  ]
}

export function acpDriver(quirks: AcpQuirks): AcpDriver {
  return {
    sendInput: (text, { session, sequence }) => ({
      by: 'frame',
      frame: request(`${PROMPT}${sequence}`, 'session/prompt', {
        sessionId: session ?? '',
        prompt: [{ type: 'text', text }],
      }),
    }),
    read(line) {
      const message = messageSchema.safeParse(parsed(line))
      return (message.success ? meaning(message.data, quirks) : null) ?? [{ type: 'unknown', line }]
    },
    exited: (exit) => [ended(exit, quirks)],
    answer: ({ data }, verdict) => {
      const asked = askedSchema.safeParse(data)
      if (!asked.success) return null
      const { id, options } = asked.data
      const kinds = verdict.allow ? ['allow_once', 'allow_always'] : ['reject_once', 'reject_always']
      const option = options?.find((one) => kinds.includes(one.kind))
      if (options === undefined)
        return frame({
          id,
          error: { code: -32601, message: verdict.allow ? 'There is no such method.' : verdict.reason },
        })
      return frame({
        id,
        result: { outcome: option === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', ...only(option) } },
      })
    },
    interrupt: ({ session }: SessionFacts) =>
      session === undefined ? null : frame({ method: 'session/cancel', params: { sessionId: session } }),
  }
}

const HELLO = 'ov-initialize'
const BEGIN = 'ov-new'
/** Before the id of the session that is to be taken up. */
const TAKE_UP = 'ov-load:'
/** Before a number. */
const PROMPT = 'ov-prompt-'

function frame(message: Readonly<Record<string, unknown>>): Frame {
  return { via: 'stdin', line: JSON.stringify({ jsonrpc: '2.0', ...message }) }
}

function request(id: string, method: string, params: Readonly<Record<string, unknown>>): Frame {
  return frame({ id, method, params })
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // Not JSON: the schema refuses it, and the line is reported as unknown.
    return undefined
  }
}

const id = z.union([z.string(), z.number()])
const options = z.array(z.looseObject({ optionId: z.string(), kind: z.string() }))

/** What an `Ask` carries, so that it can be answered. Without options it was a request that is not known here. */
const askedSchema = z.looseObject({ id, options: options.optional() })

function only({ optionId }: { readonly optionId: string }): { readonly optionId: string } {
  return { optionId }
}

const failure = z.looseObject({ code: z.number(), message: z.string(), data: z.unknown().optional() })
const messageSchema = z.union([
  z.looseObject({
    jsonrpc: z.literal('2.0'),
    method: z.string(),
    id: id.optional(),
    params: z.looseObject({}).optional(),
  }),
  z.looseObject({ jsonrpc: z.literal('2.0'), id, error: failure }),
  z.looseObject({ jsonrpc: z.literal('2.0'), id, result: z.unknown() }),
])

function meaning(message: z.infer<typeof messageSchema>, quirks: AcpQuirks): readonly AgentEvent[] | null {
  if ('method' in message && typeof message.method === 'string') {
    const { id: asked, params } = message
    if (message.method === 'session/update') return updated(params, quirks)
    if (asked === undefined) return []
    if (message.method === 'session/request_permission') return permission(asked as string | number, params, quirks)
    // Unanswered it would wait for ever.
    const ask: Ask = {
      id: String(asked),
      when: 'before_tool',
      tool: message.method,
      interactive: true,
      data: { id: asked as string | number },
    }
    return [{ type: 'ask', ask }]
  }
  const answered = String(message.id)
  const error = failure.safeParse(message.error)
  if (error.success) return [refused(answered, error.data, quirks)]
  if (answered === HELLO) return []
  if (answered === BEGIN) {
    const begun = begunSchema.safeParse(message.result)
    return begun.success ? [{ type: 'started', session: begun.data.sessionId }] : null
  }
  if (answered.startsWith(TAKE_UP)) return [{ type: 'started', session: answered.slice(TAKE_UP.length) }]
  return answered.startsWith(PROMPT) ? turnOver(message.result, quirks) : null
}

const begunSchema = z.looseObject({ sessionId: z.string() })

function refused(answered: string, error: z.infer<typeof failure>, quirks: AcpQuirks): AgentEvent {
  const said = typeof error.data === 'string' ? `${error.message}: ${error.data}` : error.message
  const message = `${quirks.title}: ${said}`
  // A session that is not to be had is like a process that is not.
  if (answered.startsWith(TAKE_UP)) return { type: 'failed', cause: 'crash', message }
  if (error.code === -32000) return { type: 'failed', cause: 'auth', message }
  const isStatus = error.code >= 400 && error.code < 600
  return { type: 'failed', cause: isStatus ? causeOfStatus(error.code) : causeOf(said, quirks), message }
}

const count = z.number().nonnegative().nullish()
const overSchema = z.looseObject({
  stopReason: z.string(),
  usage: z
    .looseObject({ inputTokens: count, outputTokens: count, cachedReadTokens: count, cachedWriteTokens: count })
    .nullish(),
})

function turnOver(result: unknown, quirks: AcpQuirks): readonly AgentEvent[] | null {
  const over = overSchema.safeParse(result)
  if (!over.success) return null
  const { stopReason, usage } = over.data
  const counted = usage && quirks.tokens !== 'last-request' ? [tokensOf(usage)] : []
  switch (stopReason) {
    case 'end_turn':
      // Whose service failed has no counts to tell.
      if (!usage)
        return [{ type: 'failed', cause: 'unknown', message: `${quirks.title} ended its turn without an answer.` }]
      return [...counted, { type: 'turn_end' }]
    case 'cancelled':
      return [...counted, { type: 'failed', cause: 'interrupted', message: 'The turn was cancelled.' }]
    case 'refusal':
      return [...counted, { type: 'failed', cause: 'refused', message: 'The model refused to go on.' }]
    case 'max_tokens':
    case 'max_turn_requests':
      return [...counted, { type: 'failed', cause: 'limit', message: `The turn ended at a limit (${stopReason}).` }]
    default:
      return null
  }
}

/** What is read from a cache is part of the input. */
function tokensOf(usage: NonNullable<z.infer<typeof overSchema>['usage']>): AgentEvent {
  const { inputTokens = null, outputTokens = null, cachedReadTokens = null, cachedWriteTokens = null } = usage
  const fresh = inputTokens === null ? null : inputTokens - (cachedReadTokens ?? 0) - (cachedWriteTokens ?? 0)
  return usageOf({
    input: fresh === null ? null : Math.max(0, fresh),
    output: outputTokens,
    cacheRead: cachedReadTokens,
    cacheWrite: cachedWriteTokens,
  })
}

function usageOf(known: Partial<Usage>): AgentEvent {
  const unknown = { input: null, output: null, cacheRead: null, cacheWrite: null, costUsd: null }
  return { type: 'usage', usage: { ...unknown, ...known }, scope: 'total', costScope: 'total' }
}

const text = z.looseObject({ content: z.looseObject({ type: z.string(), text: z.string().optional() }) })
const callSchema = z.looseObject({
  toolCallId: z.string(),
  title: z.string().nullish(),
  kind: z.string().nullish(),
  status: z.string().nullish(),
  rawInput: z.unknown().optional(),
  rawOutput: z.unknown().optional(),
  content: z.array(z.looseObject({ content: z.unknown().optional() })).nullish(),
  locations: z.array(z.looseObject({ path: z.string() })).nullish(),
  _meta: z.unknown().optional(),
})
type Call = z.infer<typeof callSchema>
const updateSchema = z.looseObject({ update: z.looseObject({ sessionUpdate: z.string() }) })
const costSchema = z.looseObject({
  cost: z.looseObject({ amount: z.number().nonnegative(), currency: z.literal('USD') }),
})

function updated(params: unknown, quirks: AcpQuirks): readonly AgentEvent[] | null {
  const told = updateSchema.safeParse(params)
  if (!told.success) return null
  const { update } = told.data
  switch (update.sessionUpdate) {
    case 'agent_message_chunk': {
      const said = text.safeParse(update)
      if (!said.success) return null
      const words = said.data.content.text ?? ''
      if (quirks.trouble?.test(words)) return [{ type: 'failed', cause: causeOf(words, quirks), message: words }]
      return words === '' ? [] : [{ type: 'text', text: words, piece: true }]
    }
    case 'tool_call': {
      const call = callSchema.safeParse(update)
      if (!call.success) return null
      const { data } = call
      return [
        {
          type: 'tool_start',
          id: data.toolCallId,
          tool: toolOf(data, quirks),
          summary: aimOf(data),
          input: data.rawInput,
        },
        ...endOf(data),
      ]
    }
    case 'tool_call_update': {
      const call = callSchema.safeParse(update)
      return call.success ? endOf(call.data) : null
    }
    case 'usage_update': {
      const cost = costSchema.safeParse(update)
      return quirks.dollars && cost.success ? [usageOf({ costUsd: cost.data.cost.amount })] : []
    }
    default:
      return WITHOUT_MEANING.has(update.sessionUpdate) ? [] : null
  }
}

const WITHOUT_MEANING = new Set([
  'agent_thought_chunk',
  'available_commands_update',
  'config_option_update',
  'current_mode_update',
  'plan',
  'session_info_update',
  'user_message_chunk',
])

function toolOf(call: Call, { tool }: AcpQuirks): string {
  return tool?.(call._meta) ?? call.kind ?? 'tool'
}

const aim = z.looseObject({ command: z.string().optional(), path: z.string().optional() })

function aimOf({ rawInput, title }: Call): string {
  const input = aim.safeParse(rawInput)
  return brief((input.success ? (input.data.command ?? input.data.path) : undefined) ?? title ?? '')
}

const outputSchema = z.looseObject({ exit_code: z.number().nullish(), exitCode: z.number().nullish() })

function endOf({ toolCallId, status, content, rawOutput }: Call): readonly AgentEvent[] {
  if (status !== 'completed' && status !== 'failed') return []
  const output = outputSchema.safeParse(rawOutput)
  const exit = output.success ? (output.data.exit_code ?? output.data.exitCode ?? 0) : 0
  const summary = textOf((content ?? []).map((one) => one.content))
  return [{ type: 'tool_end', id: toolCallId, ok: status === 'completed' && exit === 0, summary: brief(summary) }]
}

const permissionSchema = z.looseObject({ toolCall: callSchema, options })

function permission(asked: string | number, params: unknown, quirks: AcpQuirks): readonly AgentEvent[] | null {
  const request = permissionSchema.safeParse(params)
  if (!request.success) return null
  const { toolCall, options } = request.data
  const input = aim.safeParse(toolCall.rawInput)
  const named = (toolCall.locations ?? []).map(({ path }) => path)
  const paths = named.length === 0 && input.success && input.data.path !== undefined ? [input.data.path] : named
  const writes = toolCall.kind === 'execute' || toolCall.kind === 'read' || paths.length === 0 ? {} : { writes: paths }
  const data = { id: asked, options: options.map(({ optionId, kind }) => ({ optionId, kind })) }
  const ask: Ask = { id: String(asked), when: 'before_tool', tool: toolOf(toolCall, quirks), ...writes, data }
  return [{ type: 'ask', ask }]
}

/** A cause by words, or else by the status that stands in them. */
function causeOf(said: string, { words = [] }: AcpQuirks): FailureCause {
  const known = words.find(([pattern]) => pattern.test(said))
  if (known !== undefined) return known[1]
  const status = /\b([45]\d\d)\b/.exec(said)?.[1]
  return status === undefined ? 'unknown' : causeOfStatus(Number(status))
}

function ended({ code, signal, stderrTail }: ProcessExit, quirks: AcpQuirks): AgentEvent {
  const said = stderrTail.trim()
  const how = signal ?? `exit code ${code}`
  const named = quirks.words?.find(([pattern]) => pattern.test(said))?.[1]
  return {
    type: 'failed',
    cause: named ?? (code === 0 ? 'interrupted' : 'crash'),
    message: `${quirks.title} ended in the middle of a turn (${how}).\n${said}`.trim(),
  }
}
