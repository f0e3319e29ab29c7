import * as z from 'zod'
import { answerJsonHook, readJsonHook, type ToolFacts } from '../src/contract/json-hooks.ts'
import { brief, causeOfStatus, endedEarly, parsed, textOf } from '../src/contract/reading.ts'
import type {
  AgentEvent,
  AgentRuntime,
  FailureCause,
  LaunchPlan,
  Screen,
  SessionSpec,
} from '../src/contract/runtime.ts'

/**
 * Pi, driven over stdin and stdout (`--mode rpc`).
 *
 * - One process lives through many turns. A prompt that comes while it works enters the context after the current tools
 *   (`streamingBehavior: steer`; without it, it would be refused). Each is echoed when it enters; that echo is the proof
 *   of delivery.
 * - It asks nobody before it acts, so `ov` gives it an extension: its dialogs come over the same pipes, and one that is
 *   not answered refuses the tool. Pi does not start without its extension, and the first prompt waits for its word.
 * - The extension also tells how a turn ended. The protocol says only that it did: a refused request is a message like
 *   any other, what follows it may be a retry, and when a limit ends stands in headers that are not passed on.
 * - Its config folder is the agent's own: nothing of the human's settings, extensions, skills, servers and instructions
 *   gets in. Stored logins and the providers they are for are the human's, by links.
 * - Counts and dollars come with each reply of the model, and again with the turn's and the run's end: only the first
 *   are counted. A compaction tells its own.
 */
export default {
  id: 'pi',
  title: 'Pi',
  binaries: ['pi'],
  versionArgs: ['--version'],
  certified: ['0.87.1', '1.5.2'],
  install: 'npm install -g @earendil-works/pi-coding-agent',
  login: {
    env: [
      'ANTHROPIC_API_KEY',
      'ANTHROPIC_OAUTH_TOKEN',
      'CEREBRAS_API_KEY',
      'DEEPSEEK_API_KEY',
      'GEMINI_API_KEY',
      'GROQ_API_KEY',
      'MISTRAL_API_KEY',
      'OPENAI_API_KEY',
      'OPENROUTER_API_KEY',
      'XAI_API_KEY',
    ],
    files: ['.pi/agent/auth.json'],
    hint: 'pi, then /login',
  },
  can: {
    structured: 'duplex',
    interactive: true,
    resume: true,
    steer: true,
    block: true,
    inject: true,
    usage: true,
    cost: true,
    reports: 'mail',
    prompts: true,
    echo: true,
  },
  environment: [
    'AI_GATEWAY_API_KEY',
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_AUTH_TOKEN',
    'ANTHROPIC_OAUTH_TOKEN',
    'AZURE_OPENAI_*',
    'CEREBRAS_API_KEY',
    'COPILOT_GITHUB_TOKEN',
    'DEEPSEEK_API_KEY',
    'FIREWORKS_API_KEY',
    'GEMINI_API_KEY',
    'GROQ_API_KEY',
    'HF_TOKEN',
    'KIMI_API_KEY',
    'MINIMAX_API_KEY',
    'MISTRAL_API_KEY',
    'MOONSHOT_API_KEY',
    'OPENAI_API_KEY',
    'OPENCODE_API_KEY',
    'OPENROUTER_API_KEY',
    'PI_CACHE_RETENTION',
    // Its folder is the human's, from which the login is taken; the agent's own takes its place.
    'PI_CODING_AGENT_DIR',
    'TOGETHER_API_KEY',
    'XAI_API_KEY',
    'ZAI_API_KEY',
  ],
  // Left alone, it looks for such a name among all providers, and may find it at one that was not meant.
  models: { haiku: 'anthropic/haiku', opus: 'anthropic/opus', sonnet: 'anthropic/sonnet' },
  start: (session) => (session.interactive === undefined ? structured(session) : onScreen(session)),
  sendInput: (text, { sequence, interactive }) =>
    interactive
      ? { by: 'paste', text: asText(text) }
      : {
          by: 'frame',
          frame: frame({ id: `ov-prompt-${sequence}`, type: 'prompt', message: text, streamingBehavior: 'steer' }),
        },
  deployHooks: ({ hook }) => [{ path: `${HOME}/${EXTENSION}`, content: extensionFor(hook) }],
  getPromptCommand: (text, { model, extraArgs = [] }) => ({
    argv: [
      'pi',
      '--print',
      ...ALONE,
      '--no-context-files',
      '--no-tools',
      '--no-session',
      ...['--system-prompt', 'Answer the question. You have no tools.'],
      ...(model === undefined ? [] : ['--model', model]),
      ...extraArgs,
    ],
    stdin: text,
    env: QUIET,
  }),
  saysNothing: (line) => /^\{"id":"ov-[^"]*","type":"response"/.test(line),
  read(line) {
    const event = eventSchema.safeParse(parsed(line))
    return event.success ? meaning(event.data, line) : [{ type: 'unknown', line }]
  },
  exited(exit) {
    const { stderrTail } = exit
    const isUnknown = /Model .* (not found|is ambiguous)/.test(stderrTail)
    const cause = isUnknown ? 'model' : NO_LOGIN.test(stderrTail) ? 'auth' : null
    return [endedEarly('Pi', exit, stderrTail.trim(), cause)]
  },
  answer: ({ id, data }, verdict) =>
    frame({
      type: 'extension_ui_response',
      id,
      // A dialog of somebody else's has nobody to answer it.
      ...(data === EXTENSION ? { value: verdict.allow ? ALLOWED : verdict.reason } : { cancelled: true }),
    }),
  readHook(event, payload) {
    // How a turn ended that failed: then nothing is asked.
    const failed = failedSchema.safeParse(payload)
    return failed.success ? [ending(failed.data.failed)] : readJsonHook(event, payload, TOOLS)
  },
  answerHook: answerJsonHook,
  interrupt: ({ sequence }) => frame({ id: `ov-interrupt-${sequence}`, type: 'abort' }),
  stopSignal: 'SIGTERM',
  transcript: {
    locate: (session, { privateDir }) => ({ folder: `${privateDir}/${HOME}/sessions`, endsWith: `_${session}.jsonl` }),
    entered(line) {
      const entry = entrySchema.safeParse(parsed(line))
      if (!entry.success) return []
      return [textOf(entry.data.type === 'message' ? entry.data.message.content : entry.data.content)]
    },
    used(line) {
      const reply = replySchema.safeParse(parsed(line))
      if (!reply.success) return null
      const { id, message, usage: own } = reply.data
      const counts = message?.usage ?? own
      const [event] = counts === undefined ? [] : used(counts, message?.model)
      return event === undefined ? null : { request: id, event }
    },
  },
  screen: ({ text }) => shown(text.split('\n').map((line) => line.trimEnd())),
  trial: {
    npm: { name: '@earendil-works/pi-coding-agent', version: '0.87.1', program: 'pi' },
    wire: 'anthropic',
    setting: ({ url, key, as }) => ({
      env: { [as === 'key' ? 'ANTHROPIC_API_KEY' : 'ANTHROPIC_OAUTH_TOKEN']: key },
      files: [
        {
          path: '.pi/agent/models.json',
          content: JSON.stringify({ providers: { anthropic: { baseUrl: url } } }),
        },
      ],
      model: 'anthropic/claude-sonnet-4-5',
    }),
    key: (random) => `sk-ant-api03-${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.pi/agent/extensions/theirs.js',
        content: `import { execSync } from 'node:child_process'\nexport default () => { execSync(${JSON.stringify(command)}) }\n`,
      },
      {
        path: '.pi/agent/mcp.json',
        content: JSON.stringify({ mcpServers: { theirs: { command: 'sh', args: ['-c', command] } } }),
      },
      { path: '.pi/agent/AGENTS.md', content: `${words}\n` },
      { path: '.pi/agent/APPEND_SYSTEM.md', content: `${words}\n` },
      {
        path: '.pi/agent/skills/theirs/SKILL.md',
        content: `---\nname: theirs\ndescription: ${words}\n---\n`,
      },
    ],
    shell: (command, tools) => (tools.includes('bash') ? { tool: 'bash', input: { command } } : null),
    write: (path, content, tools) => (tools.includes('write') ? { tool: 'write', input: { path, content } } : null),
    limit: (resetAt) => ({
      status: 429,
      headers: {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': String(resetAt),
      },
    }),
    // A Node program that calls itself `pi`.
    executables: ['/node'],
    isItself: ([name]) => name === 'pi',
    refused: '^401 ',
  },
} satisfies AgentRuntime

/** Its config folder, in the private one, and what lies in there. */
const HOME = 'pi'
const EXTENSION = 'ov.mjs'
const INSTRUCTIONS = 'instructions.md'

/** Nothing of anybody's but what is named: no extensions, skills, templates, themes; nothing that the repository brings. */
const ALONE = ['--offline', '--no-extensions', '--no-skills', '--no-prompt-templates', '--no-themes', '--no-approve']
const QUIET = { PI_SKIP_VERSION_CHECK: '1', PI_TELEMETRY: '0' }

/** After two retries of its own (6 s) the engine decides; caches are not kept warm, for money, while nobody asks. */
const SETTINGS = {
  retry: { enabled: true, maxRetries: 2, baseDelayMs: 2000, provider: { maxRetries: 0 } },
  cacheWarming: 'off',
  steeringMode: 'all',
  enableInstallTelemetry: false,
  defaultProjectTrust: 'never',
  quietStartup: true,
}

function structured(session: SessionSpec): LaunchPlan {
  return {
    protocol: 'duplex',
    argv: ['pi', '--mode', 'rpc', ...common(session)],
    ...placeOf(session),
    firstPrompt: 'after-started',
  }
}

/** On its own screen it asks nothing at the start: nobody's project is trusted, and everything is in its folder. */
function onScreen(session: SessionSpec): LaunchPlan {
  const short = Buffer.byteLength(session.prompt) <= LONGEST_ARGUMENT
  return {
    protocol: 'interactive',
    argv: ['pi', ...['--tui-mode', 'regular'], ...common(session), ...(short ? ['--', asText(session.prompt)] : [])],
    ...placeOf(session),
    firstPrompt: short ? 'included' : 'at-once',
  }
}

/** In bytes. */
const LONGEST_ARGUMENT = 64 * 1024

/** Text that its prompt takes as text: no command, no shell, no file. */
function asText(text: string): string {
  return /^\s*[/!@]/.test(text) ? `Message:\n${text}` : text
}

/** Options of both modes. */
function common(session: SessionSpec): string[] {
  const folder = `${session.privateDir}/${HOME}`
  return [
    ...ALONE,
    ...['--extension', `${folder}/${EXTENSION}`],
    ...['--session-id', session.resume ?? session.sessionId],
    ...['--append-system-prompt', `${folder}/${INSTRUCTIONS}`],
    ...toolsFor(session),
    ...(session.model === undefined ? [] : ['--model', session.model]),
    ...session.extraArgs,
  ]
}

/** Its config folder, and what of the human's it shares. */
function placeOf(session: SessionSpec): Pick<LaunchPlan, 'env' | 'files' | 'links'> {
  const theirs = session.environment.PI_CODING_AGENT_DIR ?? `${session.environment.HOME ?? ''}/.pi/agent`
  return {
    env: { ...QUIET, PI_CODING_AGENT_DIR: `${session.privateDir}/${HOME}` },
    files: [
      { path: `${HOME}/settings.json`, content: `${JSON.stringify(SETTINGS, null, 2)}\n` },
      { path: `${HOME}/${INSTRUCTIONS}`, content: session.instructions },
    ],
    links: ['auth.json', 'models.json'].map((file) => ({ path: `${HOME}/${file}`, to: `${theirs}/${file}` })),
  }
}

const TOOLS: ToolFacts = {
  aim: (_tool, input) => brief(input.command ?? input.path ?? input),
  guard: (_tool, input) => (typeof input.path === 'string' ? { writes: input.path } : {}),
}

/** What frames its box, also where it holds more lines than are shown. */
const RULE = /^─{3,}( [↑↓] \d+ more ─+)?$/
/** What the frame's top says while it works, compacts or waits to try again. */
const BUSY = /^─+ \S .+ ─+$/

/** Below its box stand two lines of status, and nothing else. */
function shown(lines: readonly string[]): Screen {
  const last = lines.findLastIndex((line) => line !== '')
  if (last < 0) return { is: 'loading' }
  const bottom = lines.findLastIndex((line) => RULE.test(line))
  const top = lines.slice(0, Math.max(bottom, 0)).findLastIndex((line) => RULE.test(line) || BUSY.test(line))
  if (top < 0 || last - bottom > 3) return { is: 'unknown' }
  if (!RULE.test(lines[top] ?? '')) return { is: 'busy' }
  const box = lines.slice(top + 1, bottom)
  return { is: 'idle', typed: box.join('\n').trim() }
}

const WRITING_TOOLS = ['edit', 'write']

function toolsFor({ tools, readOnly }: SessionSpec): string[] {
  if (tools !== undefined) return tools.length === 0 ? ['--no-tools'] : ['--tools', tools.join(',')]
  return readOnly ? ['--exclude-tools', WRITING_TOOLS.join(',')] : []
}

/** What its extension takes for leave; anything else is the reason of a refusal. */
const ALLOWED = 'ov: go on'

/**
 * Loaded into Pi's own process. Whatever goes wrong in the question before a tool refuses the tool.
 *
 * A path is asked about as Pi will take it (`~` is the home folder, a leading `@` is dropped) and put in that form, so that
 * what was allowed is what is written. Instructions of folders above the worktree are left out: the main checkout is one.
 *
 * @param hook by which it reports and asks on its own screen; without one it does by the protocol
 */
const extensionFor = (hook: string | undefined) => `import { spawn } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const HARMLESS = new Set(['bash', 'find', 'grep', 'ls', 'read'])
const HOOK = ${JSON.stringify(hook ?? null)}
const PATIENCE_MS = 60_000

function plain(path, cwd) {
  const name = path.replace(/[\\u00A0\\u2000-\\u200A\\u202F\\u205F\\u3000]/g, ' ').replace(/^@/, '')
  if (name === '~' || name.startsWith('~/')) return homedir() + name.slice(1)
  return name.startsWith('file://') ? fileURLToPath(name) : resolve(cwd, name)
}

/** Calls ov-hook: what it has to say, and why it refuses. A guard that says nothing sensible refuses. */
function call(event, payload, guard = false) {
  return new Promise((done) => {
    let said = ''
    let why = ''
    const end = (code) => {
      let answer = code === 0 && said === '' ? {} : null
      try {
        answer ??= code === 0 ? JSON.parse(said) : null
      } catch {
        // No answer at all: a guard then refuses, and what only reports has nothing to say.
      }
      const own = answer?.hookSpecificOutput
      const refusal = own?.permissionDecisionReason ?? answer?.reason
      const broken = guard && (typeof answer !== 'object' || answer === null)
      done({ context: own?.additionalContext, refusal: refusal ?? (broken ? why.trim() || 'Nobody answered.' : undefined) })
    }
    const hook = spawn(HOOK, guard ? [event, 'guard'] : [event], { timeout: PATIENCE_MS, killSignal: 'SIGKILL' })
    hook.stdout.on('data', (data) => (said += data))
    hook.stderr.on('data', (data) => (why += data))
    hook.stdin.on('error', () => {})
    hook.on('error', () => end(1))
    hook.on('exit', (code) => setTimeout(end, 0, code))
    hook.stdin.end(JSON.stringify(payload))
  })
}

function overPipes(pi, ending) {
  const tell = (ctx, value) => ctx.ui.setStatus('ov', JSON.stringify(value))
  pi.on('session_start', (_event, ctx) =>
    tell(ctx, { is: 'started', session: ctx.sessionManager.getSessionId(), model: ctx.model?.id }),
  )
  pi.on('tool_call', async ({ toolName: tool, input }, ctx) => {
    if (HARMLESS.has(tool)) return undefined
    if (typeof input.path === 'string') input.path = plain(input.path, ctx.cwd)
    const answer = await ctx.ui.input('ov', JSON.stringify({ tool, writes: input.path }))
    return answer === '${ALLOWED}' ? undefined : { block: true, reason: answer || 'Nobody answered.' }
  })
  pi.on('agent_settled', (_event, ctx) => tell(ctx, { is: 'settled', ...ending() }))
}

function onScreen(pi, ending) {
  const message = (content) => ({ customType: 'ov', content, display: true })
  const failed = () => !['stop', 'length', 'toolUse'].includes(ending().stop)
  pi.on('session_start', (_event, ctx) =>
    call('session-start', { session_id: ctx.sessionManager.getSessionId(), model: ctx.model?.id }),
  )
  pi.on('before_agent_start', async ({ prompt }) => {
    const { context } = await call('prompt', { prompt })
    return context === undefined ? undefined : { message: message(context) }
  })
  pi.on('tool_call', async ({ toolName, toolCallId, input }, ctx) => {
    if (!HARMLESS.has(toolName) && typeof input.path === 'string') input.path = plain(input.path, ctx.cwd)
    const asked = { tool_name: toolName, tool_use_id: toolCallId, tool_input: input }
    const { refusal } = await call('tool-start', asked, !HARMLESS.has(toolName))
    return refusal === undefined ? undefined : { block: true, reason: refusal }
  })
  pi.on('tool_result', async ({ toolName, toolCallId, content, isError }) => {
    const text = content.flatMap((part) => part.text ?? []).join('\\n')
    const ran = { tool_name: toolName, tool_use_id: toolCallId }
    const event = isError ? { hook_event_name: 'PostToolUseFailure', error: text } : { tool_response: text }
    const { context } = await call('tool-end', { ...ran, ...event })
    return context === undefined ? undefined : { content: [...content, { type: 'text', text: context }] }
  })
  pi.on('agent_before_settle', async ({ entries }) => {
    if (failed()) return undefined
    const { refusal } = await call('stop', { last_assistant_message: ending().text })
    if (refusal === undefined) return undefined
    return { entries: [...entries, { type: 'custom_message', ...message(refusal) }], continue: true }
  })
  pi.on('agent_settled', async () => {
    if (failed()) await call('stop', { failed: ending() })
  })
}

export default function (pi) {
  let last = {}
  let refusal
  subscribe('undici:request:headers', ({ response }) => {
    if (response.statusCode !== 429) return
    const texts = response.headers.map(String)
    const pairs = texts.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), texts[at + 1]]] : []))
    const known = pairs.filter(([name]) => /^retry-after$|unified-reset$/.test(name))
    refusal = { at: Date.now(), headers: Object.fromEntries(known) }
  })
  pi.on('before_agent_start', ({ systemPromptOptions: options }, ctx) => {
    refusal = undefined
    options.contextFiles = (options.contextFiles ?? []).filter(({ path }) => path.startsWith(ctx.cwd + '/'))
  })
  pi.on('message_end', ({ message }) => {
    if (message.role !== 'assistant') return undefined
    last = { ...message }
    if (message.stopReason !== 'error' || Object.keys(refusal?.headers ?? {}).length === 0) return undefined
    // By these words it is not tried again: when the limit ends is known.
    return { message: { ...message, errorMessage: message.errorMessage + ' (quota exceeded)' } }
  })
  const words = () => (last.content ?? []).flatMap((part) => part.text ?? []).join('\\n')
  const ending = () => ({ stop: last.stopReason, error: last.errorMessage, refusal, text: HOOK === null ? undefined : words() })
  if (HOOK === null) overPipes(pi, ending)
  else onScreen(pi, ending)
}
`

function frame(value: unknown): { readonly via: 'stdin'; readonly line: string } {
  return { via: 'stdin', line: JSON.stringify(value) }
}

const count = z.number().nonnegative()
const usage = z.looseObject({
  input: count,
  output: count,
  cacheRead: count,
  cacheWrite: count,
  cost: z.looseObject({ total: count }),
})
const content = z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))])

/** The lines of 0.87 and 1.5. What 0.74 ends with says nothing about a retry, so it is not known here. */
const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('message_end'),
    message: z.discriminatedUnion('role', [
      z.looseObject({ role: z.literal('user'), content }),
      z.looseObject({
        role: z.literal('assistant'),
        content,
        provider: z.string().optional(),
        model: z.string().optional(),
        usage,
      }),
      z.looseObject({ role: z.literal(['system', 'toolResult', 'custom', 'compactionSummary', 'branchSummary']) }),
    ]),
  }),
  z.looseObject({
    type: z.literal('tool_execution_start'),
    toolCallId: z.string(),
    toolName: z.string(),
    args: z.record(z.string(), z.unknown()),
  }),
  z.looseObject({
    type: z.literal('tool_execution_end'),
    toolCallId: z.string(),
    result: z.looseObject({ content: z.unknown().optional() }),
    isError: z.boolean(),
  }),
  z.looseObject({
    type: z.literal('auto_retry_start'),
    attempt: z.number(),
    delayMs: z.number(),
    errorMessage: z.string(),
  }),
  z.looseObject({
    type: z.literal('compaction_end'),
    result: z.looseObject({ usage: usage.optional() }).nullish(),
  }),
  z.looseObject({
    type: z.literal('response'),
    command: z.string(),
    success: z.boolean(),
    error: z.string().optional(),
  }),
  z.looseObject({
    type: z.literal('extension_ui_request'),
    id: z.string(),
    method: z.string(),
    title: z.string().optional(),
    placeholder: z.string().optional(),
    statusKey: z.string().optional(),
    statusText: z.string().optional(),
  }),
  z.looseObject({ type: z.literal('extension_error'), event: z.string(), error: z.string() }),
  z.looseObject({ type: z.literal('agent_end'), willRetry: z.boolean() }),
  z.looseObject({ type: z.literal('agent_start') }),
  z.looseObject({
    type: z.literal([
      'agent_settled',
      'auto_retry_end',
      'compaction_start',
      'entry_appended',
      'message_start',
      'message_update',
      'queue_update',
      'session_info_changed',
      'summarization_retry_attempt_start',
      'summarization_retry_finished',
      'summarization_retry_scheduled',
      'thinking_level_changed',
      'tool_execution_update',
      'turn_end',
      'turn_start',
    ]),
  }),
])
type Event = z.infer<typeof eventSchema>

/** How a turn ended, as the extension saw it. `refusal`: when a limit was reached, and what its headers say of its end. */
const ended = {
  stop: z.string().optional(),
  error: z.string().optional(),
  refusal: z.object({ at: z.number(), headers: z.record(z.string(), z.string()) }).optional(),
}
const endedSchema = z.object(ended)
type Ended = z.infer<typeof endedSchema>

/** What the extension says by a status. */
const wordSchema = z.discriminatedUnion('is', [
  z.looseObject({ is: z.literal('started'), session: z.string(), model: z.string().optional() }),
  z.looseObject({ is: z.literal('settled'), ...ended }),
])

/** What it says of a turn that failed, on its own screen. */
const failedSchema = z.looseObject({ failed: endedSchema })

const questionSchema = z.looseObject({ tool: z.string(), writes: z.string().optional() })

/** Lines of a session's file whose text is in the context: prompts, what tools gave, and what the extension brought in. */
const entrySchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('message'),
    message: z.looseObject({ role: z.literal(['user', 'toolResult']), content }),
  }),
  z.looseObject({ type: z.literal('custom_message'), content }),
])

/** Lines that tell tokens: replies of the model, and summaries. */
const replySchema = z.looseObject({
  type: z.literal(['message', 'compaction']),
  id: z.string(),
  message: z.looseObject({ role: z.literal('assistant'), model: z.string().optional(), usage }).optional(),
  usage: usage.optional(),
})

function meaning(event: Event, line: string): AgentEvent[] {
  switch (event.type) {
    case 'agent_start':
      return [{ type: 'turn_start' }]
    case 'message_end': {
      const { message } = event
      if (message.role === 'user') return [{ type: 'accepted', text: textOf(message.content) }]
      if (message.role !== 'assistant') return []
      const text = textOf(message.content).trim()
      return [...(text === '' ? [] : [{ type: 'text', text } as const]), ...used(message.usage, message.model)]
    }
    case 'tool_execution_start':
      return [
        {
          type: 'tool_start',
          id: event.toolCallId,
          tool: event.toolName,
          summary: brief(event.args.command ?? event.args.path ?? event.args),
          input: event.args,
        },
      ]
    case 'tool_execution_end':
      return [
        {
          type: 'tool_end',
          id: event.toolCallId,
          ok: !event.isError,
          summary: brief(textOf(event.result.content)),
        },
      ]
    case 'auto_retry_start':
      return [{ type: 'retrying', attempt: event.attempt, delayMs: event.delayMs, cause: causeOf(event.errorMessage) }]
    case 'compaction_end':
      return event.result?.usage === undefined ? [] : used(event.result.usage)
    case 'response': {
      if (event.success) return []
      const message = event.error ?? `Pi refused ${event.command}.`
      return [
        { type: 'failed', cause: NO_LOGIN.test(message) ? 'auth' : 'refused', message: message.split('\n\n')[0] ?? '' },
      ]
    }
    case 'extension_ui_request':
      return asked(event, line)
    case 'extension_error':
      // Without its word a turn would never end. In the question before a tool the tool is refused, and the model told so.
      return event.event === 'agent_settled'
        ? [{ type: 'failed', cause: 'crash', message: `Pi could not say how its turn ended: ${event.error}` }]
        : [{ type: 'unknown', line }]
    default:
      return []
  }
}

/** Dialogs wait for an answer; all else is only shown. */
const DIALOGS = ['confirm', 'editor', 'input', 'select']

function asked(request: Extract<Event, { type: 'extension_ui_request' }>, line: string): AgentEvent[] {
  const { id, method, title, placeholder, statusKey, statusText } = request
  if (method === 'setStatus' && statusKey === 'ov') {
    const word = wordSchema.safeParse(parsed(statusText ?? ''))
    if (!word.success) return [{ type: 'unknown', line }]
    if (word.data.is === 'settled') return [ending(word.data)]
    const { session, model } = word.data
    return [{ type: 'started', session, ...(model === undefined ? {} : { model }) }]
  }
  if (!DIALOGS.includes(method)) return []
  const question = questionSchema.safeParse(
    method === 'input' && title === 'ov' ? parsed(placeholder ?? '') : undefined,
  )
  if (!question.success) return [{ type: 'ask', ask: { id, when: 'before_tool', tool: method, interactive: true } }]
  const { tool, writes } = question.data
  return [
    {
      type: 'ask',
      ask: { id, when: 'before_tool', tool, ...(writes === undefined ? {} : { writes }), data: EXTENSION },
    },
  ]
}

function used(counts: z.infer<typeof usage>, model?: string): Extract<AgentEvent, { type: 'usage' }>[] {
  const { input, output, cacheRead, cacheWrite, cost } = counts
  // A reply that never came.
  if (input + output + cacheRead + cacheWrite === 0) return []
  return [
    {
      type: 'usage',
      usage: { input, output, cacheRead, cacheWrite, costUsd: cost.total, ...(model === undefined ? {} : { model }) },
      scope: 'added',
      costScope: 'added',
    },
  ]
}

function ending({ stop, error = '', refusal }: Ended): AgentEvent {
  switch (stop) {
    case 'length':
    case 'stop':
    case 'toolUse':
      return { type: 'turn_end' }
    case 'aborted':
      return { type: 'failed', cause: 'interrupted', message: error || 'Pi was interrupted.' }
    default: {
      const cause = causeOf(error)
      const resetAt = cause === 'rate_limit' && refusal !== undefined ? resetOf(refusal) : null
      return {
        type: 'failed',
        cause,
        message: inWords(error) || `Pi’s turn ended with ${stop ?? 'no reply'}.`,
        ...(resetAt === null ? {} : { resetAt }),
      }
    }
  }
}

const refusalSchema = z.looseObject({ error: z.looseObject({ message: z.string() }) })

/** A provider's refusal is its status and its answer, as JSON as a rule. */
function inWords(error: string): string {
  const [, status = '', answer = ''] = /^(\d{3}) (.*)$/s.exec(error) ?? []
  const refusal = refusalSchema.safeParse(parsed(answer))
  return refusal.success ? `${status} ${refusal.data.error.message}` : error
}

const NO_LOGIN = /no api key|no models available|\/login\b/i

/** An error of a provider begins with its status, if there was an answer. */
function causeOf(message: string): FailureCause {
  if (NO_LOGIN.test(message)) return 'auth'
  if (/operation was aborted/i.test(message)) return 'interrupted'
  if (/prompt is too long|context (window|length)|too many tokens/i.test(message)) return 'context'
  if (/insufficient_quota|credit balance|billing/i.test(message)) return 'quota'
  const status = /^(\d{3})\b/.exec(message)?.[1]
  if (status !== undefined) return causeOfStatus(Number(status))
  return /connection|fetch failed|network|socket|terminated|timed? ?out|stream ended|ECONN|EAI_AGAIN/i.test(message)
    ? 'network'
    : 'unknown'
}

/** When a limit ends, in ms since the epoch: the latest of what the headers name, as a time or as seconds from then. */
function resetOf({ at, headers }: NonNullable<Ended['refusal']>): number | null {
  const times = Object.values(headers).flatMap((value) => {
    const number = Number(value)
    const time = Number.isFinite(number) ? (number > 1e9 ? number * 1000 : at + number * 1000) : Date.parse(value)
    return Number.isFinite(time) ? [time] : []
  })
  return times.length === 0 ? null : Math.max(...times)
}
