import * as z from 'zod'
import { brief, causeOfStatus, endedEarly, parsed } from '../src/contract/reading.ts'
import type { AgentEvent, AgentRuntime, FailureCause, Frame, SessionSpec } from '../src/contract/runtime.ts'

/** How its providers are reached. */
const ENVIRONMENT = [
  'ANTHROPIC_API_KEY',
  'AWS_*',
  'AZURE_*',
  'CEREBRAS_API_KEY',
  'DEEPSEEK_API_KEY',
  'GEMINI_API_KEY',
  'GITHUB_TOKEN',
  'GOOGLE_*',
  'GROQ_API_KEY',
  'MISTRAL_API_KEY',
  'OPENAI_API_KEY',
  'OPENCODE_API_KEY',
  'OPENCODE_CONFIG_CONTENT',
  'OPENROUTER_API_KEY',
  'XAI_API_KEY',
]

/**
 * OpenCode, driven as a server on loopback (`opencode serve`): prompts are requests, events come as a stream.
 *
 * - Every folder it keeps anything in is the agent's own, and neither the human's settings nor the repository's are
 *   read: plugins, servers and hooks among them would be anybody's code. Shared is the login, by a link. A project of
 *   the human's can still bring a provider, by `OPENCODE_CONFIG_CONTENT`.
 * - A tool that changes a file asks first, and waits until it is answered; nobody there to answer means no change.
 * - A prompt stands in the conversation as a part of text without times; that echo is the proof of delivery. One that
 *   is sent while it works is taken up after the current step.
 * - After a failure it tells twice that it is idle, and may tell the failure again; the driver takes the first.
 * - It retries for as long as it takes, with growing pauses. The driver ends that (`retrying`).
 * - Counts come with each step, the dollars too; where it knows no price it says 0, which is passed on as unknown.
 */
export default {
  id: 'opencode',
  title: 'OpenCode',
  binaries: ['opencode'],
  versionArgs: ['--version'],
  certified: ['1.18.33'],
  install: 'npm install -g opencode-ai',
  login: {
    env: ['ANTHROPIC_API_KEY', 'OPENAI_API_KEY', 'OPENROUTER_API_KEY', 'OPENCODE_API_KEY'],
    files: ['.local/share/opencode/auth.json'],
    hint: 'opencode auth login',
  },
  can: {
    structured: 'serve',
    interactive: false,
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
  environment: ENVIRONMENT,
  models: {},
  start: (session) => ({
    protocol: 'serve',
    argv: ['opencode', 'serve', '--hostname', '127.0.0.1', '--port', '0', ...session.extraArgs],
    env: { ...foldersOf(session.privateDir), ...QUIET, OPENCODE_CONFIG_CONTENT: JSON.stringify(configFor(session)) },
    files: [
      { path: `${HOME}/instructions.md`, content: session.instructions },
      { path: `${HOME}/ov.js`, content: pluginFor(session) },
      { path: `${HOME}/entered/.keep`, content: '' },
      ...INSTALLED,
    ],
    links: [
      { path: `${HOME}/data/opencode/auth.json`, to: `${homeOf(session, 'DATA')}/opencode/auth.json` },
      {
        path: `${HOME}/cache/opencode/models.json`,
        to: `${homeOf(session, 'CACHE')}/opencode/models.json`,
        copy: true,
      },
    ],
    service: {
      ready: 'listening on (http://\\S+)',
      login: { user: 'opencode', variable: 'OPENCODE_SERVER_PASSWORD' },
      events: '/event',
      // It sends a heartbeat every ten seconds.
      quietMs: 45_000,
    },
    // Without a title it would have one made up, by another model.
    hello: [
      session.resume === undefined
        ? http('POST', '/session', { title: session.agent })
        : http('GET', `/session/${session.resume}`),
    ],
    firstPrompt: 'after-started',
  }),
  sendInput: (text, { session = '' }) => ({
    by: 'frame',
    frame: http('POST', `/session/${session}/prompt_async`, { parts: [{ type: 'text', text }] }),
  }),
  deployHooks: () => [],
  getPromptCommand: (text, { model, extraArgs = [] }) => ({
    argv: [
      'opencode',
      'run',
      // Else it would ask another model for one.
      ...['--title', 'A question'],
      ...(model === undefined ? [] : ['--model', model]),
      ...extraArgs,
    ],
    // An argument would arrive in quotation marks.
    stdin: text,
    env: {
      ...QUIET,
      OPENCODE_PURE: '1',
      OPENCODE_DB: ':memory:',
      OPENCODE_PERMISSION: JSON.stringify({ '*': 'deny' }),
      // Below the folder it is asked in, with nothing in it, and nothing put there by npm.
      XDG_CONFIG_HOME: '.opencode-settings',
      OPENCODE_TEST_HOME: '.opencode-settings',
      npm_config_offline: 'true',
    },
  }),
  saysNothing: (line) => /^\{"id":"[^"]*","type":"server\.heartbeat"/.test(line),
  read(line) {
    const value = parsed(line)
    const answer = answerSchema.safeParse(value)
    if (answer.success) return answered(answer.data)
    const event = eventSchema.safeParse(value)
    if (event.success) return meaning(event.data)
    const known = knownSchema.safeParse(value)
    return known.success && HOUSEHOLD.has(known.data.type) ? [] : [{ type: 'unknown', line }]
  },
  stream: {
    of(line) {
      const told = placeSchema.safeParse(parsed(line))
      if (!told.success) return {}
      const { sessionID, part, id } = told.data.properties
      const name =
        part !== undefined
          ? `${part.id} ${part.state?.status ?? (part.time?.end === undefined ? '' : 'end')}`
          : told.data.type.endsWith('.asked')
            ? id
            : undefined
      return {
        ...(sessionID === undefined ? {} : { session: sessionID }),
        // What is still growing comes many times.
        ...(name === undefined || part?.state?.status === 'pending' ? {} : { once: name }),
      }
    },
    missed: ({ session = '' }) => [
      http('GET', `/session/${session}/message?limit=100`),
      http('GET', '/permission'),
      http('GET', '/session/status'),
    ],
    caughtUp(line, { session = '' }) {
      const answer = answerSchema.safeParse(parsed(line))
      if (!answer.success || answer.data.status !== 200) return []
      const { answer: request, body } = answer.data
      const told = (type: string, properties: unknown) => JSON.stringify({ type, properties })
      if (request === 'GET /permission') return list(body).map((one) => told('permission.asked', one))
      if (request === 'GET /session/status') {
        const status = statusesSchema.safeParse(body).data?.[session] ?? { type: 'idle' }
        return [told('session.status', { sessionID: session, status })]
      }
      return list(body).flatMap((message) =>
        list(message.parts).map((part) => told('message.part.updated', { sessionID: session, part })),
      )
    },
  },
  exited: (exit) => [endedEarly('OpenCode', exit, exit.stderrTail.trim())],
  answer({ id, data }, verdict) {
    if (data === QUESTION) return http('POST', `/question/${id}/reject`)
    return http('POST', `/permission/${id}/reply`, {
      ...(verdict.allow ? { reply: 'once' } : { reply: 'reject', message: verdict.reason }),
    })
  },
  interrupt: ({ session }) => (session === undefined ? null : http('POST', `/session/${session}/abort`)),
  stopSignal: 'SIGTERM',
  transcript: {
    locate: (session, { privateDir }) => ({ folder: `${privateDir}/${HOME}/entered`, endsWith: `/${session}.jsonl` }),
    entered(line) {
      const entry = z.strictObject({ entered: z.string() }).safeParse(parsed(line))
      return entry.success ? [entry.data.entered] : []
    },
  },
  trial: {
    npm: { name: 'opencode-ai', version: '1.18.33', program: 'opencode', scripts: ['opencode-ai'] },
    wire: 'anthropic',
    setting: ({ url, key, as }) => ({
      env: {
        ...(as === 'key' ? { ANTHROPIC_API_KEY: key } : {}),
        OPENCODE_CONFIG_CONTENT: JSON.stringify({ provider: { anthropic: { options: { baseURL: `${url}/v1` } } } }),
      },
      // What it stores when a person logs in.
      files:
        as === 'key'
          ? []
          : [{ path: '.local/share/opencode/auth.json', content: JSON.stringify({ anthropic: { type: 'api', key } }) }],
      model: 'anthropic/claude-sonnet-4-5',
    }),
    key: (random) => `sk-ant-api03-${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.config/opencode/opencode.json',
        content: JSON.stringify({
          mcp: { theirs: { type: 'local', command: ['sh', '-c', command] } },
          instructions: ['~/.config/opencode/more.md'],
        }),
      },
      { path: '.config/opencode/more.md', content: `${words}\n` },
      { path: '.config/opencode/AGENTS.md', content: `${words}\n` },
      { path: '.claude/CLAUDE.md', content: `${words}\n` },
      {
        path: '.config/opencode/plugins/theirs.js',
        content: `import { execSync } from 'node:child_process'\nexport const Theirs = async () => { execSync(${JSON.stringify(command)}); return {} }\n`,
      },
    ],
    shell: (command, tools) =>
      tools.includes('bash') ? { tool: 'bash', input: { command, description: 'run' } } : null,
    write: (path, content, tools) =>
      tools.includes('write') ? { tool: 'write', input: { filePath: path, content } } : null,
    limit: (resetAt) => ({
      status: 429,
      message: 'This request would exceed your rate limit.',
      headers: { 'retry-after': new Date(resetAt * 1000).toUTCString() },
    }),
    executables: ['/opencode.exe', '/opencode'],
    refused: 'invalid x-api-key',
  },
  screen: () => ({ is: 'unknown' }),
} satisfies AgentRuntime

/** All it keeps, in the private folder. */
const HOME = 'opencode'
const QUESTION = 'question'

function http(method: string, path: string, body?: unknown): Frame {
  return { via: 'http', method, path, ...(body === undefined ? {} : { body }) }
}

const KINDS = { CONFIG: '.config', DATA: '.local/share', STATE: '.local/state', CACHE: '.cache' }

/** Where the human keeps what is of this kind. */
function homeOf({ environment }: Pick<SessionSpec, 'environment'>, kind: keyof typeof KINDS): string {
  return environment[`XDG_${kind}_HOME`] ?? `${environment.HOME ?? ''}/${KINDS[kind]}`
}

/** `OPENCODE_TEST_HOME` is what it takes for the home folder, in which it looks for more settings; its tools don't. */
function foldersOf(privateDir: string): Record<string, string> {
  const folders = Object.keys(KINDS).map((kind) => [`XDG_${kind}_HOME`, `${privateDir}/${HOME}/${kind.toLowerCase()}`])
  return { ...Object.fromEntries(folders), OPENCODE_TEST_HOME: `${privateDir}/${HOME}/home` }
}

/** No updates, no downloads, nothing of the repository's or of other tools' settings; a command gets ten minutes unless it asks for more. */
const QUIET = {
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_CLAUDE_CODE: '1',
  OPENCODE_DISABLE_EXTERNAL_SKILLS: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  OPENCODE_DISABLE_PROJECT_CONFIG: '1',
  OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS: '600000',
  OPENCODE_EXPERIMENTAL_DISABLE_FILEWATCHER: '1',
}

/** It installs a package into its config folder, for plugins in TypeScript, unless it finds it there. */
const PACKAGE = JSON.stringify({ dependencies: { '@opencode-ai/plugin': '1.18.33' } })
const INSTALLED = [
  { path: `${HOME}/config/opencode/package.json`, content: PACKAGE },
  { path: `${HOME}/config/opencode/package-lock.json`, content: `{"packages":{"":${PACKAGE}}}` },
  { path: `${HOME}/config/opencode/node_modules/.keep`, content: '' },
]

/** What of the human's is taken over: how models are reached. */
const theirsSchema = z.object({
  provider: z.unknown().optional(),
  model: z.string().optional(),
  small_model: z.string().optional(),
  enabled_providers: z.array(z.string()).optional(),
  disabled_providers: z.array(z.string()).optional(),
})

function configFor(session: SessionSpec): Readonly<Record<string, unknown>> {
  const folder = `${session.privateDir}/${HOME}`
  return {
    ...theirsSchema.safeParse(parsed(session.environment.OPENCODE_CONFIG_CONTENT ?? '{}')).data,
    ...(session.model === undefined ? {} : { model: session.model }),
    autoupdate: false,
    share: 'disabled',
    snapshot: false,
    formatter: false,
    lsp: false,
    plugin: [`file://${encodeURI(folder)}/ov.js`],
    instructions: [`${folder}/instructions.md`, `${session.worktree}/AGENTS.md`],
    permission: permissionsOf(session),
  }
}

/** Of several rules that match the last holds. `edit` stands for every tool that changes files. */
function permissionsOf({ readOnly, tools }: SessionSpec): Readonly<Record<string, 'allow' | 'ask' | 'deny'>> {
  const edit = readOnly ? 'deny' : 'ask'
  const chosen = tools?.map((tool) => [tool, 'allow'] as const)
  const edits = tools === undefined || tools.some((tool) => ['edit', 'write', 'patch', 'apply_patch'].includes(tool))
  return {
    '*': chosen === undefined ? 'allow' : 'deny',
    ...Object.fromEntries(chosen ?? []),
    external_directory: 'allow',
    doom_loop: 'allow',
    question: 'deny',
    edit: edits ? edit : 'deny',
  }
}

/**
 * Runs inside the server. It writes down what entered a conversation, for who looks whether mail arrived, and gives the
 * commands of the model the folders of the human's instead of its own, and none of the keys by which it is let in.
 */
function pluginFor(session: SessionSpec): string {
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[]
  const theirs = Object.fromEntries(kinds.map((kind) => [`XDG_${kind}_HOME`, homeOf(session, kind)]))
  const secrets = Object.keys(session.environment).filter((name) => isLetIn(name) && SECRET.test(name))
  const hidden = ['OPENCODE_SERVER_PASSWORD', 'OPENCODE_TEST_HOME', 'OPENCODE_CONFIG_CONTENT', ...secrets]
  return `import { appendFileSync } from 'node:fs'

const FOLDER = ${JSON.stringify(`${session.privateDir}/${HOME}/entered`)}
const THEIRS = ${JSON.stringify({ ...theirs, ...Object.fromEntries(hidden.map((name) => [name, ''])) })}

export const Ov = async () => ({
  event: async ({ event }) => {
    if (event.type !== 'message.part.updated') return
    const { part } = event.properties
    const entered = part.type === 'text' ? !part.time && part.text : part.type === 'tool' && part.state.output
    if (entered) appendFileSync(FOLDER + '/' + part.sessionID + '.jsonl', JSON.stringify({ entered }) + '\\n', { mode: 0o600 })
  },
  'shell.env': async (_, { env }) => void Object.assign(env, THEIRS),
})
`
}

const SECRET = /KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL/

function isLetIn(name: string): boolean {
  return ENVIRONMENT.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one))
}

const answerSchema = z.strictObject({ answer: z.string(), status: z.number(), body: z.unknown() })

const statusSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('busy') }),
  z.looseObject({ type: z.literal('idle') }),
  z.looseObject({ type: z.literal('retry'), attempt: z.int().max(64), message: z.string(), next: z.number() }),
])
const statusesSchema = z.record(z.string(), z.unknown())

const times = z.looseObject({ start: z.number().optional(), end: z.number().optional() }).optional()
const count = z.number().nonnegative()

const partSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('text'),
    text: z.string(),
    time: times,
    synthetic: z.boolean().optional(),
  }),
  z.looseObject({
    type: z.literal('tool'),
    tool: z.string(),
    callID: z.string(),
    state: z.looseObject({
      status: z.enum(['pending', 'running', 'completed', 'error']),
      input: z.record(z.string(), z.unknown()).optional(),
      output: z.string().optional(),
      error: z.string().optional(),
      metadata: z.looseObject({ exit: z.number().nullish() }).optional(),
    }),
  }),
  z.looseObject({
    type: z.literal('step-finish'),
    cost: count,
    tokens: z.looseObject({
      input: count,
      output: count,
      reasoning: count,
      cache: z.looseObject({ read: count, write: count }),
    }),
  }),
  z.looseObject({
    type: z.literal([
      'agent',
      'compaction',
      'file',
      'patch',
      'reasoning',
      'retry',
      'snapshot',
      'step-start',
      'subtask',
    ]),
  }),
])
type Part = z.infer<typeof partSchema>

const errorSchema = z.looseObject({
  name: z.string(),
  data: z.looseObject({ message: z.string().optional(), statusCode: z.number().optional() }).optional(),
})

/** The events of 1.18.33 that say something to the engine; the names are its own. */
const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('message.part.updated'), properties: z.looseObject({ part: partSchema }) }),
  z.looseObject({ type: z.literal('session.status'), properties: z.looseObject({ status: statusSchema }) }),
  z.looseObject({
    type: z.literal('session.error'),
    properties: z.looseObject({ sessionID: z.string().optional(), error: errorSchema.optional() }),
  }),
  z.looseObject({
    type: z.literal('permission.asked'),
    properties: z.looseObject({
      id: z.string(),
      permission: z.string(),
      metadata: z.looseObject({ filepath: z.string().optional() }).optional(),
    }),
  }),
  z.looseObject({ type: z.literal('question.asked'), properties: z.looseObject({ id: z.string() }) }),
])

const knownSchema = z.looseObject({ type: z.string(), properties: z.looseObject({}) })

/** Events about its own household: understood, and of no consequence to the engine. */
const HOUSEHOLD = new Set([
  'catalog.updated',
  'command.executed',
  'file.edited',
  'file.watcher.updated',
  'global.disposed',
  'installation.update-available',
  'installation.updated',
  'integration.connection.updated',
  'integration.updated',
  'lsp.client.diagnostics',
  'lsp.updated',
  'mcp.tools.changed',
  'message.part.delta',
  'message.part.removed',
  'message.removed',
  'message.updated',
  'models-dev.refreshed',
  'permission.replied',
  'plugin.added',
  'project.directories.updated',
  'project.updated',
  'question.rejected',
  'question.replied',
  'reference.updated',
  'server.connected',
  'server.heartbeat',
  'server.instance.disposed',
  'session.compacted',
  'session.created',
  'session.deleted',
  'session.diff',
  // `session.status` says the same.
  'session.idle',
  'session.updated',
  'todo.updated',
  'vcs.branch.updated',
])

/** Where a line belongs, and by what it is known. */
const placeSchema = z.looseObject({
  type: z.string(),
  properties: z.looseObject({
    sessionID: z.string().optional(),
    id: z.string().optional(),
    part: z
      .looseObject({
        id: z.string(),
        time: times,
        state: z.looseObject({ status: z.string() }).optional(),
      })
      .optional(),
  }),
})

const listSchema = z.array(z.looseObject({ parts: z.unknown().optional() }))

function list(value: unknown): z.infer<typeof listSchema> {
  return listSchema.safeParse(value).data ?? []
}

const sessionSchema = z.looseObject({ id: z.string(), version: z.string().optional() })

function answered({ answer, status, body }: z.infer<typeof answerSchema>): AgentEvent[] {
  const ok = status >= 200 && status < 300
  const begins = /^(POST \/session|GET \/session\/ses[^/]*)$/.test(answer)
  if (!begins && !answer.endsWith('/prompt_async')) return []
  if (!ok) {
    const said = errorSchema.safeParse(body).data?.data?.message ?? brief(body)
    return [{ type: 'failed', cause: status === 404 ? 'crash' : 'refused', message: said || `It answered ${status}.` }]
  }
  if (!begins) return []
  const session = sessionSchema.safeParse(body)
  if (!session.success) return [{ type: 'failed', cause: 'crash', message: 'It began no session.' }]
  const { id, version } = session.data
  return [{ type: 'started', session: id, ...(version === undefined ? {} : { version }) }]
}

function meaning(event: z.infer<typeof eventSchema>): AgentEvent[] {
  switch (event.type) {
    case 'message.part.updated':
      return spoken(event.properties.part)
    case 'session.status': {
      const { status } = event.properties
      if (status.type === 'busy') return [{ type: 'turn_start' }]
      if (status.type === 'idle') return [{ type: 'turn_end' }]
      const { attempt, message, next } = status
      const cause = causeIn(message) ?? 'overloaded'
      return [{ type: 'retrying', attempt, delayMs: 2_000 * 2 ** (attempt - 1), until: next, cause, message }]
    }
    case 'session.error': {
      const { sessionID, error } = event.properties
      // Without a session it is a trouble of the server's own, which goes on.
      return sessionID === undefined ? [] : [failureOf(error)]
    }
    case 'permission.asked': {
      const { id, permission: tool, metadata } = event.properties
      const writes = metadata?.filepath
      return [{ type: 'ask', ask: { id, when: 'before_tool', tool, ...(writes === undefined ? {} : { writes }) } }]
    }
    case 'question.asked': {
      const { id } = event.properties
      return [{ type: 'ask', ask: { id, when: 'before_tool', tool: QUESTION, interactive: true, data: QUESTION } }]
    }
  }
}

function spoken(part: Part): AgentEvent[] {
  switch (part.type) {
    case 'text':
      if (part.text === '' || part.synthetic === true) return []
      if (part.time === undefined) return [{ type: 'accepted', text: part.text }]
      return part.time.end === undefined ? [] : [{ type: 'text', text: part.text }]
    case 'tool': {
      const { tool, callID: id, state } = part
      const { input = {}, output, error, metadata } = state
      switch (state.status) {
        case 'pending':
          return []
        case 'running':
          // It comes again with all that was printed meanwhile; `stream` says that it is the same.
          return [{ type: 'tool_start', id, tool, summary: brief(aimOf(input)), input }]
        case 'completed':
          return [{ type: 'tool_end', id, ok: (metadata?.exit ?? 0) === 0, summary: brief(output ?? '') }]
        case 'error':
          return [{ type: 'tool_end', id, ok: false, summary: brief(error ?? '') }]
      }
      break
    }
    case 'step-finish': {
      const { cost, tokens } = part
      return [
        {
          type: 'usage',
          usage: {
            input: tokens.input,
            // What was thought is paid for as output.
            output: tokens.output + tokens.reasoning,
            cacheRead: tokens.cache.read,
            cacheWrite: tokens.cache.write,
            costUsd: cost === 0 ? null : cost,
          },
          scope: 'added',
          costScope: 'added',
        },
      ]
    }
  }
  return []
}

/** What a tool call is about: the command or the file, else all of its input. */
function aimOf(input: Readonly<Record<string, unknown>>): unknown {
  return input.command ?? input.filePath ?? input.pattern ?? input.url ?? input
}

function failureOf(error: z.infer<typeof errorSchema> | undefined): AgentEvent {
  const message = error?.data?.message ?? error?.name ?? 'It did not say why.'
  return { type: 'failed', cause: causeOf(error, message), message }
}

function causeOf(error: z.infer<typeof errorSchema> | undefined, message: string): FailureCause {
  switch (error?.name) {
    case 'ContextOverflowError':
      return 'context'
    case 'MessageAbortedError':
      return 'interrupted'
    case 'MessageOutputLengthError':
      return 'limit'
    case 'ProviderAuthError':
      return 'auth'
    case 'ContentFilterError':
      return 'refused'
  }
  if (/credit balance|insufficient_quota|exceeded your current quota/i.test(message)) return 'quota'
  const status = error?.data?.statusCode
  if (status !== undefined) return causeOfStatus(status)
  if (/model not found/i.test(message)) return 'model'
  return causeIn(message) ?? (error?.name === 'APIError' ? 'network' : 'unknown')
}

/** Why a request is tried again, of which it passes on words alone. */
function causeIn(message: string): FailureCause | null {
  if (/rate.?limit|too many requests|usage limit|limit reached|\b429\b/i.test(message)) return 'rate_limit'
  if (/overloaded|unavailable|server error|internal error|at capacity|\b5\d\d\b/i.test(message)) return 'overloaded'
  if (/connect|network|socket|fetch failed|terminated|timed? ?out|ECONN|ENOTFOUND|EAI_AGAIN|reset/i.test(message))
    return 'network'
  return null
}
