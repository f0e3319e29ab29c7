import * as z from 'zod'
import { acpCan, acpDriver, acpHello } from '../src/contract/acp.ts'
import { answerJsonHook, hookCommand, hookSettings, readJsonHook, type ToolFacts } from '../src/contract/json-hooks.ts'
import { brief, causeOfStatus, endedEarly, parsed } from '../src/contract/reading.ts'
import type {
  AgentEvent,
  AgentRuntime,
  Can,
  FailureCause,
  HookEvent,
  LaunchPlan,
  SessionSpec,
} from '../src/contract/runtime.ts'

const CAN: Can = {
  structured: 'turn',
  interactive: true,
  resume: true,
  steer: false,
  block: true,
  inject: true,
  usage: true,
  cost: false,
  reports: 'mail',
  prompts: true,
  echo: true,
}

/** What a provider or the CLI itself says in plain words, where no code tells. */
const WORDS: readonly (readonly [RegExp, FailureCause])[] = [
  [/exceeded your current quota|insufficient.quota|out of credits/i, 'quota'],
  [/maximum context length|context.length.exceeded|prompt is too long/i, 'context'],
  [/authentication failed|no authentication information|not logged in|\/login|copilot login/i, 'auth'],
  [/could not connect|error reading a body|error sending request/i, 'network'],
  [/model .* (is )?not (available|found|supported)/i, 'model'],
]

/**
 * GitHub Copilot CLI, one process a turn (`-p --output-format json`).
 *
 * - `--session-id` begins a session or goes on with it. Its last line alone names the session.
 * - The prompt comes by stdin and is told as it was taken (`user.message`): the proof of delivery.
 * - Tokens are not on stdout. It writes them to a file at its end, as totals of the session over all its processes.
 * - Exit code 1 means any failure; `session.error` says which. Before, it tries five times more by itself: for 16 s where
 *   the service is out of order, for a minute and more where it limits. That is cut short.
 * - Of its home folder each agent has one of its own, in which the standing instructions lie. It holds its settings,
 *   hooks, servers, sessions; programs it unpacked are in another folder, which all share.
 * - What it calls hooks come by `--plugin-dir`. Named as Claude Code names them, they speak its dialect. A hook that
 *   fails refuses, one that takes too long allows: `ov-hook` gives up long before.
 * - It takes its key out of the environment of its tools, and every text that equals it out of its output.
 */
export default {
  id: 'copilot',
  title: 'GitHub Copilot CLI',
  binaries: ['copilot'],
  // The npm package's `copilot` only waits for the program, and dies without it.
  behind: {
    'linux-x64': besideThePackage('linux-x64'),
    'linux-arm64': besideThePackage('linux-arm64'),
    'darwin-x64': besideThePackage('darwin-x64'),
    'darwin-arm64': besideThePackage('darwin-arm64'),
  },
  versionArgs: ['--version'],
  saysVersion: /^GitHub Copilot CLI (\d[\w.-]*\w)/,
  certified: ['1.0.102'],
  install: 'npm install -g @github/copilot',
  login: {
    env: [
      'COPILOT_GITHUB_TOKEN',
      'GH_TOKEN',
      'GITHUB_TOKEN',
      'COPILOT_PROVIDER_API_KEY',
      'COPILOT_PROVIDER_API_KEY_COMMAND',
      'COPILOT_PROVIDER_BEARER_TOKEN',
      'COPILOT_PROVIDER_BASE_URL',
    ],
    // The first is there once it has run, with a login or without.
    files: ['.copilot/config.json', '.config/gh/hosts.yml'],
    hint: 'copilot login',
  },
  can: CAN,
  environment: [
    'COPILOT_AUTO_TIER',
    'COPILOT_CACHE_HOME',
    'COPILOT_GH_HOST',
    'COPILOT_GITHUB_TOKEN',
    'COPILOT_MODEL',
    'COPILOT_OFFLINE',
    'COPILOT_PROVIDER_*',
    'DBUS_SESSION_BUS_ADDRESS',
    'GH_HOST',
    'GH_TOKEN',
    'GITHUB_TOKEN',
  ],
  models: {
    'claude-haiku': 'claude-haiku-5.5',
    'claude-opus': 'claude-opus-5.5',
    'claude-sonnet': 'claude-sonnet-5.5',
    'gpt-6': 'gpt-6.1-sol',
  },
  gateway: { baseUrl: 'COPILOT_PROVIDER_BASE_URL', key: 'COPILOT_PROVIDER_API_KEY' },
  start: (session) => (session.interactive === undefined ? structured(session) : onScreen(session)),
  sendInput: (text) => ({ by: 'paste', text: asText(text) }),
  hooksBeside: true,
  deployHooks: ({ hook, interactive }) =>
    hook === undefined
      ? []
      : [
          {
            path: `${PLUGIN}/plugin.json`,
            content: `${JSON.stringify({ name: 'ov', version: '1.0.0', description: 'ov', hooks: 'hooks.json' })}\n`,
          },
          {
            path: `${PLUGIN}/hooks.json`,
            content: `${JSON.stringify({ version: 1, hooks: hooksFor(hook, interactive !== undefined) }, null, 2)}\n`,
          },
        ],
  // In the folder it is asked in, which is empty and goes afterwards, lies its home: nothing is left of the session.
  getPromptCommand: (text, { model, extraArgs = [] }) => ({
    argv: [
      'copilot',
      '-p',
      '',
      '--silent',
      '--stream',
      'off',
      '--no-color',
      '--no-ask-user',
      '--no-custom-instructions',
      '--disable-builtin-mcps',
      '--available-tools=none',
      ...(model === undefined ? [] : [`--model=${model}`]),
      ...extraArgs,
    ],
    stdin: text,
    env: { ...QUIET, COPILOT_HOME: '.copilot' },
  }),
  read(line) {
    const event = eventSchema.safeParse(parsed(line))
    if (event.success) return meaning(event.data)
    const other = otherSchema.safeParse(parsed(line))
    return other.success && WITHOUT_MEANING.has(other.data.type) ? [] : [{ type: 'unknown', line }]
  },
  exited(exit) {
    const said = exit.stderrTail.trim()
    return [...usageIn(exit.collected[USAGE]), endedEarly('GitHub Copilot CLI', exit, said, causeOfWords(said))]
  },
  answer: () => null,
  readHook: (event, payload) => readJsonHook(event, inDialect(payload), TOOLS),
  // Of the dialect's answers it knows those that add to the context by an older shape alone.
  answerHook: (event, verdict) =>
    verdict.allow && verdict.context !== undefined
      ? { stdout: `${JSON.stringify({ additionalContext: verdict.context })}\n`, stderr: '', exit: 0 }
      : answerJsonHook(event, verdict),
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  transcript: {
    locate: (session, { privateDir }) => ({
      folder: `${privateDir}/${HOME}/session-state`,
      endsWith: `/${session}/events.jsonl`,
    }),
    entered(line) {
      const given = givenSchema.safeParse(parsed(line))
      if (given.success) return [given.data.data.output.additionalContext ?? given.data.data.output.reason ?? '']
      const event = eventSchema.safeParse(parsed(line))
      if (!event.success) return []
      if (event.data.type === 'user.message') return [event.data.data.content]
      return event.data.type === 'tool.execution_complete' ? [event.data.data.result?.content ?? ''] : []
    },
    used(line) {
      const record = recordSchema.safeParse(parsed(line))
      if (!record.success) return null
      const { model, accounting, ...counts } = record.data.data.usage
      return { request: accounting.usageId, event: { ...usageOf([counts], model), scope: 'added', costScope: 'added' } }
    },
  },
  trial: {
    npm: { name: '@github/copilot', version: '1.0.102', program: 'copilot' },
    wire: 'openai-chat',
    setting: ({ url, key }) => ({
      env: {
        COPILOT_OFFLINE: 'true',
        COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
        COPILOT_PROVIDER_API_KEY: key,
        COPILOT_MODEL: 'scripted-model',
      },
      files: [],
    }),
    key: (random) => `sk-proj-${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.copilot/hooks/theirs.json',
        content: JSON.stringify({ version: 1, hooks: { sessionStart: [{ type: 'command', bash: command }] } }),
      },
      {
        path: '.copilot/mcp-config.json',
        content: JSON.stringify({
          mcpServers: { theirs: { type: 'local', command: 'sh', args: ['-c', command], tools: ['*'] } },
        }),
      },
      { path: '.copilot/copilot-instructions.md', content: `${words}\n` },
      { path: '.copilot/skills/theirs/SKILL.md', content: `---\nname: theirs\ndescription: ${words}\n---\n` },
    ],
    shell: (command, tools) =>
      tools.includes('bash') ? { tool: 'bash', input: { command, description: 'Run it' } } : null,
    write: (path, content, tools) =>
      tools.includes('create') ? { tool: 'create', input: { path, file_text: content } } : null,
    limit: () => null,
    executables: ['/copilot-linux-x64/copilot'],
    refused: 'Authentication failed with provider',
  },
  // Over ACP it tells failures as if they were the model's words.
  acp: {
    can: acpCan(CAN),
    start: (session) => ({
      protocol: 'duplex',
      argv: ['copilot', '--acp', ...common(session)],
      ...homeOf(session),
      hello: acpHello(session),
      firstPrompt: 'after-started',
    }),
    ...acpDriver({
      title: 'GitHub Copilot CLI',
      trouble:
        /^Error: (Failed to get response from|Authentication failed with|Could not connect to|Model '|[45]\d\d )/,
      words: WORDS,
      tokens: 'process',
    }),
  },
  screen: ({ text }) => {
    const lines = text.split('\n').map((line) => line.trimEnd())
    if (lines.every((line) => line === '')) return { is: 'loading' }
    if (/^│ Do you trust the files in this folder\?/m.test(text))
      return { is: 'dialog', about: 'trust this folder', answer: /^│ ❯ 1\. Yes\b/m.test(text) ? ['Enter'] : null }
    if (/^│.*enter to select/m.test(text))
      return { is: 'dialog', about: /^│ (\w.*?) *│$/m.exec(text)?.[1] ?? '', answer: null }
    if (/Please use \/login/.test(text)) return { is: 'dialog', about: 'sign in', answer: null }
    // The prompt stands between the last two rules, what it does in the footer below them.
    const rules = lines.flatMap((line, at) => (/^─{10,}/.test(line) ? [at] : []))
    const [top, bottom] = rules.slice(-2)
    if (top === undefined || bottom === undefined || !lines[top + 1]?.startsWith('❯')) return { is: 'unknown' }
    const footer = lines.slice(bottom + 1).join('\n')
    if (/Loading:/.test(footer)) return { is: 'loading' }
    if (/\besc\b/.test(footer)) return { is: 'busy' }
    const typed = lines.slice(top + 1, bottom).map((line) => line.slice(2))
    return /Interactive · /.test(footer) ? { is: 'idle', typed: typed.join('\n') } : { is: 'unknown' }
  },
} satisfies AgentRuntime

function structured(session: SessionSpec): LaunchPlan {
  return {
    protocol: 'turn',
    argv: [
      'copilot',
      '-p',
      '',
      '--output-format',
      'json',
      '--stream',
      'off',
      '--session-id',
      session.resume ?? session.sessionId,
      '--usage-output-file',
      `${session.privateDir}/${USAGE}`,
      ...common(session),
    ],
    stdin: session.prompt,
    ...homeOf(session),
    firstPrompt: 'included',
    collect: [USAGE],
  }
}

/**
 * On its own screen it works only in a folder that it trusts, and then the repository's own hooks and servers start as for
 * a person there. That is said by a variable: its config folder's list of folders is a file of the human's.
 */
function onScreen(session: SessionSpec): LaunchPlan {
  const home = homeOf(session)
  // An argument ends at 128 KiB; a longer prompt is pasted.
  const short = Buffer.byteLength(session.prompt) <= LONGEST_ARGUMENT
  return {
    protocol: 'interactive',
    argv: [
      'copilot',
      '--no-mouse',
      '--session-id',
      session.resume ?? session.sessionId,
      ...common(session),
      ...(short ? [`--interactive=${asText(session.prompt)}`] : []),
    ],
    env: { ...home.env, COPILOT_ALLOW_ALL: 'true' },
    files: [...home.files, { path: `${HOME}/settings.json`, content: `${JSON.stringify(ON_SCREEN, null, 2)}\n` }],
    links: home.links ?? [],
    firstPrompt: short ? 'included' : 'at-once',
  }
}

/** Nothing moves, and what is pasted is shown as it is. */
const ON_SCREEN = {
  autoUpdate: false,
  banner: 'never',
  compactPaste: false,
  showTipsOnStartup: false,
  tabs: { enabled: false },
}

/** In bytes. */
const LONGEST_ARGUMENT = 64 * 1024

/** Text that its prompt takes as text: no command, no shell, no mention; a backslash at the end would join lines. */
function asText(text: string): string {
  const plain = /^\s*[/!?@#&]/.test(text) ? `Message:\n${text}` : text
  return plain.endsWith('\\') ? `${plain}\n` : plain
}

function besideThePackage(platform: string): readonly string[] {
  const program = `copilot-${platform}/copilot`
  return [`../${program}`, `node_modules/@github/${program}`]
}

/** In the private folder. */
const HOME = 'copilot'
const PLUGIN = 'copilot-plugin'
const USAGE = 'copilot-usage.json'

function common(session: SessionSpec): string[] {
  return [
    '--allow-all',
    '--no-ask-user',
    '--no-color',
    '--no-remote',
    '--disable-builtin-mcps',
    '--disable-client-telemetry',
    ...(session.hook === undefined ? [] : ['--plugin-dir', `${session.privateDir}/${PLUGIN}`]),
    ...(session.readOnly ? [`--excluded-tools=${WRITING_TOOLS.join(',')}`] : []),
    ...(session.tools === undefined ? [] : [`--available-tools=${session.tools.join(',')}`]),
    ...(session.model === undefined ? [] : [`--model=${session.model}`]),
    ...session.extraArgs,
  ]
}

/** Its home folder, and what lies in it. */
function homeOf({ privateDir, instructions, environment }: SessionSpec): Pick<LaunchPlan, 'env' | 'files' | 'links'> {
  return {
    env: { ...QUIET, COPILOT_HOME: `${privateDir}/${HOME}` },
    files: [{ path: `${HOME}/copilot-instructions.md`, content: instructions }],
    links: [{ path: `${HOME}/config.json`, to: `${environment.HOME ?? ''}/.copilot/config.json`, copy: true }],
  }
}

const QUIET = { COPILOT_AUTO_UPDATE: 'false' }

const WRITING_TOOLS = ['apply_patch', 'create', 'edit']
/**
 * Its lines tell what happens: then only what has to ask is called. On its own screen all is told by hooks; those that only
 * record must not fail, since here any hook that fails before a tool refuses it.
 */
function hooksFor(hook: string, telling: boolean): Readonly<Record<string, unknown>> {
  const events: readonly HookEvent[] = telling
    ? ['session-start', 'prompt', 'tool-start', 'tool-end', 'stop']
    : ['tool-start', 'tool-end']
  const { hooks } = hookSettings({ hook, events, ...MATCHERS })
  const recording = { type: 'command', command: `${hookCommand(hook, 'tool-start')} || exit 0`, timeout: 60 }
  const guard = (hooks.PreToolUse as readonly { readonly matcher: string }[]).filter(
    ({ matcher }) => matcher === MATCHERS.guarded,
  )
  return {
    ...hooks,
    PreToolUse: telling ? [...guard, { matcher: MATCHERS.unguarded, hooks: [recording] }] : guard,
  }
}

/** What they are called to hooks. A pattern has to match the whole name. */
const MATCHERS = { guarded: '^(Write|Edit|MultiEdit)$', unguarded: '^(?!(Write|Edit|MultiEdit)$).*$' }

const TOOLS: ToolFacts = {
  aim: (_tool, input) => aimOf(input),
  guard(_tool, input) {
    const writes = typeof input.patch === 'string' ? filesIn(input.patch) : pathOf(input)
    return writes === undefined || writes.length === 0 ? {} : { writes }
  },
}

function aimOf(input: Readonly<Record<string, unknown>>): string {
  return brief(input.command ?? pathOf(input) ?? input.description ?? input)
}

function pathOf(input: Readonly<Record<string, unknown>>): string | undefined {
  return typeof input.path === 'string' && input.path !== '' ? input.path : undefined
}

/** The dialect has only names in a tool's input, where a patch is all of it, and another name for what a tool gave. */
function inDialect(payload: unknown): unknown {
  const call = callSchema.safeParse(payload)
  if (!call.success) return payload
  const { tool_input: input, tool_result: result } = call.data
  // For a command that failed it has no event of its own.
  const failed = /<shellId: \S+ completed with exit code [1-9]\d*>/.test(result?.text_result_for_llm ?? '')
  return {
    ...call.data,
    ...(failed ? { hook_event_name: 'PostToolUseFailure' } : {}),
    ...(typeof input === 'string' ? { tool_input: { patch: input } } : {}),
    ...(result == null ? {} : { tool_response: result.text_result_for_llm, error: result.text_result_for_llm }),
  }
}

const callSchema = z.looseObject({
  tool_input: z.unknown().optional(),
  tool_result: z.looseObject({ text_result_for_llm: z.string() }).nullish(),
})

/** The files that a patch changes, moves to or removes. */
function filesIn(patch: string): string[] {
  return [...patch.matchAll(/^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+)$/gm)].map(([, path = '']) =>
    path.trim(),
  )
}

/** The lines of 1.0.102 that say something; the names are its own. `agentId`: a subagent's. */
const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('session.tools_updated'), data: z.looseObject({ model: z.string() }) }),
  z.looseObject({
    type: z.literal('user.message'),
    agentId: z.string().optional(),
    data: z.looseObject({ content: z.string() }),
  }),
  z.looseObject({
    type: z.literal('assistant.message'),
    agentId: z.string().optional(),
    data: z.looseObject({ content: z.string() }),
  }),
  z.looseObject({
    type: z.literal('tool.execution_start'),
    data: z.looseObject({ toolCallId: z.string(), toolName: z.string(), arguments: z.unknown() }),
  }),
  z.looseObject({
    type: z.literal('tool.execution_complete'),
    data: z.looseObject({
      toolCallId: z.string(),
      success: z.boolean(),
      shellExecution: z.looseObject({ exitCode: z.number().nullish() }).nullish(),
      result: z.looseObject({ content: z.string() }).nullish(),
      error: z.looseObject({ message: z.string() }).nullish(),
    }),
  }),
  z.looseObject({
    type: z.literal('model.call_failure'),
    agentId: z.string().optional(),
    data: z.looseObject({
      statusCode: z.number().nullish(),
      retryAttempt: z.number(),
      errorCode: z.string().nullish(),
      errorMessage: z.string().nullish(),
    }),
  }),
  z.looseObject({
    type: z.literal('abort'),
    agentId: z.string().optional(),
    data: z.looseObject({ reason: z.string() }),
  }),
  z.looseObject({
    type: z.literal('session.error'),
    agentId: z.string().optional(),
    data: z.looseObject({ errorType: z.string(), message: z.string(), statusCode: z.number().nullish() }),
  }),
  z.looseObject({ type: z.literal('result'), sessionId: z.string(), exitCode: z.number() }),
])

function meaning(event: z.infer<typeof eventSchema>): readonly AgentEvent[] {
  switch (event.type) {
    case 'session.tools_updated':
      return [{ type: 'started', model: event.data.model }]
    case 'user.message':
      return event.agentId === undefined ? [{ type: 'turn_start' }, { type: 'accepted', text: event.data.content }] : []
    case 'assistant.message':
      return event.agentId !== undefined || event.data.content === ''
        ? []
        : [{ type: 'text', text: event.data.content }]
    case 'tool.execution_start': {
      const { toolCallId: id, toolName: tool, arguments: input } = event.data
      const named = inputSchema.safeParse(input)
      return [{ type: 'tool_start', id, tool, summary: named.success ? aimOf(named.data) : brief(input), input }]
    }
    case 'tool.execution_complete': {
      const { toolCallId: id, success, shellExecution, result, error } = event.data
      const ok = success && (shellExecution?.exitCode ?? 0) === 0
      const said = error?.message ?? result?.content ?? ''
      const [, given] = said.split(GUIDANCE)
      const end: AgentEvent = { type: 'tool_end', id, ok, summary: brief(said) }
      return given === undefined ? [end] : [end, { type: 'accepted', text: given }]
    }
    case 'model.call_failure':
      return event.agentId === undefined ? refusal(event.data) : []
    case 'abort':
      if (event.agentId !== undefined) return []
      return [{ type: 'failed', cause: 'interrupted', message: `The turn was stopped (${event.data.reason}).` }]
    case 'session.error':
      // A subagent that failed is a tool that failed.
      return event.agentId !== undefined
        ? []
        : [{ type: 'failed', cause: causeOf(event.data), message: event.data.message }]
    case 'result': {
      const started: AgentEvent = { type: 'started', session: event.sessionId }
      return event.exitCode === 0 ? [started, { type: 'turn_end' }] : [started]
    }
  }
}

/** Behind it stands what a hook gave, in the result as the model gets it. */
const GUIDANCE = 'Additional guidance from postToolUse hooks:\n'

const inputSchema = z.record(z.string(), z.unknown())

/** So often a limited service is asked again before `ov` waits for it instead. */
const RETRIES = 2

/**
 * A request that failed, which it makes again by itself: for a minute where a service limits it, for minutes where that
 * names a time. The engine ends a process that goes on behind a failure.
 */
function refusal({ statusCode = null, retryAttempt, errorCode, errorMessage }: Refusal): readonly AgentEvent[] {
  const message = errorMessage ?? ''
  const again = { type: 'retrying', attempt: retryAttempt, delayMs: 0, cause: causeOfStatus(statusCode) } as const
  if (statusCode !== 429) return retryAttempt > 0 ? [again] : []
  if (retryAttempt === 0)
    return errorCode === 'insufficient_quota'
      ? [{ type: 'failed', cause: 'quota', message }]
      : [{ type: 'rate_limited', resetAt: null, message }]
  return retryAttempt === RETRIES ? [again, { type: 'failed', cause: 'rate_limit', message }] : [again]
}

interface Refusal {
  readonly statusCode?: number | null | undefined
  readonly retryAttempt: number
  readonly errorCode?: string | null | undefined
  readonly errorMessage?: string | null | undefined
}

/** What it calls its failures. `query` is any that the model's provider answered with. */
const CAUSES = new Map<string, FailureCause>([
  ['authentication', 'auth'],
  ['authorization', 'auth'],
  ['context_limit', 'context'],
  ['policy', 'refused'],
  ['quota', 'quota'],
])

interface Failure {
  readonly errorType: string
  readonly message: string
  readonly statusCode?: number | null | undefined
}

function causeOf({ errorType, message, statusCode }: Failure): FailureCause {
  const known = CAUSES.get(errorType) ?? causeOfWords(message)
  if (known !== undefined) return known
  return errorType === 'rate_limit' ? 'rate_limit' : causeOfStatus(statusCode ?? null)
}

function causeOfWords(message: string): FailureCause | undefined {
  return WORDS.find(([words]) => words.test(message))?.[1]
}

const count = z.number().nonnegative()
const counts = { inputTokens: count, outputTokens: count, cacheReadTokens: count, cacheWriteTokens: count }
type Counts = Readonly<Record<keyof typeof counts, number>>
const usageSchema = z.looseObject({
  modelMetrics: z.record(z.string(), z.looseObject({ usage: z.object(counts) })),
})
/** A line of the conversation's file, one for each request. */
const recordSchema = z.looseObject({
  type: z.literal('session.usage_record'),
  data: z.looseObject({
    usage: z.object({ ...counts, model: z.string(), accounting: z.looseObject({ usageId: z.string() }) }),
  }),
})
/** And one for what a hook gave. */
const givenSchema = z.looseObject({
  type: z.literal('hook.end'),
  data: z.looseObject({
    output: z.looseObject({ additionalContext: z.string().optional(), reason: z.string().optional() }),
  }),
})

/** Totals of the session, over all models. */
function usageIn(file: string | undefined): readonly AgentEvent[] {
  const told = usageSchema.safeParse(parsed(file ?? ''))
  if (!told.success) return []
  const [only, ...others] = Object.keys(told.data.modelMetrics)
  if (only === undefined) return []
  const counts = Object.values(told.data.modelMetrics).map(({ usage }) => usage)
  return [usageOf(counts, others.length === 0 ? only : undefined)]
}

/** What is read from a cache is part of the input there. */
function usageOf(all: readonly Counts[], model: string | undefined): Extract<AgentEvent, { type: 'usage' }> {
  const sum = (key: keyof Counts) => all.reduce((sofar, counts) => sofar + counts[key], 0)
  const [cacheRead, cacheWrite] = [sum('cacheReadTokens'), sum('cacheWriteTokens')]
  const input = Math.max(0, sum('inputTokens') - cacheRead - cacheWrite)
  const named = model === undefined ? {} : { model }
  return {
    type: 'usage',
    usage: { input, output: sum('outputTokens'), cacheRead, cacheWrite, costUsd: null, ...named },
    scope: 'total',
    costScope: 'total',
  }
}

const otherSchema = z.looseObject({ type: z.string(), data: z.looseObject({}) })

/** Lines of 1.0.102 that say nothing to the engine. */
const WITHOUT_MEANING = new Set(
  `agent.interrupted assistant.idle assistant.intent assistant.message_delta assistant.message_start assistant.reasoning
  assistant.reasoning_delta assistant.streaming_delta assistant.tool_call_delta assistant.turn_end assistant.turn_retry
  assistant.turn_start assistant.usage hook.end hook.progress hook.start model.call_final_result model.call_finished
  model.call_start pending_messages.modified permission.completed permission.requested prompt_cache_break
  session.auto_mode_resolved session.background_tasks_changed session.compaction_complete session.compaction_start
  session.context_changed session.custom_agents_updated session.extensions_loaded session.idle session.info
  session.mcp_server_status_changed session.mcp_server_tools_loaded session.mcp_servers_loaded session.model_change
  session.permissions_changed session.plan_changed session.quota_observation session.resume session.shutdown
  session.skills_loaded session.start session.task_complete session.title_changed session.todos_changed
  session.truncation session.usage_checkpoint session.usage_info session.usage_record session.warning
  session.workspace_file_changed skill.context_delivered skill.invoked subagent.completed subagent.configured
  subagent.deselected subagent.failed subagent.selected subagent.started system.message system.notification
  tool.execution_partial_result tool.execution_progress tool.shell_output tool_search.activated`.split(/\s+/),
)
