import { createHash } from 'node:crypto'
import * as z from 'zod'
import { answerJsonHook, hookSettings, readJsonHook, type ToolFacts } from '../src/contract/json-hooks.ts'
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
} from '../src/contract/runtime.ts'

/**
 * Codex, driven over stdin and stdout by `codex app-server` (JSON-RPC, a message a line, without its version field).
 *
 * - Answers carry only the id of their request, so ids are fixed words: what was answered is known without state.
 * - `turn/start` begins a turn, and brings text into the running one after its current tool. (`turn/steer` does the same
 *   but is refused when the turn ended meanwhile.) Each prompt is echoed as a `userMessage` item when it enters the
 *   context; that echo is the proof of delivery.
 * - Its config folder is the agent's own: nothing of the human's settings, hooks, servers and instructions gets in, and no
 *   dialog is left to ask. Only the stored login is the human's, by a link: it is renewed in its one place.
 * - It confines what the model runs by a permission profile: all may be read but the login, written only the worktree,
 *   temporary folders and what git needs for a commit. The network is open: without it there is no unix socket either,
 *   and no `ov`.
 * - Counts are totals of the thread and go on across a resume; cached input is part of the input.
 * - A turn that fails is told by `turn/completed`; `error` lines before it only say that a request is tried again.
 */
export default {
  id: 'codex',
  title: 'Codex',
  binaries: ['codex'],
  // The npm package's `codex` is a script that stays beside the program and dies without it.
  behind: {
    'linux-x64': vendored('linux-x64', 'x86_64-unknown-linux-musl'),
    'linux-arm64': vendored('linux-arm64', 'aarch64-unknown-linux-musl'),
    'darwin-x64': vendored('darwin-x64', 'x86_64-apple-darwin'),
    'darwin-arm64': vendored('darwin-arm64', 'aarch64-apple-darwin'),
  },
  versionArgs: ['--version'],
  saysVersion: /^codex-cli (\d+\.\d+\.\d+\S*)$/,
  certified: ['0.169.0'],
  install: 'npm install -g @openai/codex',
  login: {
    env: [],
    files: ['.codex/auth.json'],
    hint: 'codex login',
  },
  can: {
    structured: 'duplex',
    interactive: true,
    resume: true,
    steer: true,
    block: false,
    confines: true,
    inject: true,
    usage: true,
    cost: false,
    reports: 'mail',
    prompts: true,
    echo: true,
  },
  // Its folder is the human's, from which the login is taken; the agent's own takes its place.
  environment: ['CODEX_CA_CERTIFICATE', 'CODEX_HOME'],
  models: {
    astra: 'gpt-6-astra',
    'gpt-5': 'gpt-5.5',
    'gpt-6': 'gpt-6-sol',
    luna: 'gpt-6-luna',
    sol: 'gpt-6.1-sol',
    terra: 'gpt-6.1-terra',
  },
  ownModels: /^(gpt-|o\d|codex-)/,
  start: (session) =>
    session.interactive === undefined ? structured(session) : onScreen(session, session.interactive),
  sendInput: (text, { session, sequence, interactive }) =>
    interactive
      ? { by: 'paste', text: asText(text) }
      : {
          by: 'frame',
          frame: request(`${PROMPT}${sequence}`, 'turn/start', {
            threadId: session ?? '',
            input: [{ type: 'text', text, text_elements: [] }],
          }),
        },
  deployHooks: ({ hook }) =>
    hook === undefined
      ? []
      : [{ path: `${HOME}/hooks.json`, content: `${JSON.stringify({ hooks: hooksFor(hook) }, null, 2)}\n` }],
  getPromptCommand: (text, { model, extraArgs = [] }) => ({
    argv: [
      'codex',
      'exec',
      '--ephemeral',
      '--ignore-user-config',
      '--ignore-rules',
      '--skip-git-repo-check',
      ...['--sandbox', 'read-only'],
      ...['--color', 'never'],
      ...[...UNFIT_FEATURES, ...TOOL_FEATURES].flatMap((name) => ['--disable', name]),
      ...[
        '-c',
        'agents.enabled=false',
        '-c',
        'project_doc_max_bytes=0',
        '-c',
        'web_search="disabled"',
        '-c',
        `skills=${NO_SKILLS}`,
      ],
      ...(model === undefined ? [] : [`--model=${model}`]),
      ...extraArgs,
      '-',
    ],
    stdin: text,
    env: {},
  }),
  saysNothing: (line) => line.startsWith('{"id":"ov-'),
  read(line) {
    const message = messageSchema.safeParse(parsed(line))
    return message.success ? meaning(message.data, line) : [{ type: 'unknown', line }]
  },
  exited: (exit) => [endedEarly('Codex', exit, plain(exit.stderrTail))],
  answer({ data }, verdict) {
    const question = questionSchema.safeParse(data)
    if (!question.success) return null
    const { id, method } = question.data
    if (APPROVALS.has(method)) return frame({ id, result: { decision: verdict.allow ? 'accept' : 'decline' } })
    const message = verdict.allow ? 'Nobody is there to answer.' : verdict.reason
    return frame({ id, error: { code: -32000, message } })
  },
  readHook: (event, payload) => readJsonHook(event, payload, TOOLS),
  answerHook: answerJsonHook,
  interrupt: ({ session, turn, sequence }) =>
    session === undefined || turn === undefined
      ? null
      : request(`ov-interrupt-${sequence}`, 'turn/interrupt', { threadId: session, turnId: turn }),
  stopSignal: 'SIGINT',
  transcript: {
    locate: (session, { privateDir }) => ({ folder: `${privateDir}/${HOME}/sessions`, endsWith: `-${session}.jsonl` }),
    entered(line) {
      const entry = entrySchema.safeParse(parsed(line))
      if (!entry.success) return []
      const { payload } = entry.data
      return [payload.type === 'message' ? textOf(payload.content) : textOf(payload.output)]
    },
    used(line) {
      const told = countSchema.safeParse(parsed(line))
      if (!told.success) return null
      const { total_token_usage: total } = told.data.payload.info
      const event = usageOf({
        inputTokens: total.input_tokens,
        cachedInputTokens: total.cached_input_tokens,
        cacheWriteInputTokens: total.cache_write_input_tokens,
        outputTokens: total.output_tokens,
      })
      return { request: 'thread', event }
    },
  },
  screen({ text, title }) {
    const lines = text.split('\n').map((line) => line.trimEnd())
    const shown = lines.filter((line) => line !== '')
    if (shown.length === 0) return { is: 'loading' }
    if (ASKS.test(shown.at(-1) ?? '')) return dialog(shown)
    if (/^[\u2800-\u28ff] /u.test(title) || shown.some((line) => BUSY.test(line))) return { is: 'busy' }
    return promptOn(lines)
  },
  trial: {
    npm: { name: '@openai/codex', version: '0.169.0', program: 'codex' },
    wire: 'openai-responses',
    setting: ({ url, key }) => ({
      env: {},
      files: [{ path: '.codex/auth.json', content: JSON.stringify({ auth_mode: 'apikey', OPENAI_API_KEY: key }) }],
      // Its own provider tries a WebSocket first, for seconds; one of the human's goes by HTTP at once.
      section: {
        args: [
          ...['-c', 'model="gpt-5.5"', '-c', 'model_provider="scripted"'],
          ...['-c', `model_providers.scripted={${SCRIPTED},base_url="${url}/v1"}`],
        ],
      },
    }),
    key: (random) => `sk-proj-${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.codex/config.toml',
        content: `developer_instructions = ${quoted(words)}\n[mcp_servers.theirs]\ncommand = "sh"\nargs = ["-c", ${quoted(command)}]\n`,
      },
      {
        path: '.codex/hooks.json',
        content: JSON.stringify({ hooks: { SessionStart: [{ hooks: [{ type: 'command', command }] }] } }),
      },
      { path: '.codex/AGENTS.md', content: `${words}\n` },
      { path: '.agents/skills/theirs/SKILL.md', content: `---\nname: theirs\ndescription: ${words}\n---\n` },
    ],
    shell(command, tools) {
      const input = { cmd: command, yield_time_ms: 30_000 }
      if (tools.includes('exec_command')) return { tool: 'exec_command', input }
      // Newer models write a program that calls the tools.
      const program = `const ran = await tools.exec_command(${JSON.stringify(input)}); text(JSON.stringify(ran))`
      return tools.includes('functions.exec') ? { tool: 'functions.exec', input: program } : null
    },
    write(path, content, tools) {
      const lines = content.replace(/\n$/, '').replace(/^/gm, '+')
      const patch = `*** Begin Patch\n*** Add File: ${path}\n${lines}\n*** End Patch`
      return tools.includes('apply_patch') ? { tool: 'apply_patch', input: patch } : null
    },
    limit: (resetAt) => ({
      status: 429,
      type: 'usage_limit_reached',
      message: 'The usage limit has been reached',
      details: { plan_type: 'plus', resets_at: resetAt },
      headers: {
        'x-codex-primary-used-percent': '100',
        'x-codex-primary-window-minutes': '300',
        'x-codex-primary-reset-at': String(resetAt),
        'x-codex-rate-limit-reached-type': 'rate_limit_reached',
      },
    }),
    executables: ['/bin/codex'],
    isItself: (argv) => argv[1] === 'app-server',
    refused: '401 Unauthorized',
  },
} satisfies AgentRuntime

/** A provider that gives up soon, so that failures are seen in a trial. */
const SCRIPTED = 'name="Scripted",requires_openai_auth=true,request_max_retries=1,stream_max_retries=1'

function structured(session: SessionSpec): LaunchPlan {
  return {
    protocol: 'duplex',
    argv: ['codex', 'app-server', ...session.extraArgs],
    env: { CODEX_HOME: `${session.privateDir}/${HOME}` },
    files: [{ path: `${HOME}/config.toml`, content: configFor(session) }],
    links: linksFor(session),
    hello: [
      request(HELLO, 'initialize', {
        clientInfo: { name: 'oversling', title: 'ov', version: '1' },
        capabilities: null,
      }),
      frame({ method: 'initialized' }),
      // Without a login it would find out only by being refused.
      request(ACCOUNT, 'account/read', {}),
      session.resume === undefined
        ? request(THREAD, 'thread/start', threadFor(session))
        : request(THREAD, 'thread/resume', {
            ...threadFor(session),
            threadId: session.resume,
            excludeTurns: true,
          }),
    ],
    firstPrompt: 'after-started',
  }
}

/** What is shared: the human's login, and the repository's AGENTS.md, which is left out of an untrusted folder, as its own. */
function linksFor(session: SessionSpec): NonNullable<LaunchPlan['links']> {
  return [
    { path: `${HOME}/auth.json`, to: loginOf(session) },
    { path: `${HOME}/AGENTS.md`, to: `${session.worktree}/AGENTS.md` },
  ]
}

/** On its own screen it asks whether an untrusted folder is to be opened restricted; that is answered by `screen`. */
function onScreen(session: SessionSpec, { repository }: InteractiveFacts): LaunchPlan {
  const short = Buffer.byteLength(session.prompt) <= LONGEST_ARGUMENT
  return {
    protocol: 'interactive',
    argv: [
      'codex',
      ...(session.resume === undefined ? [] : ['resume', session.resume]),
      '--no-daemon',
      '--no-alt-screen',
      ...session.extraArgs,
      ...(short ? ['--', asText(session.prompt)] : []),
    ],
    env: { CODEX_HOME: `${session.privateDir}/${HOME}` },
    files: [
      {
        path: `${HOME}/config.toml`,
        content: [
          configFor(session),
          ...(repository === session.worktree ? [] : [untrusted(repository)]),
          '[notice]\nhide_rate_limit_model_nudge = true',
          ...(session.model === undefined ? [] : [`[notice.model_migrations]\n${quoted(session.model)} = "gpt-6-sol"`]),
          ...(session.hook === undefined ? [] : hookTrust(session.hook, `${session.privateDir}/${HOME}/hooks.json`)),
          '',
        ].join('\n'),
      },
    ],
    links: linksFor(session),
    firstPrompt: short ? 'included' : 'at-once',
  }
}

/** In bytes. */
const LONGEST_ARGUMENT = 64 * 1024

/** Text that its prompt takes as text: no command, no shell, no mention; a backslash at the end would join lines. */
function asText(text: string): string {
  const plain = /^\s*[/!?@$]/.test(text) ? `Message:\n${text}` : text
  return plain.endsWith('\\') ? `${plain}\n` : plain
}

type HookGroups = Readonly<Record<string, readonly { matcher?: string; hooks: readonly Record<string, unknown>[] }[]>>

/** It has one name for a tool that ran, well or in vain. What may be written its sandbox says, so no tool waits for a verdict. */
function hooksFor(hook: string): HookGroups {
  const { hooks } = hookSettings({
    hook,
    events: ['session-start', 'prompt', 'tool-start', 'tool-end', 'stop'],
    guarded: '^$',
    unguarded: '.*',
  })
  return Object.fromEntries(Object.entries(hooks as HookGroups).filter(([name]) => name !== 'PostToolUseFailure'))
}

/** Hooks run only when a person trusted them as they are. This is how it writes that down: by a digest of each. */
function hookTrust(hook: string, file: string): string[] {
  return Object.entries(hooksFor(hook)).flatMap(([name, groups]) => {
    const event = name.replaceAll(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase()
    return groups.map(({ matcher, hooks: [handler = {}] }, at) => {
      const identity = {
        event_name: event,
        hooks: [{ async: false, command: handler.command, timeout: handler.timeout, type: handler.type }],
        ...(matcher === undefined ? {} : { matcher }),
      }
      const digest = createHash('sha256').update(JSON.stringify(identity)).digest('hex')
      return `[hooks.state.${quoted(`${file}:${event}:${at}:0`)}]\ntrusted_hash = "sha256:${digest}"`
    })
  })
}

const TOOLS: ToolFacts = {
  aim: (_tool, input) => brief(input.command ?? input),
  guard: () => ({}),
}

/** The last lines of its questions. */
const ASKS = /^\s+(enter (continue|confirm)|enter\/esc confirm|press enter to continue)/i
const BUSY = /^[•◦] .*\(.* • esc to interrupt\)/

/** Questions at the start: what each is about, and which option is taken. */
const QUESTIONS: readonly (readonly [string, RegExp, RegExp])[] = [
  ['open the untrusted folder restricted', /^\s*Folder access/, /Open restricted/],
  ['stay with the model that was chosen', /^\s*Meet /, /Use existing model/],
  // Nobody but a person can.
  ['sign in (codex login)', /Sign in with ChatGPT/, /$^/],
]

/** The keys that take the cursor from where it stands to the option that is meant; a strange question is left to a person. */
function dialog(lines: readonly string[]): Screen {
  const options = lines.filter((line) => /^[› ] \d+\. /.test(line))
  const cursor = options.findIndex((line) => line.startsWith('›'))
  const known = QUESTIONS.find(([, pattern]) => lines.some((line) => pattern.test(line)))
  const wanted = known === undefined ? -1 : options.findIndex((line) => known[2].test(line))
  const answer =
    cursor < 0 || wanted < 0
      ? null
      : [...Array<string>(Math.abs(wanted - cursor)).fill(wanted > cursor ? 'Down' : 'Up'), 'Enter']
  return { is: 'dialog', about: known?.[0] ?? lines[0]?.trim() ?? '', answer }
}

/**
 * The box is the last `›` on the screen, with nothing below it but its own further lines and, after an empty one, two
 * lines of status. An empty box shows what could be asked.
 */
function promptOn(lines: readonly string[]): Screen {
  const top = lines.findLastIndex((line) => line.startsWith('›'))
  const last = lines.findLastIndex((line) => line !== '')
  const below = lines.slice(top + 1, last + 1)
  if (top < 0 || below.some((line) => line !== '' && !line.startsWith('  '))) return { is: 'unknown' }
  // Before it is set up it draws its box without saying which model it is.
  if (/^ +\? for shortcuts$/.test(below.at(-1) ?? '') && below.at(-2) === '') return { is: 'loading' }
  const gap = below.lastIndexOf('')
  const more = gap >= 0 && below.length - gap <= 3 ? below.slice(0, gap) : below
  const typed = [lines[top] ?? '', ...more].map((line) => line.slice(2)).join('\n')
  return { is: 'idle', typed: typed === PLACEHOLDER ? '' : typed }
}

const PLACEHOLDER = 'Ask Codex to do anything'

/** Its config folder, in the private one. */
const HOME = 'codex'

/** Request ids; what comes back carries nothing else. */
const HELLO = 'ov-hello'
const ACCOUNT = 'ov-account'
const THREAD = 'ov-thread'
const PROMPT = 'ov-prompt-'

/** Where the human's stored login lies. */
function loginOf({ environment }: Pick<SessionSpec, 'environment'>): string {
  return `${environment.CODEX_HOME ?? `${environment.HOME ?? ''}/.codex`}/auth.json`
}

function threadFor(session: SessionSpec): Readonly<Record<string, unknown>> {
  return {
    cwd: session.worktree,
    developerInstructions: session.instructions,
    // What the sandbox refuses is refused; there is nobody to ask for more.
    approvalPolicy: 'never',
    ...(session.model === undefined ? {} : { model: session.model }),
  }
}

/**
 * A trusted folder's `.codex` names servers and hooks, which are run outside the sandbox. Without a word on it Codex
 * trusts the folder that an agent writes to, and notes it down.
 */
function untrusted(path: string): string {
  return `[projects.${quoted(path)}]\ntrust_level = "untrusted"`
}

/** Its config.toml. */
function configFor(session: SessionSpec): string {
  const interactive = session.interactive !== undefined
  const writable = session.readOnly ? [] : [session.worktree, ...session.gitFolders]
  const files = {
    ':root': 'read',
    ':tmpdir': 'write',
    ':slash_tmp': 'write',
    ...Object.fromEntries(writable.map((path) => [path, 'write'])),
    [loginOf(session)]: 'deny',
  }
  return [
    'check_for_update_on_startup = false',
    // A login shell sets PATH anew, and then finds another `ov` or none.
    'allow_login_shell = false',
    'default_permissions = "ov"',
    // Over pipes the thread's start says so.
    ...(interactive
      ? [
          'approval_policy = "never"',
          `developer_instructions = ${quoted(session.instructions)}`,
          ...(session.model === undefined ? [] : [`model = ${quoted(session.model)}`]),
        ]
      : []),
    'analytics = { enabled = false }',
    // Subagents: the fleet is `ov`'s, and a thread's end would be taken for this one's.
    'agents = { enabled = false }',
    `skills = ${NO_SKILLS}`,
    '[features]',
    ...UNFIT_FEATURES.map((name) => `${name} = false`),
    '[permissions.ov.filesystem]',
    ...Object.entries(files).map(([path, access]) => `${quoted(path)} = "${access}"`),
    '[permissions.ov.network]',
    'enabled = true',
    untrusted(session.worktree),
    '',
  ].join('\n')
}

/**
 * What an agent of a fleet must not use: goals that prompt themselves, what loads
 * the human's or a vendor's extensions, a shell that remembers the human's aliases, an answer thrown away when text comes
 * in (nobody counts what it cost), and retrying for ever without a network: after its own retries the engine decides.
 */
const UNFIT_FEATURES = [
  'apps',
  'goals',
  'instant_interrupt',
  'plugins',
  'remote_plugin',
  'shell_snapshot',
  'unbounded_connection_retries',
]

/** Tools that a one-shot question has no use for. */
const TOOL_FEATURES = ['hooks', 'image_generation', 'shell_tool', 'unified_exec', 'view_image']

/** The human's skills would be loaded from the home folder, its own be installed into its config folder. */
const NO_SKILLS = '{ include_instructions = false, bundled = { enabled = false } }'

/** Where npm puts the program of a platform: beside the package, or below it. */
function vendored(platform: string, triple: string): string[] {
  const program = `@openai/codex-${platform}/vendor/${triple}/bin/codex`
  return [`../../../${program}`, `../node_modules/${program}`]
}

/** A TOML string; JSON's escapes are TOML's too, but it lets DEL pass. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll('\x7f', '\\u007f')
}

function frame(value: unknown): { readonly via: 'stdin'; readonly line: string } {
  return { via: 'stdin', line: JSON.stringify(value) }
}

function request(id: string, method: string, params: Readonly<Record<string, unknown>>): ReturnType<typeof frame> {
  return frame({ id, method, params })
}

/** Its log is coloured even in a pipe. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
  return text.replaceAll(/\x1b\[[0-9;]*m/g, '')
}

/** Of the last day there is, as JavaScript counts. */
const LAST_SECOND = 8.64e12
const count = z.number().nonnegative()

const problem = z.looseObject({ message: z.string(), codexErrorInfo: z.unknown().optional() })
type Problem = z.infer<typeof problem>
/** A request that the service finds wrong (400) has the whole answer for its message. */
const refusalSchema = z.looseObject({ error: z.looseObject({ message: z.string() }) })

const item = z.looseObject({
  type: z.string(),
  id: z.string(),
  text: z.string().optional(),
  content: z.unknown().optional(),
  command: z.string().optional(),
  changes: z.array(z.looseObject({ path: z.string() })).optional(),
  tool: z.string().optional(),
  server: z.string().optional(),
  query: z.string().optional(),
  path: z.string().optional(),
  arguments: z.unknown().optional(),
  aggregatedOutput: z.string().nullish(),
  exitCode: z.number().nullish(),
  status: z.string().optional(),
  success: z.boolean().nullish(),
})
type Item = z.infer<typeof item>

const limitWindow = z
  .looseObject({ usedPercent: z.number(), resetsAt: z.number().max(LAST_SECOND).nullish() })
  .nullish()

/** An answer to one of our requests; a notification; a request of its own, which waits for an answer. Of 0.169.0. */
const answer = z.looseObject({
  id: z.union([z.string(), z.number()]),
  method: z.undefined().optional(),
  result: z.unknown().optional(),
  error: z.looseObject({ message: z.string() }).optional(),
})
const notification = z.looseObject({
  id: z.undefined().optional(),
  method: z.string(),
  params: z.unknown().optional(),
  emittedAtMs: z.number().optional(),
})
const serverRequest = z.looseObject({
  id: z.union([z.string(), z.number()]),
  method: z.string(),
  params: z.looseObject({ reason: z.string().nullish(), command: z.string().nullish() }).optional(),
})
const messageSchema = z.union([answer, notification, serverRequest])
type Answer = z.infer<typeof answer>
type Notification = z.infer<typeof notification>
type ServerRequest = z.infer<typeof serverRequest>

const questionSchema = z.object({ id: z.union([z.string(), z.number()]), method: z.string() })

const accountSchema = z.looseObject({ account: z.unknown(), requiresOpenaiAuth: z.boolean() })
const threadSchema = z.looseObject({
  thread: z.looseObject({ id: z.string(), cliVersion: z.string().optional() }),
  model: z.string().optional(),
})
const turnSchema = z.looseObject({
  turn: z.looseObject({
    id: z.string(),
    status: z.string(),
    error: problem.nullish(),
    items: z.array(item).optional().catch(undefined),
  }),
})
const itemSchema = z.looseObject({ item })
const errorSchema = z.looseObject({ error: problem, willRetry: z.boolean() })
const usageSchema = z.looseObject({
  tokenUsage: z.looseObject({
    total: z.looseObject({
      inputTokens: count,
      cachedInputTokens: count.optional(),
      cacheWriteInputTokens: count.optional(),
      outputTokens: count,
    }),
  }),
})
const limitsSchema = z.looseObject({
  rateLimits: z.looseObject({
    primary: limitWindow,
    secondary: limitWindow,
    rateLimitReachedType: z.string().nullish(),
  }),
})

const entrySchema = z.looseObject({
  type: z.literal('response_item'),
  payload: z.discriminatedUnion('type', [
    // What a hook says comes in a developer's name.
    z.looseObject({ type: z.literal('message'), role: z.literal(['user', 'developer']), content: z.unknown() }),
    z.looseObject({ type: z.literal(['function_call_output', 'custom_tool_call_output']), output: z.unknown() }),
  ]),
})

/** Lines of a transcript that count: the thread's totals, after each request. */
const countSchema = z.looseObject({
  type: z.literal('event_msg'),
  payload: z.looseObject({
    type: z.literal('token_count'),
    info: z.looseObject({
      total_token_usage: z.looseObject({
        input_tokens: count,
        cached_input_tokens: count.default(0),
        cache_write_input_tokens: count.default(0),
        output_tokens: count,
      }),
    }),
  }),
})

function meaning(message: Answer | Notification | ServerRequest, line: string): readonly AgentEvent[] {
  if (message.method === undefined) return answered(message as Answer, line)
  if (message.id !== undefined) return [{ type: 'ask', ask: askOf(message as ServerRequest) }]
  return told(message as Notification, line)
}

/** The answer to a request of ours, known by its id. */
function answered({ id, result, error }: Answer, line: string): readonly AgentEvent[] {
  if (error !== undefined) {
    const cause = /no rollout found/i.test(error.message) ? 'unknown' : causeOfWords(error.message)
    // A turn that ended before it could be interrupted is no trouble.
    if (!String(id).startsWith('ov-') || String(id).startsWith('ov-interrupt')) return []
    return [
      { type: 'failed', cause, message: `Codex refused ${REQUESTS.get(String(id)) ?? 'a prompt'}: ${error.message}` },
    ]
  }
  if (id === ACCOUNT) {
    const account = accountSchema.safeParse(result)
    if (!account.success) return [{ type: 'unknown', line }]
    const missing = account.data.requiresOpenaiAuth && account.data.account === null
    return missing ? [{ type: 'failed', cause: 'auth', message: 'Codex is not logged in.' }] : []
  }
  if (id !== THREAD) return result === undefined ? [{ type: 'unknown', line }] : []
  const thread = threadSchema.safeParse(result)
  if (!thread.success) return [{ type: 'unknown', line }]
  const { thread: begun, model } = thread.data
  return [
    {
      type: 'started',
      session: begun.id,
      ...(model === undefined ? {} : { model }),
      ...(begun.cliVersion === undefined ? {} : { version: begun.cliVersion }),
    },
  ]
}

const REQUESTS = new Map([
  [HELLO, 'to begin'],
  [ACCOUNT, 'to say who is logged in'],
  [THREAD, 'the session'],
])

function told({ method, params, emittedAtMs }: Notification, line: string): readonly AgentEvent[] {
  const unknown: AgentEvent[] = [{ type: 'unknown', line }]
  switch (method) {
    case 'turn/started': {
      const turn = turnSchema.safeParse(params)
      return turn.success ? [{ type: 'turn_start', turn: turn.data.turn.id }] : unknown
    }
    case 'turn/completed': {
      const turn = turnSchema.safeParse(params)
      return turn.success ? [ending(turn.data.turn, emittedAtMs)] : unknown
    }
    case 'item/started': {
      const begun = itemSchema.safeParse(params)
      return begun.success ? began(begun.data.item) : unknown
    }
    case 'item/completed': {
      const ended = itemSchema.safeParse(params)
      return ended.success ? finished(ended.data.item) : unknown
    }
    case 'thread/tokenUsage/updated': {
      const usage = usageSchema.safeParse(params)
      return usage.success ? [usageOf(usage.data.tokenUsage.total)] : unknown
    }
    case 'account/rateLimits/updated': {
      const limits = limitsSchema.safeParse(params)
      return limits.success ? limited(limits.data.rateLimits) : unknown
    }
    case 'error': {
      const trouble = errorSchema.safeParse(params)
      if (!trouble.success) return unknown
      // One that is not tried again is in the turn's end too, with its cause.
      return trouble.data.willRetry ? [retrying(trouble.data.error)] : []
    }
    default:
      return HOUSEHOLD.test(method) ? [] : unknown
  }
}

/** Notifications about its own household, and parts of items that come whole at their end. */
const HOUSEHOLD = new RegExp(
  `^(${[
    'account/(updated|login/completed)',
    'app/list/updated',
    '(config|guardian)Warning',
    'deprecationNotice',
    'fs/changed',
    'hook/(started|completed)',
    'item/(agentMessage|plan)/delta',
    'item/autoApprovalReview/.*',
    'item/commandExecution/(outputDelta|terminalInteraction)',
    'item/fileChange/(outputDelta|patchUpdated)',
    'item/mcpToolCall/progress',
    'item/reasoning/.*',
    'mcpServer/.*',
    'model/(rerouted|verification|safetyBuffering/updated)',
    'modelProvider/.*',
    'rawResponse(Item)?/completed',
    'remoteControl/status/changed',
    'serverRequest/resolved',
    'skills/changed',
    'thread/(started|status/changed|readState/changed|closed|compacted|name/updated|settings/updated|section/changed)',
    'thread/(prediction/updated|queue/changed|environment/(dis)?connected|goal/(updated|cleared)|tokenUsage/updated)',
    'turn/(diff/updated|plan/updated|moderationMetadata)',
    'warning',
  ].join('|')})$`,
)

/** Items that are acts of the model: what each is called, and what it is about. `input`: where that is not all of it. */
function actOf(one: Item): { readonly tool: string; readonly summary: string; readonly input?: unknown } | null {
  switch (one.type) {
    case 'commandExecution':
      return { tool: 'shell', summary: one.command ?? '' }
    case 'fileChange':
      return {
        tool: 'apply_patch',
        summary: (one.changes ?? []).map((change) => change.path).join(', '),
        input: one.changes,
      }
    case 'mcpToolCall':
      return { tool: `${one.server ?? ''}.${one.tool ?? ''}`, summary: brief(one.arguments), input: one.arguments }
    case 'dynamicToolCall':
    case 'collabAgentToolCall':
      return { tool: one.tool ?? one.type, summary: brief(one.arguments), input: one.arguments }
    case 'webSearch':
      return { tool: 'web_search', summary: one.query ?? '' }
    case 'imageView':
      return { tool: 'view_image', summary: one.path ?? '' }
    case 'imageGeneration':
      return { tool: 'image_generation', summary: '' }
    case 'contextCompaction':
      return { tool: 'compact', summary: '' }
    default:
      return null
  }
}

function began(one: Item): readonly AgentEvent[] {
  const act = actOf(one)
  if (act === null) return []
  const { tool, summary, input = summary } = act
  return [{ type: 'tool_start', id: one.id, tool, summary: brief(summary), input }]
}

function finished(one: Item): readonly AgentEvent[] {
  if (one.type === 'userMessage') return [{ type: 'accepted', text: textOf(one.content) }]
  if (one.type === 'agentMessage') return one.text ? [{ type: 'text', text: one.text }] : []
  if (actOf(one) === null) return []
  const ok = (one.exitCode ?? 0) === 0 && one.success !== false && !['failed', 'declined'].includes(one.status ?? '')
  return [{ type: 'tool_end', id: one.id, ok, summary: brief(one.aggregatedOutput ?? '') }]
}

function usageOf(total: z.infer<typeof usageSchema>['tokenUsage']['total']): Extract<AgentEvent, { type: 'usage' }> {
  const cacheRead = total.cachedInputTokens ?? 0
  const cacheWrite = total.cacheWriteInputTokens ?? 0
  return {
    type: 'usage',
    usage: {
      input: Math.max(0, total.inputTokens - cacheRead - cacheWrite),
      output: total.outputTokens,
      cacheRead,
      cacheWrite,
      costUsd: null,
    },
    scope: 'total',
    costScope: 'total',
  }
}

/** It says seconds. Told with every answer; only a limit that is reached is of consequence. */
function limited(limits: z.infer<typeof limitsSchema>['rateLimits']): readonly AgentEvent[] {
  if (limits.rateLimitReachedType == null) return []
  const full = [limits.primary, limits.secondary].flatMap((one) =>
    one && one.usedPercent >= 100 && one.resetsAt != null ? [one.resetsAt * 1000] : [],
  )
  return [
    {
      type: 'rate_limited',
      resetAt: full.length > 0 ? Math.max(...full) : null,
      message: `The ${limits.rateLimitReachedType.replaceAll('_', ' ')}.`,
    },
  ]
}

function retrying(error: Problem): AgentEvent {
  const attempt = Number(/(\d+)\/\d+/.exec(error.message)?.[1] ?? 0)
  return { type: 'retrying', attempt, delayMs: 0, cause: causeOf(error) }
}

function ending(turn: z.infer<typeof turnSchema>['turn'], at = Number.NaN): AgentEvent {
  switch (turn.status) {
    case 'completed': {
      const said = turn.items?.findLast((one) => one.type === 'agentMessage')?.text ?? ''
      return { type: 'turn_end', ...(said === '' ? {} : { text: said }) }
    }
    case 'interrupted':
      return { type: 'failed', cause: 'interrupted', message: 'The turn was interrupted.' }
    default: {
      const error = turn.error ?? { message: `The turn ended with ${turn.status}.` }
      const refusal = refusalSchema.safeParse(parsed(error.message))
      const resetAt = resetIn(error.message, at)
      return {
        type: 'failed',
        cause: refusal.success ? 'refused' : causeOf(error),
        message: refusal.success ? refusal.data.error.message : error.message,
        ...(resetAt === null ? {} : { resetAt }),
      }
    }
  }
}

/** The names of `codexErrorInfo`; those that carry a status are objects of one key. */
const CAUSES: Readonly<Record<string, FailureCause>> = {
  contextWindowExceeded: 'context',
  sessionBudgetExceeded: 'limit',
  usageLimitExceeded: 'rate_limit',
  rateLimitExceeded: 'rate_limit',
  flexUnavailable: 'overloaded',
  serverOverloaded: 'overloaded',
  policyCapacityUnavailable: 'overloaded',
  internalServerError: 'overloaded',
  modelNotFound: 'model',
  unauthorized: 'auth',
  badRequest: 'refused',
  inferenceHookDenied: 'refused',
  cyberPolicy: 'refused',
  misalignmentPolicyViolation: 'refused',
  tooManyDenials: 'refused',
  httpConnectionFailed: 'network',
  responseStreamConnectionFailed: 'network',
  responseStreamDisconnected: 'network',
}

const withStatus = z.record(z.string(), z.looseObject({ httpStatusCode: z.number().nullish() }))

function causeOf({ message, codexErrorInfo: info }: Problem): FailureCause {
  if (/quota exceeded|insufficient_quota/i.test(message)) return 'quota'
  const detailed = withStatus.safeParse(info)
  const [name, detail] = detailed.success ? (Object.entries(detailed.data)[0] ?? []) : []
  const status = detail?.httpStatusCode ?? null
  if (status !== null) return ofStatus(status, message)
  const key = typeof info === 'string' ? info : (name ?? '')
  const named = Object.hasOwn(CAUSES, key) ? CAUSES[key] : undefined
  return named ?? causeOfWords(message)
}

/** Where nothing but prose tells: the status in it, or what it says. */
function causeOfWords(message: string): FailureCause {
  const status = /(?:unexpected|last) status:? (\d{3})/.exec(message)?.[1]
  if (status !== undefined) return ofStatus(Number(status), message)
  if (/not logged in|log in|missing environment variable/i.test(message)) return 'auth'
  if (/stream disconnected|connection failed|error sending request/i.test(message)) return 'network'
  if (/context window/i.test(message)) return 'context'
  if (/model.*(not found|does not exist|not supported)/i.test(message)) return 'model'
  return 'unknown'
}

/** A model that is not there is a bad request to some providers. */
function ofStatus(status: number, message: string): FailureCause {
  if (status === 400 && /model/i.test(message) && /not (found|exist|supported)/i.test(message)) return 'model'
  return causeOfStatus(status)
}

/**
 * The time a usage limit names in prose: "try again at 6:40 PM." of today or the day after, "at Nov 25th, 2026 6:40 PM."
 *
 * @param at when it was said; milliseconds
 */
function resetIn(message: string, at: number): number | null {
  const said = /try again at (?:(\w{3,9} \d{1,2})(?:st|nd|rd|th),? (\d{4}),? )?(\d{1,2}):(\d{2}) ([AP])M/i.exec(message)
  if (said === null || Number.isNaN(at)) return null
  const [, day, year, hour = '', minute = '', half = ''] = said
  const when = day === undefined ? new Date(at) : new Date(`${day}, ${year}`)
  when.setHours((Number(hour) % 12) + (half.toUpperCase() === 'P' ? 12 : 0), Number(minute), 0, 0)
  if (Number.isNaN(when.getTime())) return null
  // It tells minutes and leaves the seconds out: by the end of that minute it is surely over.
  when.setMinutes(when.getMinutes() + 1)
  if (day === undefined && when.getTime() < at) when.setDate(when.getDate() + 1)
  return when.getTime()
}

const APPROVALS = new Set(['item/commandExecution/requestApproval', 'item/fileChange/requestApproval'])

/** Whatever it asks has nobody to click an answer; all of it is a step out of its sandbox, a form or a login. */
function askOf({ id, method }: ServerRequest): Ask {
  return {
    id: String(id),
    when: 'before_tool',
    tool: method,
    interactive: true,
    data: { id, method },
  }
}
