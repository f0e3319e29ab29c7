import * as z from 'zod'
import { answerJsonHook, hookSettings, readJsonHook, type ToolFacts, verdictJson } from '../src/contract/json-hooks.ts'
import { brief, causeOfStatus, endedEarly, parsed, textOf } from '../src/contract/reading.ts'
import type {
  AgentEvent,
  AgentRuntime,
  Ask,
  FailureCause,
  InteractiveFacts,
  LaunchPlan,
  Screen,
  SessionSpec,
  Usage,
} from '../src/contract/runtime.ts'

/**
 * Claude Code, driven over stdin and stdout (`-p --input-format stream-json --output-format stream-json`).
 *
 * - One process lives through many turns. A prompt is echoed when it enters the context (`--replay-user-messages`), also
 *   one that was sent in the middle of a turn; that echo is the proof of delivery.
 * - Hooks come over the same pipes: `initialize` registers them, `hook_callback` asks, nothing is written to disk.
 * - A `result` ends a turn. Its `model_usage_since_last_result` is all that the turn used, compaction and subagents
 *   included. Assistant lines repeat the usage of the request's start for each block: they are not counted.
 * - `result.subtype` is `success` for refused API calls too; `is_error` tells.
 * - The standing instructions go by file: an argument ends at 128 KiB. They are recorded with the conversation and sent
 *   again on resume, whatever a later launch says.
 * - Permission checks are off, as for every unattended CLI; root may do so only with `IS_SANDBOX` exactly `1`.
 */
export default {
  id: 'claude',
  title: 'Claude Code',
  binaries: ['claude'],
  versionArgs: ['--version'],
  saysVersion: /^(\d+\.\d+\.\d+\S*) \(Claude Code\)$/,
  certified: ['2.1.328'],
  install: 'npm install -g @anthropic-ai/claude-code',
  login: {
    env: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'],
    files: ['.claude/.credentials.json'],
    hint: 'claude auth login',
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
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_AUTH_TOKEN',
    'ANTHROPIC_BASE_URL',
    'ANTHROPIC_BETAS',
    'ANTHROPIC_CUSTOM_HEADERS',
    'ANTHROPIC_DEFAULT_*',
    'ANTHROPIC_MODEL',
    'CLAUDE_CODE_OAUTH_TOKEN',
    'CLAUDE_CONFIG_DIR',
  ],
  models: {
    'claude-fable': 'fable',
    'claude-haiku': 'haiku',
    'claude-opus': 'opus',
    'claude-opus-4': 'opus',
    'claude-sonnet': 'sonnet',
    'claude-sonnet-4': 'sonnet',
  },
  ownModels: /^(claude-|(opus|sonnet|haiku|fable|opusplan|best)(\[1m\])?$)/,
  gateway: { baseUrl: 'ANTHROPIC_BASE_URL', key: 'ANTHROPIC_AUTH_TOKEN' },
  start: (session) =>
    session.interactive === undefined ? structured(session) : onScreen(session, session.interactive),
  sendInput: (text, { session, interactive }) =>
    interactive
      ? { by: 'paste', text: asText(text) }
      : {
          by: 'frame',
          frame: frame({
            type: 'user',
            message: { role: 'user', content: text },
            parent_tool_use_id: null,
            session_id: session ?? '',
          }),
        },
  deployHooks: ({ hook }) =>
    hook === undefined
      ? []
      : [
          {
            path: SETTINGS,
            content: `${JSON.stringify({ ...ON_SCREEN, ...hookSettings({ hook, ...MATCHERS }) }, null, 2)}\n`,
          },
        ],
  getPromptCommand: (text, { model, extraArgs = [] }) => ({
    argv: [
      'claude',
      '-p',
      '--output-format',
      'json',
      '--tools',
      '',
      '--strict-mcp-config',
      '--setting-sources',
      '',
      '--disable-slash-commands',
      '--no-session-persistence',
      ...(model === undefined ? [] : [`--model=${model}`]),
      ...extraArgs,
    ],
    stdin: text,
    reports: true,
    env: { ...QUIET, CLAUDE_CODE_DISABLE_FILE_MENTIONS: '1', CLAUDE_CODE_DISABLE_CLAUDE_MDS: '1' },
  }),
  read(line) {
    const event = eventSchema.safeParse(parsed(line))
    return event.success ? meaning(event.data, line) : [{ type: 'unknown', line }]
  },
  exited(exit) {
    const { stderrTail, stdoutTail } = exit
    const cause = /cannot be used with root/i.test(stderrTail)
      ? 'refused'
      : /not logged in|\/login/i.test(stderrTail)
        ? 'auth'
        : null
    return [endedEarly('Claude Code', exit, stderrTail.trim() || wordsIn(stdoutTail), cause)]
  },
  answer({ id, data: hook }, verdict) {
    if (typeof hook !== 'string') {
      const error = verdict.allow ? 'Nobody is there to answer.' : verdict.reason
      return frame({ type: 'control_response', response: { subtype: 'error', request_id: id, error } })
    }
    return frame({
      type: 'control_response',
      response: { subtype: 'success', request_id: id, response: verdictJson(hook, verdict) },
    })
  },
  readHook: (event, payload) => readJsonHook(event, payload, TOOLS),
  // Context at a turn's end lets it go on too, and enters once; a reason to block enters twice, once called an error.
  answerHook: (event, verdict) =>
    answerJsonHook(event, event === 'stop' && !verdict.allow ? { allow: true, context: verdict.reason } : verdict),
  interrupt: ({ sequence }) => request(`ov-interrupt-${sequence}`, { subtype: 'interrupt' }),
  stopSignal: 'SIGTERM',
  transcript: {
    locate: (session, { privateDir }) => ({
      folder: `${privateDir}/${CONFIG}/projects`,
      endsWith: `/${session}.jsonl`,
    }),
    entered(line) {
      const entry = entrySchema.safeParse(parsed(line))
      if (!entry.success) return []
      if (entry.data.type === 'attachment') {
        const { attachment } = entry.data
        return attachment.type === 'queued_command' ? [attachment.prompt] : attachment.content
      }
      const said = entry.data.message.content
      // A tool's output enters the context too: mail that an agent took by itself is in there.
      const results = blocksOf(said).filter((one) => one.type === 'tool_result')
      return [textOf(said), ...results.map((one) => textOf(one.content))]
    },
    used(line) {
      const reply = replySchema.safeParse(parsed(line))
      if (!reply.success) return null
      const { id, model, usage } = reply.data.message
      return {
        request: id,
        event: {
          type: 'usage',
          usage: { ...countsOf(usage), costUsd: null, ...(model === undefined ? {} : { model }) },
          scope: 'added',
          costScope: 'added',
        },
      }
    },
  },
  screen: ({ text }) => {
    const lines = text.split('\n').map((line) => line.trimEnd())
    if (lines.every((line) => line === '')) return { is: 'loading' }
    if (/^ *Enter to confirm/m.test(text)) return dialog(lines, text)
    // The prompt stands between the last two rules, what it does in the footer below them.
    const rules = lines.flatMap((line, at) => (/^─{10,}/.test(line) ? [at] : []))
    const [top, bottom] = rules.slice(-2)
    if (top === undefined || bottom === undefined || !lines[top + 1]?.startsWith('❯')) return { is: 'unknown' }
    const footer = lines.slice(bottom + 1).join('\n')
    if (footer.includes('esc to interrupt')) return { is: 'busy' }
    const typed = lines.slice(top + 1, bottom).map((line) => line.slice(2))
    return footer.includes('bypass permissions on') ? { is: 'idle', typed: typed.join('\n') } : { is: 'unknown' }
  },
  trial: {
    npm: {
      name: '@anthropic-ai/claude-code',
      version: '2.1.328',
      program: 'claude',
      scripts: ['@anthropic-ai/claude-code'],
    },
    wire: 'anthropic',
    setting: ({ url, key, as }) => ({
      env: { ANTHROPIC_BASE_URL: url, [as === 'key' ? 'ANTHROPIC_API_KEY' : 'CLAUDE_CODE_OAUTH_TOKEN']: key },
      files: [],
    }),
    key: (random) => `sk-ant-api03-${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.claude/settings.json',
        content: JSON.stringify({ hooks: { SessionStart: [{ hooks: [{ type: 'command', command }] }] } }),
      },
      {
        path: '.claude.json',
        content: JSON.stringify({ mcpServers: { theirs: { command: 'sh', args: ['-c', command] } } }),
      },
      { path: '.claude/CLAUDE.md', content: `${words}\n` },
    ],
    shell: (command, tools) =>
      tools.includes('Bash') ? { tool: 'Bash', input: { command, description: 'run' } } : null,
    write: (path, content, tools) =>
      tools.includes('Write') ? { tool: 'Write', input: { file_path: path, content } } : null,
    limit: (resetAt) => ({
      status: 429,
      headers: {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': String(resetAt),
        'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      },
    }),
    executables: ['/claude.exe'],
    refused: 'Invalid API key',
  },
} satisfies AgentRuntime

function structured(session: SessionSpec): LaunchPlan {
  return {
    protocol: 'duplex',
    argv: [
      'claude',
      '-p',
      '--input-format',
      'stream-json',
      '--output-format',
      'stream-json',
      '--verbose',
      '--replay-user-messages',
      ...common(session),
    ],
    env: environmentFor(session),
    files: [{ path: INSTRUCTIONS, content: session.instructions }],
    links: linksFor(session),
    hello: [
      request(HELLO, {
        subtype: 'initialize',
        hooks: { PreToolUse: [{ matcher: [...WRITING_TOOLS, ...ASKING_TOOLS].join('|'), hookCallbackIds: ['guard'] }] },
      }),
    ],
    firstPrompt: 'at-once',
  }
}

/** Options of both modes. */
function common(session: SessionSpec): string[] {
  return [
    '--dangerously-skip-permissions',
    '--append-system-prompt-file',
    `${session.privateDir}/${INSTRUCTIONS}`,
    '--disallowedTools',
    [...UNFIT_TOOLS, ...(session.readOnly ? WRITING_TOOLS : [])].join(','),
    ...(session.tools === undefined ? [] : [`--tools=${session.tools.join(',')}`]),
    ...(session.resume === undefined ? ['--session-id', session.sessionId] : ['--resume', session.resume]),
    ...(session.model === undefined ? [] : [`--model=${session.model}`]),
    ...session.extraArgs,
  ]
}

/** In both modes its config folder is the agent's own: nothing of the human's hooks, servers and instructions gets in. */
function environmentFor({ root, privateDir }: SessionSpec): Readonly<Record<string, string>> {
  return {
    ...QUIET,
    ...UNATTENDED,
    ...(root ? { IS_SANDBOX: '1' } : {}),
    CLAUDE_CONFIG_DIR: `${privateDir}/${CONFIG}`,
  }
}

/** Of the human's it has the login and the conversations, as links, so that a refreshed login is everybody's. */
function linksFor({ environment }: SessionSpec): NonNullable<LaunchPlan['links']> {
  const home = environment.CLAUDE_CONFIG_DIR ?? `${environment.HOME ?? ''}/.claude`
  return [
    { path: `${CONFIG}/.credentials.json`, to: `${home}/.credentials.json` },
    { path: `${CONFIG}/projects`, to: `${home}/projects` },
  ]
}

/**
 * On its own screen its questions at the start are answered in its config folder: whether it is set up, whether it trusts
 * the repository (known by its main checkout), whether the key of the environment is to be used (known by its last 20
 * characters), whether it may run without asking.
 */
function onScreen(session: SessionSpec, { repository }: InteractiveFacts): LaunchPlan {
  const key = session.environment.ANTHROPIC_API_KEY
  const trusted = { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true }
  const state = {
    hasCompletedOnboarding: true,
    projects: { [repository]: trusted, [session.worktree]: trusted },
    ...(key === undefined ? {} : { customApiKeyResponses: { approved: [key.slice(-20)], rejected: [] } }),
  }
  // An argument ends at 128 KiB; a longer prompt is typed.
  const short = Buffer.byteLength(session.prompt) <= LONGEST_ARGUMENT
  return {
    protocol: 'interactive',
    argv: [
      'claude',
      '--settings',
      session.hook === undefined ? JSON.stringify(ON_SCREEN) : `${session.privateDir}/${SETTINGS}`,
      ...common(session),
      ...(short ? ['--', asText(session.prompt)] : []),
    ],
    env: environmentFor(session),
    files: [
      { path: INSTRUCTIONS, content: session.instructions },
      { path: `${CONFIG}/.claude.json`, content: JSON.stringify(state) },
    ],
    links: linksFor(session),
    firstPrompt: short ? 'included' : 'at-once',
  }
}

/** Text that its prompt takes as text: no command, no shell, no note to itself; a backslash at the end would join lines. */
function asText(prompt: string): string {
  const plain = /^\s*[/!#&?@]/.test(prompt) ? `Message:\n${prompt}` : prompt
  return plain.endsWith('\\') ? `${plain}\n` : plain
}

/** Settings that only its screen needs. */
const ON_SCREEN = { skipDangerousModePermissionPrompt: true }
/** In bytes. */
const LONGEST_ARGUMENT = 64 * 1024
const CONFIG = 'claude'

/** Questions at the start to which yes is the answer: whoever slings an agent has said so. The default of each is no. */
const QUESTIONS: readonly (readonly [string, RegExp])[] = [
  ['trust this folder', /Accessing workspace:/],
  ['use the key of the environment', /Detected a custom API key/],
  ['run without permission prompts', /running in Bypass Permissions mode/],
]

/** The keys that take the cursor from where it stands to the option that says yes. */
function dialog(lines: readonly string[], text: string): Screen {
  const options = lines.filter((line) => /^ *❯? *(\d\. )?(Yes|No)\b/.test(line))
  const cursor = options.findIndex((line) => line.includes('❯'))
  const yes = options.findIndex((line) => /\bYes\b/.test(line))
  const question = QUESTIONS.find(([, pattern]) => pattern.test(text))
  const steps = Math.abs(yes - cursor)
  const answer =
    question === undefined || cursor < 0 || yes < 0
      ? null
      : [...Array<string>(steps).fill(yes > cursor ? 'Down' : 'Up'), 'Enter']
  return { is: 'dialog', about: question?.[0] ?? lines.find((line) => /\w/.test(line))?.trim() ?? '', answer }
}

const INSTRUCTIONS = 'instructions.md'
const HELLO = 'ov-hello'
/** Named by `--settings`; a session with its own screen reports by the hooks in it. */
const SETTINGS = 'settings.json'

const WRITING_TOOLS = ['Edit', 'MultiEdit', 'NotebookEdit', 'Write']
/** They wait for a person at a screen. The CLI leaves them out by itself when nobody is there; a later version may not. */
const ASKING_TOOLS = ['AskUserQuestion', 'ExitPlanMode']
/** Which hook a tool calls, as regular expressions: the guard, or the one that only records. */
const MATCHERS = {
  guarded: `^(${[...WRITING_TOOLS, ...ASKING_TOOLS].join('|')})$`,
  unguarded: `^(?!(${[...WRITING_TOOLS, ...ASKING_TOOLS].join('|')})$)`,
}
/**
 * What an agent of a fleet must not use: tools that leave the worktree, wait for a person, outlive the turn or speak to
 * other sessions past `ov`'s mail.
 */
const UNFIT_TOOLS = [
  ...ASKING_TOOLS,
  'CronCreate',
  'CronDelete',
  'CronList',
  'EnterPlanMode',
  'EnterWorktree',
  'ExitWorktree',
  'ListAgents',
  'RemoteTrigger',
  'ScheduleWakeup',
  'SendMessage',
]

/** No updates, no telemetry. After four retries of its own (8 s) the engine decides; the default is ten (three minutes), even for a wrong key. */
const QUIET = {
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_MAX_RETRIES: '4',
}

/**
 * A turn is over when it ends: nothing goes on behind it. `@path` in somebody's mail reads no file, and notes to itself
 * outside the worktree are off. Commands may run for an hour: gates and answers take their time.
 */
const UNATTENDED = {
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
  CLAUDE_CODE_DISABLE_FILE_MENTIONS: '1',
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
  BASH_DEFAULT_TIMEOUT_MS: '600000',
  BASH_MAX_TIMEOUT_MS: '3600000',
}

function frame(value: unknown): { readonly via: 'stdin'; readonly line: string } {
  return { via: 'stdin', line: JSON.stringify(value) }
}

function request(id: string, body: Readonly<Record<string, unknown>>): ReturnType<typeof frame> {
  return frame({ type: 'control_request', request_id: id, request: body })
}

/** What was printed beside the protocol: a CLI that can't begin says why in plain words. */
function wordsIn(output: string): string {
  return output
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .slice(-5)
    .join('\n')
    .trim()
}

const block = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  id: z.string().optional(),
  name: z.string().optional(),
  input: z.record(z.string(), z.unknown()).optional(),
  tool_use_id: z.string().optional(),
  is_error: z.boolean().nullish(),
  content: z.unknown().optional(),
})
type Block = z.infer<typeof block>
const content = z.union([z.string(), z.array(block)])
/** Of the last day there is, as JavaScript counts. */
const LAST_SECOND = 8.64e12
const count = z.number().nonnegative().nullish()

const counts = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
})

/** The lines of 2.1.328; the names are its own. */
const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('system'),
    subtype: z.string(),
    session_id: z.string().optional(),
    model: z.string().optional(),
    claude_code_version: z.string().optional(),
    attempt: z.number().optional(),
    retry_delay_ms: z.number().optional(),
    error_status: z.number().nullish(),
    error: z.unknown().optional(),
  }),
  z.looseObject({
    type: z.literal('assistant'),
    message: z.looseObject({ content }),
    parent_tool_use_id: z.string().nullish(),
    is_api_error_message: z.boolean().optional(),
  }),
  z.looseObject({
    type: z.literal('user'),
    message: z.looseObject({ content }),
    isReplay: z.boolean().optional(),
  }),
  z.looseObject({
    type: z.literal('result'),
    subtype: z.string(),
    is_error: z.boolean(),
    result: z.string().optional(),
    errors: z.array(z.string()).optional(),
    terminal_reason: z.string().nullish(),
    api_error_status: z.number().nullish(),
    total_cost_usd: count,
    usage: counts.optional(),
    model_usage_since_last_result: z
      .record(
        z.string(),
        z.looseObject({
          inputTokens: count,
          outputTokens: count,
          cacheReadInputTokens: count,
          cacheCreationInputTokens: count,
          costUSD: count,
        }),
      )
      .optional(),
  }),
  z.looseObject({
    type: z.literal('rate_limit_event'),
    rate_limit_info: z.looseObject({
      status: z.string(),
      resetsAt: z.number().max(LAST_SECOND).nullish(),
      rateLimitType: z.string().nullish(),
    }),
  }),
  z.looseObject({
    type: z.literal('control_request'),
    request_id: z.string(),
    request: z.looseObject({
      subtype: z.string(),
      input: z
        .looseObject({
          hook_event_name: z.string(),
          tool_name: z.string().optional(),
          tool_input: z.record(z.string(), z.unknown()).optional(),
        })
        .optional()
        .catch(undefined),
      tool_name: z.string().optional(),
    }),
  }),
  z.looseObject({
    type: z.literal('control_response'),
    response: z.looseObject({ subtype: z.string(), request_id: z.string(), error: z.unknown().optional() }),
  }),
  z.looseObject({ type: z.literal(['control_cancel_request', 'keep_alive', 'stream_event', 'tool_progress']) }),
])
type Event = z.infer<typeof eventSchema>
type Result = Extract<Event, { type: 'result' }>
type ControlRequest = Extract<Event, { type: 'control_request' }>

/** Lines of a transcript that are prompts; one that came in the middle of a turn is an attachment. What waits in its queue is neither. */
const entrySchema = z.union([
  z.looseObject({ type: z.literal('user'), message: z.looseObject({ content }) }),
  z.looseObject({
    type: z.literal('attachment'),
    attachment: z.discriminatedUnion('type', [
      z.looseObject({ type: z.literal('queued_command'), prompt: z.string() }),
      // What a hook gave. What it printed stands in a line of its own, which says nothing about the context.
      z.looseObject({ type: z.literal('hook_additional_context'), content: z.array(z.string()) }),
    ]),
  }),
])

/** Lines of a transcript that are replies of the model: one a block, each with the counts of its whole request. */
const replySchema = z.looseObject({
  type: z.literal('assistant'),
  message: z.looseObject({ id: z.string(), model: z.string().optional(), usage: counts }),
})

/** Lines about the CLI's own household: understood, and of no consequence to the engine. */
const HOUSEHOLD = new Set([
  'commands_changed',
  'compact_boundary',
  'hook_progress',
  'hook_response',
  'hook_started',
  'informational',
  'local_command_output',
  'notification',
  'permission_denied',
  'session_state_changed',
  'session_title_changed',
  'status',
  'task_notification',
  'task_progress',
  'task_started',
  'task_updated',
  'thinking_tokens',
  'vcs_state_changed',
])

function meaning(event: Event, line: string): AgentEvent[] {
  switch (event.type) {
    case 'system':
      if (event.subtype === 'init') {
        return [
          {
            type: 'started',
            ...(event.session_id === undefined ? {} : { session: event.session_id }),
            ...(event.model === undefined ? {} : { model: event.model }),
            ...(event.claude_code_version === undefined ? {} : { version: event.claude_code_version }),
          },
          // Printed again before every turn.
          { type: 'turn_start' },
        ]
      }
      if (event.subtype === 'api_retry') {
        return [
          {
            type: 'retrying',
            attempt: event.attempt ?? 0,
            delayMs: event.retry_delay_ms ?? 0,
            cause: causeOfStatus(event.error_status ?? null),
          },
        ]
      }
      return HOUSEHOLD.has(event.subtype) ? [] : [{ type: 'unknown', line }]
    case 'assistant':
      // What an API error says is in the result too, with its cause.
      return event.is_api_error_message === true
        ? []
        : blocksOf(event.message.content).flatMap((one) => spoken(one, event.parent_tool_use_id ?? null))
    case 'user':
      if (event.isReplay === true) return [{ type: 'accepted', text: textOf(event.message.content) }]
      return blocksOf(event.message.content).flatMap((one): AgentEvent[] =>
        one.type === 'tool_result' && one.tool_use_id !== undefined
          ? [
              {
                type: 'tool_end',
                id: one.tool_use_id,
                ok: one.is_error !== true,
                summary: brief(textOf(one.content)),
              },
            ]
          : [],
      )
    case 'result':
      return [...usageOf(event), ending(event)]
    case 'rate_limit_event': {
      const { status, resetsAt, rateLimitType } = event.rate_limit_info
      if (status !== 'rejected') return []
      return [
        {
          type: 'rate_limited',
          // It says seconds.
          resetAt: resetsAt == null ? null : resetsAt * 1000,
          message: `The ${rateLimitType?.replaceAll('_', ' ') ?? 'usage'} limit is reached.`,
        },
      ]
    }
    case 'control_request':
      return [{ type: 'ask', ask: askOf(event) }]
    case 'control_response':
      // Our own answers are echoed; what matters is that the guard could not be installed.
      return event.response.request_id === HELLO && event.response.subtype === 'error'
        ? [{ type: 'failed', cause: 'crash', message: `Claude Code took no hooks: ${brief(event.response.error)}` }]
        : []
    case 'control_cancel_request':
    case 'keep_alive':
    case 'stream_event':
    case 'tool_progress':
      return []
  }
}

function spoken(one: Block, subagent: string | null): AgentEvent[] {
  if (one.type === 'text' && subagent === null && one.text !== undefined && one.text !== '')
    return [{ type: 'text', text: one.text }]
  if (one.type === 'tool_use' && one.id !== undefined && one.name !== undefined)
    return [
      { type: 'tool_start', id: one.id, tool: one.name, summary: brief(aimOf(one.input ?? {})), input: one.input },
    ]
  return []
}

/** What a tool call is about: the command or the file, else all of its input. */
function aimOf(input: Readonly<Record<string, unknown>>): unknown {
  return input.command ?? input.file_path ?? input.notebook_path ?? input.pattern ?? input.url ?? input
}

const WHEN = new Map<string, Ask['when']>([
  ['PreToolUse', 'before_tool'],
  ['PostToolUse', 'after_tool'],
  ['UserPromptSubmit', 'prompt'],
  ['Stop', 'stop'],
])

/** A hook that asks. Whatever else wants an answer (a dialog, a question) has nobody to give it. */
function askOf({ request_id: id, request: { subtype, input, tool_name } }: ControlRequest): Ask {
  const when = WHEN.get(input?.hook_event_name ?? '')
  if (subtype !== 'hook_callback' || input === undefined || when === undefined)
    return { id, when: 'before_tool', tool: tool_name ?? subtype, interactive: true }
  return {
    id,
    when,
    ...(input.tool_name === undefined ? {} : { tool: input.tool_name }),
    ...TOOLS.guard(input.tool_name ?? '', input.tool_input ?? {}),
    data: input.hook_event_name,
  }
}

const TOOLS: ToolFacts = {
  aim: (_tool, input) => brief(aimOf(input)),
  guard(tool, input) {
    const writes = input.file_path ?? input.notebook_path
    return {
      ...(typeof writes === 'string' && WRITING_TOOLS.includes(tool) ? { writes } : {}),
      ...(ASKING_TOOLS.includes(tool) ? { interactive: true } : {}),
    }
  },
}

function usageOf(result: Result): AgentEvent[] {
  const models = result.model_usage_since_last_result
  if (models !== undefined) {
    return Object.entries(models).map(([model, used]) => ({
      type: 'usage',
      usage: {
        input: used.inputTokens ?? null,
        output: used.outputTokens ?? null,
        cacheRead: used.cacheReadInputTokens ?? null,
        cacheWrite: used.cacheCreationInputTokens ?? null,
        costUsd: used.costUSD ?? null,
        model,
      },
      scope: 'added',
      costScope: 'added',
    }))
  }
  if (result.usage === undefined) return []
  // Earlier versions tell the turn's tokens and the session's dollars.
  return [
    {
      type: 'usage',
      usage: {
        ...countsOf(result.usage),
        costUsd: result.total_cost_usd ?? null,
      },
      scope: 'added',
      costScope: 'total',
    },
  ]
}

function countsOf(used: z.infer<typeof counts>): Pick<Usage, 'input' | 'output' | 'cacheRead' | 'cacheWrite'> {
  return {
    input: used.input_tokens ?? null,
    output: used.output_tokens ?? null,
    cacheRead: used.cache_read_input_tokens ?? null,
    cacheWrite: used.cache_creation_input_tokens ?? null,
  }
}

function ending(result: Result): AgentEvent {
  const said = result.result ?? ''
  if (!result.is_error) return { type: 'turn_end', ...(said === '' ? {} : { text: said }) }
  const message = said !== '' ? said : (result.errors ?? []).join('\n') || `The turn ended with ${result.subtype}.`
  return { type: 'failed', cause: causeOf(result, message), message }
}

function causeOf(result: Result, message: string): FailureCause {
  switch (result.terminal_reason) {
    case 'aborted_streaming':
    case 'aborted_tools':
      return 'interrupted'
    case 'blocking_limit':
    case 'prompt_too_long':
      return 'context'
    case 'max_turns':
    case 'budget_exhausted':
      return 'limit'
  }
  if (result.subtype === 'error_max_turns' || result.subtype === 'error_max_budget_usd') return 'limit'
  if (/not logged in|please run \/login|invalid api key/i.test(message)) return 'auth'
  if (/prompt is too long/i.test(message)) return 'context'
  if (/credit balance is too low/i.test(message)) return 'quota'
  if (result.api_error_status != null) return causeOfStatus(result.api_error_status)
  return result.terminal_reason === 'api_error' ? 'network' : 'unknown'
}

/** A status of the API; null means that no answer came at all. */
function blocksOf(value: string | readonly Block[]): readonly Block[] {
  return typeof value === 'string' ? [] : value
}
