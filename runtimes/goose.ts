import * as z from 'zod'
import { acpCan, acpDriver, acpHello } from '../src/contract/acp.ts'
import { hookCommand } from '../src/contract/json-hooks.ts'
import { brief, endedEarly, parsed, textOf } from '../src/contract/reading.ts'
import type {
  AgentEvent,
  AgentRuntime,
  Can,
  FailureCause,
  LaunchPlan,
  PlannedFile,
  SessionSpec,
} from '../src/contract/runtime.ts'

/** How its own words begin or end when a turn has failed. */
const FAILED =
  /^Ran into this error|Please resend your message to (?:try again|continue)\.\s*$|^Unable to continue: |^I've reached the maximum number of actions/

const CAN: Can = {
  structured: 'turn',
  interactive: false,
  resume: true,
  steer: false,
  block: true,
  inject: false,
  usage: true,
  cost: true,
  reports: 'mail',
  prompts: true,
  echo: false,
}

/**
 * goose, one process a turn (`goose run -i - --output-format stream-json`), resumed by the name it was given.
 *
 * - It exits with 0 whatever happened, except for a refused key. What failed it says itself, in a message like the
 *   model's, but without `inference`, which tells whose words a message holds.
 * - `complete` tells the totals of the session, those of earlier processes included; cached input is part of the input.
 * - Its root folder is the agent's own (`GOOSE_PATH_ROOT`): no hooks, hints and conversations of the human's. Of
 *   theirs it has the providers' settings, as a layer below its own, and the stored keys, by a link; the extensions
 *   among the settings are left out (`--no-profile`). The system's keyring is not asked: it may ask for a password.
 * - The standing instructions are its global hints, which enter the system prompt and know no limit of length.
 * - It waits between four attempts as long as a provider says, in silence. So it doesn't wait at all, and `ov` does.
 */
export default {
  id: 'goose',
  title: 'goose',
  binaries: ['goose', 'goose-binary-linux-x64'],
  versionArgs: ['--version'],
  // It prints the number alone. A tool for database migrations has the same name.
  saysVersion: /^\s*(\d+\.\d+\.\d+\S*)$/,
  certified: ['1.52.0'],
  install: 'npm install -g @aaif/goose-binary-linux-x64',
  login: {
    env: ['ANTHROPIC_API_KEY', 'GOOGLE_API_KEY', 'OPENAI_API_KEY', 'OPENROUTER_API_KEY'],
    files: ['.config/goose/secrets.yaml', '.config/goose/config.yaml'],
    hint: 'GOOSE_DISABLE_KEYRING=1 goose configure',
  },
  can: CAN,
  environment: [
    'ANTHROPIC_API_KEY',
    'ANTHROPIC_CUSTOM_HEADERS',
    'ANTHROPIC_HOST',
    'GOOGLE_API_KEY',
    'GOOSE_CONTEXT_LIMIT',
    'GOOSE_MAX_TOKENS',
    'GOOSE_MODEL',
    'GOOSE_PATH_ROOT',
    'GOOSE_PROVIDER',
    'GOOSE_TEMPERATURE',
    'GOOSE_THINKING_EFFORT',
    'OLLAMA_HOST',
    'OPENAI_API_KEY',
    'OPENAI_BASE_PATH',
    'OPENAI_BASE_URL',
    'OPENAI_CUSTOM_HEADERS',
    'OPENAI_HOST',
    'OPENAI_ORGANIZATION',
    'OPENAI_PROJECT',
    'OPENROUTER_API_KEY',
  ],
  models: {},
  // Of its providers' the one that speaks what most gateways do.
  gateway: { baseUrl: 'OPENAI_HOST', key: 'OPENAI_API_KEY' },
  start: (session) => ({
    protocol: 'turn',
    argv: [
      'goose',
      'run',
      '--instructions',
      '-',
      '--output-format',
      'stream-json',
      '--quiet',
      '--no-profile',
      ...(hasTools(session) ? ['--with-builtin', 'developer'] : []),
      ...(session.resume === undefined ? ['--name', session.sessionId] : ['--resume', '--name', session.resume]),
      ...(session.model === undefined ? [] : ['--model', session.model]),
      ...session.extraArgs,
    ],
    stdin: asText(session.prompt),
    ...rootOf(session, withSettings(session.environment)),
    files: hints(session),
    firstPrompt: 'included',
  }),
  sendInput: (text) => ({ by: 'frame', frame: { via: 'stdin', line: text } }),
  hooksBeside: true,
  deployHooks: ({ hook, tools }) => (hook === undefined ? [] : plugin(hook, tools)),
  getPromptCommand(text, { model, extraArgs = [], privateDir, environment = {} }) {
    const root = privateDir === undefined ? null : rootOf({ privateDir, environment }, withSettings(environment))
    return {
      argv: [
        'goose',
        'run',
        '--instructions',
        '-',
        '--quiet',
        '--no-session',
        '--no-profile',
        ...(model === undefined ? [] : ['--model', model]),
        ...extraArgs,
      ],
      stdin: asText(text),
      env: { ...(root?.env ?? QUIET), GOOSE_MODE: 'chat' },
      ...(root === null ? {} : { links: root.links }),
      refusal: FAILED.source,
    }
  },
  read(line) {
    const event = eventSchema.safeParse(parsed(line))
    return event.success ? meaning(event.data, line) : [{ type: 'unknown', line }]
  },
  exited(exit) {
    const { code, stdoutTail, stderrTail } = exit
    if (code === 0 && /"type":"complete"/.test(stdoutTail)) return [{ type: 'turn_end' }]
    const said = `${wordsIn(stdoutTail)}\n${wordsIn(stderrTail)}`.trim()
    const isUnset = /No provider configured|Configuration value not found|goose configure/.test(said)
    return [endedEarly('goose', exit, said, isUnset ? 'auth' : null)]
  },
  answer: () => null,
  readHook(event, payload) {
    if (event !== 'tool-start') return []
    const call = hookSchema.safeParse(payload)
    if (!call.success) return [{ type: 'unknown', line: brief(payload) }]
    const { tool_call_id: id, tool_name: tool, tool_input } = call.data
    return [{ type: 'ask', ask: { id: id ?? '', when: 'before_tool', tool, writes: tool_input.path } }]
  },
  // An empty answer is none, and no answer refuses.
  answerHook: (_event, verdict) => ({
    stdout: `${JSON.stringify(verdict.allow ? { decision: 'allow' } : { decision: 'block', reason: verdict.reason })}\n`,
    stderr: '',
    exit: 0,
  }),
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  trial: {
    npm: { name: '@aaif/goose-binary-linux-x64', version: '1.52.0', program: 'goose-binary-linux-x64' },
    wire: 'openai-chat',
    setting: ({ url, key }) => ({
      env: { GOOSE_PROVIDER: 'openai', GOOSE_MODEL: 'gpt-4o', OPENAI_HOST: url, OPENAI_API_KEY: key },
      files: [],
    }),
    key: (random) => `sk-proj-${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.config/goose/config.yaml',
        content: JSON.stringify({
          GOOSE_MODE: 'approve',
          extensions: {
            theirs: { enabled: true, type: 'stdio', name: 'theirs', cmd: 'sh', args: ['-c', command], timeout: 5 },
          },
        }),
      },
      { path: '.config/goose/.goosehints', content: `${words}\n` },
      { path: '.agents/plugins/theirs/plugin.json', content: JSON.stringify({ name: 'theirs', version: '1.0.0' }) },
      {
        path: '.agents/plugins/theirs/hooks/hooks.json',
        content: JSON.stringify({ hooks: { SessionStart: [{ hooks: [{ type: 'command', command }] }] } }),
      },
    ],
    shell: (command, tools) => (tools.includes('shell') ? { tool: 'shell', input: { command } } : null),
    write: (path, content, tools) => (tools.includes('write') ? { tool: 'write', input: { path, content } } : null),
    limit: (resetAt) => ({
      status: 429,
      type: 'tokens',
      message: `Rate limit reached. Please try again in ${Math.max(1, Math.ceil(resetAt - Date.now() / 1000))}s.`,
    }),
    executables: ['/bin/goose'],
    refused: '401 Unauthorized',
  },
  // Its conversations lie in a database. It notes its newest request in a file of its own, when that is answered or
  // refused: all that was in the context by then.
  transcript: {
    locate: (_session, { privateDir }) => ({
      folder: `${privateDir}/${ROOT}/state/logs`,
      endsWith: '/llm_request.0.jsonl',
    }),
    entered(line) {
      const request = requestSchema.safeParse(parsed(line))
      return request.success ? textsIn(request.data.input) : []
    },
  },
  // It has no switch there that leaves the human's extensions out, so that it gets none of their settings but the keys.
  acp: {
    can: { ...acpCan(CAN), usage: false },
    start: (session) => ({
      protocol: 'duplex',
      argv: ['goose', 'acp', '--with-builtin', 'developer', ...session.extraArgs],
      ...rootOf(session, session.model === undefined ? {} : { GOOSE_MODEL: session.model }),
      files: hints(session),
      hello: acpHello(session),
      firstPrompt: 'after-started',
    }),
    ...acpDriver({
      title: 'goose',
      trouble: FAILED,
      words: [
        [/Rate limit exceeded/, 'rate_limit'],
        [/Authentication (error|failed|required)/, 'auth'],
        [/Context length exceeded/, 'context'],
        [/Network error|Could not connect|error sending request|stream/i, 'network'],
      ],
      tokens: 'last-request',
      dollars: true,
      tool: (meta) => toolSchema.safeParse(meta).data?.goose.toolCall.toolName,
    }),
  },
  screen: () => ({ is: 'unknown' }),
} satisfies AgentRuntime

const ROOT = 'goose'

/** The name of a tool in what it says beside ACP. */
const toolSchema = z.looseObject({
  goose: z.looseObject({ toolCall: z.looseObject({ toolName: z.string() }) }),
})

/** No keyring, no telemetry, no request for a title; and no waiting between attempts. */
const QUIET = {
  GOOSE_DISABLE_KEYRING: '1',
  GOOSE_TELEMETRY_ENABLED: 'false',
  GOOSE_DISABLE_SESSION_NAMING: 'true',
  GOOSE_PROVIDER_SKIP_BACKOFF: 'true',
}

/** The tools of its only extension. */
const TOOLS = ['edit', 'read_image', 'shell', 'tree', 'write']
const WRITING_TOOLS = 'edit|write'

/** Its root folder, and what lies in it. */
function rootOf(
  { privateDir, environment }: Pick<SessionSpec, 'privateDir' | 'environment'>,
  more: Readonly<Record<string, string>>,
): Required<Pick<LaunchPlan, 'env' | 'links'>> {
  return {
    env: {
      ...QUIET,
      GOOSE_MODE: 'auto',
      // Commands may run for an hour instead of five minutes: gates and answers take their time.
      GOOSE_DEFAULT_EXTENSION_TIMEOUT: '3600',
      GOOSE_PATH_ROOT: `${privateDir}/${ROOT}`,
      ...more,
    },
    links: ['secrets.yaml', 'custom_providers'].map((name) => ({
      path: `${ROOT}/config/${name}`,
      to: `${settingsOf(environment)}/${name}`,
    })),
  }
}

function hints({ instructions }: SessionSpec): PlannedFile[] {
  return [{ path: `${ROOT}/config/.goosehints`, content: instructions }]
}

/** The human's settings as a layer below those of its root. */
function withSettings(environment: SessionSpec['environment']): Readonly<Record<string, string>> {
  return { GOOSE_ADDITIONAL_CONFIG_FILES: `${settingsOf(environment)}/config.yaml` }
}

/** All its tools come by one extension; what of them a role does not have its guard refuses. */
function hasTools({ tools }: SessionSpec): boolean {
  return tools === undefined || tools.some((tool) => TOOLS.includes(tool))
}

/** Where the human's own settings lie. */
function settingsOf(environment: SessionSpec['environment']): string {
  const { GOOSE_PATH_ROOT: root, XDG_CONFIG_HOME: config, HOME: home = '' } = environment
  return root === undefined ? `${config ?? `${home}/.config`}/goose` : `${root}/config`
}

/** Text that its prompt takes as text: no command. */
function asText(prompt: string): string {
  return prompt.trimStart().startsWith('/') ? `Message:\n${prompt}` : prompt
}

/**
 * The plugin by which it asks before it writes. It refuses when no answer is to be had (`on_failure`), or the hook did not
 * read to its input's end. What is not among the role's tools is refused without asking anybody.
 */
function plugin(hook: string, tools: readonly string[] | undefined): PlannedFile[] {
  const call = (matcher: string, command: string) => ({
    matcher: `^(${matcher})$`,
    hooks: [{ type: 'command', command, timeout: 30, on_failure: 'block' }],
  })
  const missing = tools === undefined ? [] : TOOLS.filter((tool) => !tools.includes(tool))
  const hooks = {
    PreToolUse: [
      ...(missing.length === 0 ? [] : [call(missing.join('|'), `cat >/dev/null; ${NOT_YOURS}; exit 2`)]),
      call(WRITING_TOOLS, hookCommand(hook, 'tool-start', { guard: true })),
    ],
  }
  const folder = `${ROOT}/.agents/plugins/ov`
  return [
    { path: `${folder}/plugin.json`, content: JSON.stringify({ name: 'ov', version: '1.0.0', description: 'ov' }) },
    { path: `${folder}/hooks/hooks.json`, content: JSON.stringify({ hooks }) },
  ]
}

const NOT_YOURS = "echo 'This tool is not among those of your role.' >&2"

/** What is no event: a CLI that can't begin says why in plain words. */
function wordsIn(output: string): string {
  const [words = ''] = output.split('Stack backtrace:')
  return words
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n')
    .trim()
}

const count = z.number().nonnegative().nullish()
const part = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({
    type: z.literal('toolRequest'),
    id: z.string(),
    toolCall: z.looseObject({
      value: z.looseObject({ name: z.string(), arguments: z.record(z.string(), z.unknown()).optional() }).optional(),
    }),
  }),
  z.looseObject({
    type: z.literal('toolResponse'),
    id: z.string(),
    toolResult: z.looseObject({
      value: z.looseObject({ content: z.unknown().optional(), isError: z.boolean().nullish() }).optional(),
      error: z.string().optional(),
    }),
  }),
  z.looseObject({ type: z.literal('error'), message: z.string() }),
  z.looseObject({ type: z.literal('systemNotification'), notificationType: z.string(), msg: z.string() }),
  z.looseObject({ type: z.literal(['image', 'reasoning', 'redactedThinking', 'thinking']) }),
])

/** The lines of 1.52.0. */
const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('message'),
    message: z.looseObject({
      role: z.enum(['assistant', 'user']),
      content: z.array(part),
      created: z.int().optional(),
      metadata: z.looseObject({ inference: z.looseObject({}).nullish() }).optional(),
    }),
  }),
  z.looseObject({ type: z.literal('error'), error: z.string() }),
  z.looseObject({ type: z.literal('notification') }),
  z.looseObject({
    type: z.literal('complete'),
    total_tokens: count,
    input_tokens: count,
    output_tokens: count,
    cache_read_input_tokens: count,
    cache_write_input_tokens: count,
    cost_usd: count,
  }),
])
type Event = z.infer<typeof eventSchema>
type Message = Extract<Event, { type: 'message' }>['message']
type Complete = Extract<Event, { type: 'complete' }>

const hookSchema = z.looseObject({
  tool_name: z.string(),
  tool_call_id: z.string().optional(),
  tool_input: z.looseObject({ path: z.string() }),
})

/** Each provider has a form of its own. */
const requestSchema = z.looseObject({ model_config: z.looseObject({}), input: z.looseObject({}) })

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}

function meaning(event: Event, line: string): AgentEvent[] {
  switch (event.type) {
    case 'message':
      return event.message.content.flatMap((one) => spoken(one, event.message))
    case 'error':
      return [failure(event.error, undefined)]
    case 'complete':
      return [...usageOf(event), { type: 'turn_end' }]
    case 'notification':
      return []
    default:
      return [{ type: 'unknown', line }]
  }
}

function spoken(one: z.infer<typeof part>, { role, metadata, created }: Message): AgentEvent[] {
  switch (one.type) {
    case 'text': {
      if (role === 'user' || one.text === '') return []
      const isOwn = metadata?.inference == null
      return isOwn && FAILED.test(one.text)
        ? [failure(one.text, created)]
        : [{ type: 'text', text: one.text, piece: true }]
    }
    case 'toolRequest': {
      const { name = 'unknown', arguments: input = {} } = one.toolCall.value ?? {}
      const summary = brief(input.command ?? input.path ?? input)
      return [{ type: 'tool_start', id: one.id, tool: name, summary, input }]
    }
    case 'toolResponse': {
      const { value, error } = one.toolResult
      const ok = error === undefined && value?.isError !== true
      return [{ type: 'tool_end', id: one.id, ok, summary: brief(error ?? textOf(value?.content)) }]
    }
    case 'error':
      // Said again by the `error` that follows.
      return []
    case 'systemNotification':
      if (one.notificationType === 'creditsExhausted') return [{ type: 'failed', cause: 'quota', message: one.msg }]
      return FAILED.test(one.msg) ? [failure(one.msg, created)] : []
    case 'image':
    case 'reasoning':
    case 'redactedThinking':
    case 'thinking':
      return []
  }
}

/** What it calls the errors of its providers; the first that holds. */
const CAUSES: readonly (readonly [RegExp, FailureCause])[] = [
  [/Authentication error: /, 'auth'],
  [/Credits exhausted: |exceeded your current quota|insufficient_quota/, 'quota'],
  [/Rate limit exceeded: /, 'rate_limit'],
  [/Server error: /, 'overloaded'],
  [/Network error: /, 'network'],
  [/Context length exceeded: |Context limit/, 'context'],
  [/Endpoint not found \(404\)|Resource not found \(404\)/, 'model'],
  [/Request failed: |Provider refused request: /, 'refused'],
  [/maximum number of actions/, 'limit'],
]

/** @param said when, in seconds since the epoch */
function failure(words: string, said: number | undefined): AgentEvent {
  const cause = CAUSES.find(([pattern]) => pattern.test(words))?.[1] ?? 'unknown'
  const message = words.replace(/\s*Please (?:retry if|resend your message).*$/s, '')
  const seconds = cause === 'rate_limit' && said !== undefined ? secondsIn(words) : null
  return { type: 'failed', cause, message, ...(seconds === null ? {} : { resetAt: ((said ?? 0) + seconds) * 1000 }) }
}

const SECONDS: Readonly<Record<string, number>> = { h: 3600, m: 60, s: 1, ms: 0.001 }

/** A provider's own words for how long its limit lasts (`try again in 1h2m3.5s`). */
function secondsIn(words: string): number | null {
  const [, named] = /try again in ((?:\d+(?:\.\d+)?(?:ms|[hms]))+)/.exec(words) ?? []
  if (named === undefined) return null
  const parts = [...named.matchAll(/([\d.]+)(ms|[hms])/g)]
  return Math.ceil(parts.reduce((sum, [, count, unit = 's']) => sum + Number(count) * (SECONDS[unit] ?? 1), 0))
}

/** Nothing where it tells zero: it has not been counted. */
function usageOf(complete: Complete): AgentEvent[] {
  if ((complete.total_tokens ?? 0) === 0) return []
  const { input_tokens: input, cache_read_input_tokens: read, cache_write_input_tokens: written } = complete
  return [
    {
      type: 'usage',
      usage: {
        input: input == null ? null : Math.max(0, input - (read ?? 0) - (written ?? 0)),
        output: complete.output_tokens ?? null,
        cacheRead: read ?? null,
        cacheWrite: written ?? null,
        costUsd: complete.cost_usd ?? null,
      },
      scope: 'total',
      costScope: 'total',
    },
  ]
}
