import * as z from 'zod'
import { hookCommand, readJsonHook, type ToolFacts, verdictJson } from '../src/contract/json-hooks.ts'
import { brief, causeOfStatus, endedEarly, parsed } from '../src/contract/reading.ts'
import type {
  AgentEvent,
  AgentRuntime,
  FailureCause,
  HookEvent,
  LaunchPlan,
  PlannedFile,
  SessionSpec,
} from '../src/contract/runtime.ts'

/**
 * Gemini CLI, a process a turn (`-o stream-json`), resumed by its session's id.
 *
 * - Its home folder is the agent's own (`GEMINI_CLI_HOME`): nothing of the human's settings, extensions, commands and
 *   instructions gets in. The stored login is the human's, by links. The workspace is trusted by a flag that leaves the
 *   repository's `.gemini` out: its hooks and servers would run outside any guard.
 * - The prompt goes in as the argument of a command of our own, because only then it is taken as it is: elsewhere
 *   `@path` reads files into the prompt and a `/` begins a command.
 * - The standing instructions are its global memory, fenced, because `@path` outside of code would be an import.
 * - Its tools write only inside the workspace, `.git` left out, links resolved; that is its own code and no hook.
 * - Its shell tool hides the human's git configuration; who commits is told by the environment.
 * - What it prints about a failure is prose; its exit code is the status of the API modulo 256.
 */
export default {
  id: 'gemini',
  title: 'Gemini CLI',
  binaries: ['gemini'],
  versionArgs: ['--version'],
  certified: ['0.61.0'],
  ownModels: /^(gemini|gemma)-/,
  install: 'npm install -g @google/gemini-cli',
  login: {
    env: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_APPLICATION_CREDENTIALS'],
    files: ['.gemini/oauth_creds.json'],
    hint: 'gemini',
  },
  can: {
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
    echo: false,
  },
  environment: [
    'CODE_ASSIST_ENDPOINT',
    'GEMINI_API_KEY',
    'GEMINI_API_KEY_AUTH_MECHANISM',
    'GEMINI_CLI_CUSTOM_HEADERS',
    'GEMINI_MODEL',
    'GOOGLE_API_KEY',
    'GOOGLE_APPLICATION_CREDENTIALS',
    'GOOGLE_CLOUD_LOCATION',
    'GOOGLE_CLOUD_PROJECT',
    'GOOGLE_CLOUD_PROJECT_ID',
    'GOOGLE_GEMINI_BASE_URL',
    'GOOGLE_GENAI_API_VERSION',
    'GOOGLE_GENAI_USE_GCA',
    'GOOGLE_GENAI_USE_VERTEXAI',
    'GOOGLE_VERTEX_BASE_URL',
  ],
  models: { 'gemini-flash': 'flash', 'gemini-flash-lite': 'flash-lite', 'gemini-pro': 'pro' },
  start: (session) => (session.interactive === undefined ? structured(session) : onScreen(session)),
  sendInput: (text) => ({ by: 'paste', text: asText(text) }),
  hooksBeside: true,
  deployHooks: (session) => [
    settingsFile(session),
    { path: `${HOME}/.gemini/policies/${COMMAND}.toml`, content: policiesFor(session) },
  ],
  getPromptCommand: (text, { model, extraArgs = [], environment = {}, privateDir }) =>
    privateDir === undefined
      ? null
      : {
          argv: [
            'gemini',
            '--skip-trust',
            '--output-format=text',
            ...(model === undefined ? [] : [`--model=${model}`]),
            ...extraArgs,
          ],
          stdin: `/${COMMAND} ${text}`,
          env: {
            GEMINI_CLI_HOME: `${privateDir}/${HOME}`,
            GEMINI_CLI_NO_RELAUNCH: 'true',
            GEMINI_SYSTEM_MD: `${privateDir}/system.md`,
          },
          files: [
            { path: 'system.md', content: 'Answer the question, and say nothing beside.\n' },
            settingsFile({ environment }),
            { path: `${HOME}/.gemini/policies/${COMMAND}.toml`, content: rule({ toolName: '*', decision: 'deny' }) },
            commandFile('A question:'),
          ],
          links: linksFor(environment),
        },
  read(line) {
    const event = eventSchema.safeParse(parsed(line))
    return event.success ? meaning(event.data) : [{ type: 'unknown', line }]
  },
  exited: (exit) => [endedEarly('Gemini CLI', exit, wordsIn(exit.stderrTail), causeOfExit(exit.code))],
  answer: () => null,
  readHook(event, payload) {
    const call = hookSchema.safeParse(payload)
    // That a prompt enters the context says no more than that it was printed: it may be taken back.
    return readJsonHook(event, call.success ? call.data : payload, TOOLS).filter(({ type }) => type !== 'accepted')
  },
  answerHook: (event, verdict) => ({
    stdout:
      verdict.allow && verdict.context === undefined ? '' : `${JSON.stringify(verdictJson(nameOf(event), verdict))}\n`,
    stderr: '',
    exit: 0,
  }),
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  transcript: {
    locate: (session, { privateDir }) => ({
      folder: `${privateDir}/${HOME}/.gemini/tmp`,
      endsWith: `-${session.slice(0, 8)}.jsonl`,
    }),
    entered(line) {
      const entry = entrySchema.safeParse(parsed(line))
      if (!entry.success) return []
      return entry.data.flatMap(wordsOf)
    },
    // A prompt that got no answer is taken back.
    renews: (line) => line.startsWith('{"$set":{"messages":'),
    used(line) {
      const reply = replySchema.safeParse(parsed(line))
      if (!reply.success) return null
      const { id, model, tokens } = reply.data
      const event = usageEvent(model, { total: tokens.total, input: tokens.input, cached: tokens.cached })
      return { request: id, event }
    },
  },
  screen({ text, title }) {
    const lines = text.split('\n').map((line) => line.trimEnd())
    if (lines.every((line) => line === '')) return { is: 'loading' }
    const asked = QUESTIONS.find(([, pattern]) => pattern.test(text))
    if (asked !== undefined) return { is: 'dialog', about: asked[0], answer: null }
    if (title.startsWith('✋')) return { is: 'dialog', about: 'Action Required', answer: null }
    if (title.startsWith('✦') || lines.some((line) => BUSY.test(line))) return { is: 'busy' }
    // Without colours its box has plain rules.
    const bottom = lines.findLastIndex((line) => /^(▀{10,}|─{10,})$/.test(line))
    const top = lines.findLastIndex((line, at) => at < bottom && /^(▄{10,}|─{10,})$/.test(line))
    if (top < 0 || !/^ [>*!] /.test(lines[top + 1] ?? '')) return { is: 'unknown' }
    // It draws its box before it has read what it is told, and knows no command before that.
    if (!lines.slice(0, top).some((line) => READY.test(line))) return { is: 'loading' }
    const typed = lines.slice(top + 1, bottom).map((line) => line.slice(3))
    return { is: 'idle', typed: typed.join('\n').trim() === PLACEHOLDER ? '' : typed.join('\n') }
  },
  trial: {
    npm: { name: '@google/gemini-cli', version: '0.61.0', program: 'gemini' },
    wire: 'gemini',
    setting: ({ url, key }) => ({ env: { GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: key }, files: [] }),
    key: (random) => `AIza${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.gemini/settings.json',
        content: JSON.stringify({
          hooks: { SessionStart: [{ hooks: [{ type: 'command', command }] }] },
          mcpServers: { theirs: { command: 'sh', args: ['-c', command] } },
        }),
      },
      { path: '.gemini/GEMINI.md', content: `${words}\n` },
      {
        path: '.gemini/extensions/theirs/gemini-extension.json',
        content: JSON.stringify({
          name: 'theirs',
          version: '1.0.0',
          mcpServers: { ext: { command: 'sh', args: ['-c', command] } },
        }),
      },
      { path: '.gemini/skills/theirs/SKILL.md', content: `---\nname: theirs\ndescription: ${words}\n---\n` },
    ],
    shell: (command, tools) =>
      tools.includes('run_shell_command') ? { tool: 'run_shell_command', input: { command } } : null,
    write: (path, content, tools) =>
      tools.includes('write_file') ? { tool: 'write_file', input: { file_path: path, content } } : null,
    limit: (resetAt) => ({
      status: 429,
      message: 'You exceeded your current quota.',
      details: {
        details: [
          {
            '@type': 'type.googleapis.com/google.rpc.RetryInfo',
            retryDelay: `${Math.max(1, Math.ceil(resetAt - Date.now() / 1000))}s`,
          },
        ],
      },
    }),
    executables: ['/node'],
    isItself: ([, script = '']) => /\/gemini(\.js)?$/.test(script),
    refused: 'API key not valid|invalid x-api-key',
  },
} satisfies AgentRuntime

/** Its home folder, in the private one. */
const HOME = 'gemini'
const COMMAND = 'ov'

function structured(session: SessionSpec): LaunchPlan {
  const { author = { name: 'ov', email: 'ov@localhost' }, environment } = session
  return {
    protocol: 'turn',
    argv: [
      'gemini',
      '--skip-trust',
      '--approval-mode=yolo',
      '--output-format=stream-json',
      session.resume === undefined ? `--session-id=${session.sessionId}` : `--resume=${session.resume}`,
      ...(session.model === undefined ? [] : [`--model=${session.model}`]),
      ...session.extraArgs,
    ],
    stdin: `/${COMMAND} ${session.prompt}`,
    env: {
      GEMINI_CLI_HOME: `${session.privateDir}/${HOME}`,
      // Else a parent that only waits starts it again, ignores signals, and leaves it behind when killed.
      GEMINI_CLI_NO_RELAUNCH: 'true',
      // What is configured by the environment is the only part of git's configuration that it lets through.
      GIT_CONFIG_COUNT: '2',
      GIT_CONFIG_KEY_0: 'user.name',
      GIT_CONFIG_VALUE_0: author.name,
      GIT_CONFIG_KEY_1: 'user.email',
      GIT_CONFIG_VALUE_1: author.email,
    },
    files: [
      { path: `${HOME}/.gemini/GEMINI.md`, content: fenced(session.instructions) },
      commandFile('A message came in:'),
    ],
    links: linksFor(environment),
    firstPrompt: 'included',
  }
}

/** On its own screen no question is left to ask. Prompts are typed: it knows no command yet when it takes one by an argument. */
function onScreen(session: SessionSpec): LaunchPlan {
  const { argv, env, files, links = [] } = structured(session)
  return {
    protocol: 'interactive',
    argv: argv.filter((argument) => !argument.startsWith('--output-format')),
    env,
    files,
    links,
    firstPrompt: 'at-once',
  }
}

/** As it is typed: the argument of our command. A backslash at its end would join lines. */
function asText(prompt: string): string {
  return `/${COMMAND} ${prompt}${prompt.endsWith('\\') ? '\n' : ''}`
}

const PLACEHOLDER = 'Type your message or @path/to/file'
const BUSY = /\(esc to cancel/
/** How many files it was told by, which is at least one: its standing instructions. */
const READY = /\b\d+ (GEMINI\.md|AGENTS\.md|context) files?\b/

/** Questions that nobody but a person can answer. */
const QUESTIONS: readonly (readonly [string, RegExp])[] = [
  ['log in (gemini)', /How would you like to authenticate|Enter Gemini API Key|Waiting for auth/],
  ['trust this folder', /Do you trust (the files in )?this folder/],
]

/** The human's Google login. */
function linksFor({ HOME: theirs = '' }: SessionSpec['environment']): NonNullable<LaunchPlan['links']> {
  return ['oauth_creds.json', 'google_accounts.json'].map((file) => ({
    path: `${HOME}/.gemini/${file}`,
    to: `${theirs}/.gemini/${file}`,
  }))
}

/** The command of which a prompt is the argument. */
function commandFile(prompt: string): PlannedFile {
  const content = `description = "ov"\nprompt = ${JSON.stringify(prompt)}\n`
  return { path: `${HOME}/.gemini/commands/${COMMAND}.toml`, content }
}

function settingsFile(session: Pick<SessionSpec, 'environment' | 'hook' | 'interactive' | 'tools'>): PlannedFile {
  const { environment, hook, interactive, tools } = session
  const settings = {
    // One attempt: it is silent while it tries again, for minutes; the engine decides what follows a failure.
    general: { enableAutoUpdate: false, enableAutoUpdateNotification: false, maxAttempts: 1, sessionRetention: OFF },
    // Its own default asks a model which model to ask, with tries of its own.
    model: { name: 'flash' },
    // Models of a chain have more attempts, and fall back to one that nobody chose.
    experimental: { dynamicModelConfiguration: true },
    modelConfigs: { modelChains: { 'auto-default': [], 'auto-preview': [], default: [], lite: [], preview: [] } },
    context: { fileName: ['GEMINI.md', 'AGENTS.md'] },
    // Gates and answers take their time; in seconds.
    tools: { shell: { inactivityTimeout: 3600 }, ...(tools === undefined ? {} : { core: tools }) },
    security: {
      auth: { selectedType: authOf(environment) },
      folderTrust: { enabled: true },
      environmentVariableRedaction: { enabled: isRedactable(environment) },
    },
    advanced: { ignoreLocalEnv: true },
    ...(hook === undefined
      ? { hooksConfig: OFF }
      : {
          hooksConfig: { notifications: false },
          hooks: hooksFor(hook, interactive === undefined ? ['tool-end'] : undefined),
        }),
    skills: OFF,
    ide: OFF,
    ui: { hideBanner: true, hideTips: true, dynamicWindowTitle: true, loadingPhrases: 'off' },
    telemetry: OFF,
    privacy: { usageStatisticsEnabled: false },
  }
  return { path: `${HOME}/.gemini/settings.json`, content: `${JSON.stringify(settings, null, 2)}\n` }
}

const OFF = { enabled: false }

/** Its names of the moments at which it calls hooks. */
const HOOKS = {
  'session-start': 'SessionStart',
  prompt: 'BeforeAgent',
  'tool-start': 'BeforeTool',
  'tool-end': 'AfterTool',
  stop: 'AfterAgent',
} as const satisfies Partial<Record<HookEvent, string>>
type Hook = keyof typeof HOOKS

/** Over pipes only one is called, by which urgent mail comes in behind a tool's output. */
function hooksFor(
  hook: string,
  events: readonly Hook[] = Object.keys(HOOKS) as Hook[],
): Readonly<Record<string, unknown>> {
  const call = (event: Hook) => ({ type: 'command', command: hookCommand(hook, event), timeout: PATIENCE_MS })
  return Object.fromEntries(events.map((event) => [HOOKS[event], [{ hooks: [call(event)] }]]))
}

const PATIENCE_MS = 60_000

function nameOf(event: HookEvent): string {
  return event in HOOKS ? HOOKS[event as Hook] : event
}

const TOOLS: ToolFacts = { aim: (_tool, input) => brief(aimOf(input)), guard: () => ({}) }

/** With a base URL and no word on it, it takes the key for a gateway's and refuses. */
function authOf(environment: Readonly<Record<string, string>>): string {
  if (environment.GOOGLE_GENAI_USE_GCA === 'true') return 'oauth-personal'
  if (environment.GOOGLE_GENAI_USE_VERTEXAI === 'true') return 'vertex-ai'
  if (environment.GEMINI_API_KEY !== undefined) return 'gemini-api-key'
  return environment.GOOGLE_API_KEY === undefined ? 'oauth-personal' : 'vertex-ai'
}

/**
 * Whether its tools may be kept from seeing its key. It takes out all that looks like a secret or none of it, and what
 * else looks so was given to the agent for its work: a token by the configuration, the name of a file of certificates.
 */
function isRedactable(environment: SessionSpec['environment']): boolean {
  return Object.keys(environment).every((name) => OWN_SECRETS.includes(name) || !LOOKS_SECRET.test(name))
}

const OWN_SECRETS = [
  'GEMINI_API_KEY',
  'GEMINI_API_KEY_AUTH_MECHANISM',
  'GOOGLE_API_KEY',
  'GOOGLE_APPLICATION_CREDENTIALS',
]
const LOOKS_SECRET =
  /TOKEN|SECRET|PASSW(OR)?D|KEY|AUTH|CREDENTIAL|CREDS|PRIVATE|CERT|^(DB_URI|DATABASE_URL|CONNECTION_STRING)$/i

/**
 * What an agent of a fleet must not use: modes that wait for a person, agents and processes that nobody counts or
 * stops. A rule without arguments takes the tool away.
 */
function policiesFor({ readOnly }: SessionSpec): string {
  return [
    rule({ toolName: [...UNFIT_TOOLS, ...(readOnly ? WRITING_TOOLS : [])], decision: 'deny' }),
    rule({
      toolName: 'run_shell_command',
      argsPattern: '"is_background":true',
      decision: 'deny',
      denyMessage: 'Nothing goes on behind your turn: run it in the foreground.',
    }),
    rule({
      toolName: 'run_shell_command',
      commandPrefix: 'git push',
      decision: 'deny',
      denyMessage: 'Nothing is pushed: say ov done, and your branch is merged.',
    }),
  ].join('\n')
}

const WRITING_TOOLS = ['replace', 'write_file']
const UNFIT_TOOLS = [
  'activate_skill',
  'ask_user',
  'enter_plan_mode',
  'exit_plan_mode',
  'invoke_agent',
  'list_background_processes',
  'read_background_output',
]

/** JSON's strings and lists are TOML's too. */
function rule(facts: Readonly<Record<string, string | readonly string[]>>): string {
  const lines = Object.entries({ ...facts }).map(([name, value]) => `${name} = ${JSON.stringify(value)}`)
  return `[[rule]]\n${lines.join('\n')}\npriority = 900\n`
}

/** As code: a fence longer than any in it. */
function fenced(instructions: string): string {
  const longest = Math.max(3, ...(instructions.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `Your standing instructions:\n\n${fence}markdown\n${instructions}\n${fence}\n`
}

const count = z.number().nonnegative()
const problem = z.looseObject({ type: z.string().optional(), message: z.string() })
const timestamp = z.string().optional()

/** The lines of 0.61.0. */
const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('init'), session_id: z.string(), model: z.string().optional() }),
  z.looseObject({ type: z.literal('message'), role: z.enum(['user', 'assistant']), content: z.string() }),
  z.looseObject({
    type: z.literal('tool_use'),
    tool_name: z.string(),
    tool_id: z.string(),
    parameters: z.record(z.string(), z.unknown()).default({}),
  }),
  z.looseObject({
    type: z.literal('tool_result'),
    tool_id: z.string(),
    status: z.enum(['success', 'error']),
    output: z.string().optional(),
    error: problem.optional(),
  }),
  z.looseObject({ type: z.literal('error'), severity: z.string().optional(), message: z.string() }),
  z.looseObject({
    type: z.literal('result'),
    status: z.enum(['success', 'error']),
    timestamp,
    error: problem.optional(),
    stats: z
      .looseObject({
        models: z.record(
          z.string(),
          z.looseObject({ total_tokens: count, input_tokens: count, cached: count.default(0) }),
        ),
      })
      .optional(),
  }),
])
type Event = z.infer<typeof eventSchema>
type Result = Extract<Event, { type: 'result' }>

const entry = z.looseObject({
  type: z.string(),
  content: z
    .union([
      z.string(),
      z.array(
        z.looseObject({
          text: z.string().optional(),
          functionResponse: z.looseObject({ response: z.looseObject({ output: z.unknown().optional() }) }).optional(),
        }),
      ),
    ])
    .optional(),
})
/** Lines of a transcript that say what is in the context: one entry, or all of them anew. */
const entrySchema = z.union([
  z.looseObject({ $set: z.looseObject({ messages: z.array(entry) }) }).transform((line) => line.$set.messages),
  entry.transform((line) => [line]),
])

/** What a person, `ov` or a tool said in an entry; what the CLI says of itself begins every session. */
function wordsOf({ type, content }: z.infer<typeof entry>): string[] {
  if (type !== 'user' || content === undefined || typeof content === 'string') return []
  return content.flatMap(({ text, functionResponse }) => {
    if (functionResponse !== undefined) return String(functionResponse.response.output ?? '')
    return text === undefined || text.startsWith('<session_context>') ? [] : text
  })
}

/** Lines of a transcript that are replies of the model; one with tools stands there twice. */
const replySchema = z.looseObject({
  type: z.literal('gemini'),
  id: z.string(),
  model: z.string().optional(),
  tokens: z.looseObject({ input: count, cached: count.default(0), total: count }),
})

/** What a tool gave, without the frame in which the model gets it. */
function outputOf(given: unknown): unknown {
  const framed = /^<untrusted_context>\n(?:Output: )?([\s\S]*?)(?:\nProcess Group PGID: \d+)?\n<\/untrusted_context>$/
  return typeof given === 'string' ? (framed.exec(given)?.[1] ?? given) : given
}

/** What it says to a hook, in the words of the dialect that others speak. */
const hookSchema = z
  .looseObject({
    hook_event_name: z.string(),
    prompt_response: z.string().optional(),
    tool_response: z
      .looseObject({
        llmContent: z.unknown().optional(),
        returnDisplay: z.unknown().optional(),
        error: z.unknown().optional(),
      })
      .optional(),
  })
  .transform(({ prompt_response: last_assistant_message, tool_response: answer = {}, ...call }) => ({
    ...call,
    hook_event_name: answer.error == null ? call.hook_event_name : 'PostToolUseFailure',
    last_assistant_message,
    // On its screen what it shows has colours.
    tool_response: typeof answer.returnDisplay === 'string' ? answer.returnDisplay : outputOf(answer.llmContent),
    error: answer.error,
  }))

function meaning(event: Event): AgentEvent[] {
  switch (event.type) {
    case 'init':
      return [
        {
          type: 'started',
          session: event.session_id,
          ...(event.model === undefined ? {} : { model: event.model }),
        },
      ]
    case 'message':
      // A prompt is printed before it enters the context: no proof that it did.
      return event.role === 'user' || event.content === '' ? [] : [{ type: 'text', text: event.content, piece: true }]
    case 'tool_use': {
      const summary = brief(aimOf(event.parameters))
      return [{ type: 'tool_start', id: event.tool_id, tool: event.tool_name, summary, input: event.parameters }]
    }
    case 'tool_result': {
      const summary = brief(event.output ?? event.error?.message ?? '')
      return [{ type: 'tool_end', id: event.tool_id, ok: event.status === 'success', summary }]
    }
    case 'error':
      // A warning, or what the result then says by its status.
      return []
    case 'result':
      return [...usageOf(event), ending(event)]
  }
}

/** What a tool call is about. */
function aimOf(input: Readonly<Record<string, unknown>>): unknown {
  return input.command ?? input.file_path ?? input.pattern ?? input.url ?? input
}

/** Counts of this process. Cached input is part of the input; what is neither input nor answer was thought, and is paid for. */
function usageOf({ stats }: Result): AgentEvent[] {
  return Object.entries(stats?.models ?? {})
    .filter(([, used]) => used.total_tokens > 0)
    .map(([model, { total_tokens: total, input_tokens: input, cached }]) => usageEvent(model, { total, input, cached }))
}

function usageEvent(
  model: string | undefined,
  { total, input, cached }: { readonly total: number; readonly input: number; readonly cached: number },
): Extract<AgentEvent, { type: 'usage' }> {
  return {
    type: 'usage',
    usage: {
      input: Math.max(0, input - cached),
      output: Math.max(0, total - input),
      cacheRead: cached,
      cacheWrite: null,
      costUsd: null,
      ...(model === undefined ? {} : { model }),
    },
    scope: 'added',
    costScope: 'added',
  }
}

function ending({ status, error, timestamp: at }: Result): AgentEvent {
  if (status === 'success') return { type: 'turn_end' }
  const message = error?.message ?? 'Gemini CLI got no answer it could use.'
  const cause = causeOf(message)
  const resetAt = cause === 'rate_limit' && at !== undefined ? resetIn(message, Date.parse(at)) : null
  return { type: 'failed', cause, message, ...(resetAt === null ? {} : { resetAt }) }
}

/** What its prose tells: the answer of the API, where it holds it, else its own words. */
function causeOf(message: string): FailureCause {
  if (/api key not valid|API_KEY_INVALID|api key expired|please set an auth method/i.test(message)) return 'auth'
  if (/limit:\s*0(?![\d.])|INSUFFICIENT_G1_CREDITS/i.test(message)) return 'quota'
  if (/token count .*exceeds|exceeds the maximum number of tokens/i.test(message)) return 'context'
  if (/max session turns/i.test(message)) return 'limit'
  if (/operation cancelled/i.test(message)) return 'interrupted'
  const status = /"code": ?(\d{3})\b/.exec(message)?.[1]
  if (status !== undefined) return causeOfStatus(Number(status))
  const named = /\(Status: ([A-Z_]+)\)/.exec(message)?.[1]
  if (named !== undefined) return STATUSES[named] ?? 'unknown'
  if (/quota|rate.?limit|retry (in|after)|capacity|too many requests|exhausted/i.test(message)) return 'rate_limit'
  if (/overloaded|unavailable|deadline|high demand/i.test(message)) return 'overloaded'
  if (/is not found|not supported for/i.test(message)) return 'model'
  if (/fetch failed|terminated|socket|ECONN|ETIMEDOUT|ENOTFOUND|premature|network/i.test(message)) return 'network'
  return 'unknown'
}

const STATUSES: Readonly<Record<string, FailureCause>> = {
  DEADLINE_EXCEEDED: 'overloaded',
  INTERNAL: 'overloaded',
  INVALID_ARGUMENT: 'refused',
  NOT_FOUND: 'model',
  PERMISSION_DENIED: 'auth',
  RESOURCE_EXHAUSTED: 'rate_limit',
  UNAUTHENTICATED: 'auth',
  UNAVAILABLE: 'overloaded',
}

/** Exit codes of its own. */
const EXIT_CAUSES: Readonly<Record<number, FailureCause>> = {
  1: 'crash',
  41: 'auth',
  42: 'unknown',
  52: 'refused',
  53: 'limit',
  55: 'refused',
}

/** The status of the API, of which an exit code keeps eight bits. */
function causeOfExit(code: number | null): FailureCause | null {
  if (code === null || code === 0 || code === 130 || code === 143) return null
  const known = EXIT_CAUSES[code]
  if (known !== undefined) return known
  const cause = causeOfStatus(code + 256)
  return code > 128 && cause !== 'unknown' ? cause : 'crash'
}

/**
 * When a limit ends: after a time that is named ("retry after 7s", "reset after 1h2m3s"), or with the day of the
 * service, which ends at midnight in California.
 *
 * @param at when it was said, in milliseconds
 */
function resetIn(message: string, at: number): number | null {
  if (!(at < FAR)) return null
  const said = /(?:retry|reset) (?:in|after) (?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?/i.exec(message)
  const [hours = 0, minutes = 0, seconds = 0] = (said ?? []).slice(1).map((part) => Number(part ?? 0))
  const wait = (hours * 3600 + minutes * 60 + seconds) * 1000
  if (wait > 0) return wait < FAR ? Math.ceil(at + wait) : null
  return /daily quota/i.test(message) ? nextDay(at) : null
}

const DAY = 24 * 3600 * 1000
/** No time that anybody means, in milliseconds. */
const FAR = 1e14

/** The next midnight in California. On a day on which clocks change a whole day later is an hour off. */
function nextDay(at: number): number {
  const guess = at + DAY - timeOfDay(at)
  const off = timeOfDay(guess)
  return off < DAY / 2 ? guess - off : guess + DAY - off
}

/** Milliseconds since the day began in California. */
function timeOfDay(at: number): number {
  const parts = CALIFORNIA.formatToParts(at)
  const [hours = 0, minutes = 0, seconds = 0] = ['hour', 'minute', 'second'].map((type) =>
    Number(parts.find((part) => part.type === type)?.value ?? 0),
  )
  return (hours * 3600 + minutes * 60 + seconds) * 1000 + (at % 1000)
}

const CALIFORNIA = new Intl.DateTimeFormat('en-US', {
  timeZone: 'America/Los_Angeles',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

/** What a person wants to read of its stderr: not its warnings about terminals, not its stack. */
function wordsIn(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => !/^(Warning: .*color|YOLO mode|Ripgrep is not|\[STARTUP\]|\s+at )/.test(line))
    .join('\n')
    .trim()
}
