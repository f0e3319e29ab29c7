import * as z from 'zod'
import { brief, causeOfStatus, endedEarly, parsed } from '../src/contract/reading.ts'
import type { AgentEvent, AgentRuntime, FailureCause, LaunchPlan, SessionSpec } from '../src/contract/runtime.ts'

/**
 * Sapling, a process a turn (`sp run --mode rpc`): it works until its model answers without a tool, and ends.
 *
 * - Its RPC mode is no long-lived one: there is one prompt, by file, and none after it. But stdin stays open meanwhile, and
 *   a `steer` enters the context after the current tools. What comes after the last of them is acknowledged and lost; only
 *   a debug line (`--verbose`) says that one has entered. So each such line accepts the oldest that was sent, and what none
 *   accepted is handed over again. Without RPC mode urgent mail would wait for the end of what may be the whole task.
 * - Nothing of a conversation is kept: the next turn begins with a digest.
 * - Its guard is a file of rules. They keep its file tools inside the worktree; its shell they can't, only match. A broken
 *   file ends it, a missing one is no guard: it is written before each launch. The model is told no reason for a refusal,
 *   so it is told beforehand.
 * - Counts are totals of the process, those of the cache of one request alone.
 * - Whatever the model, it sends the key to MiniMax unless it is told where else.
 */
export default {
  id: 'sapling',
  title: 'Sapling',
  binaries: ['sp', 'sapling'],
  versionArgs: ['--version'],
  certified: ['0.3.2'],
  install: 'npm install -g bun @os-eco/sapling-cli',
  login: {
    env: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'],
    files: ['.sapling/auth.json'],
    hint: 'sp auth set anthropic --key …',
  },
  can: {
    structured: 'turn',
    interactive: false,
    resume: false,
    steer: true,
    // Its rules do refuse, but not for a reason of ours, and by no verdict of the engine's.
    block: false,
    inject: true,
    usage: true,
    cost: false,
    reports: 'mail',
    prompts: true,
    echo: true,
  },
  environment: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'ANTHROPIC_BASE_URL', 'ANTHROPIC_DEFAULT_*'],
  // Its own names for them stand in `ANTHROPIC_DEFAULT_…_MODEL`, if anywhere.
  models: {},
  start: (session) => launch(session),
  sendInput: (text) => ({ by: 'frame', frame: frame({ method: 'steer', params: { content: text } }) }),
  deployHooks: (session) => [{ path: GUARDS, content: `${JSON.stringify(guardsFor(session), null, 2)}\n` }],
  getPromptCommand: (text, { model, extraArgs = [], privateDir, environment }) => ({
    // Dry: no tool does anything; and there is no second turn in which it could matter.
    argv: [
      'sp',
      'run',
      '--quiet',
      '--dry-run',
      ...['--max-turns', '1'],
      ...['--system-prompt-file', privateDir === undefined ? '/dev/null' : `${privateDir}/${INSTRUCTIONS}`],
      ...(model === undefined ? [] : ['--model', model]),
      ...extraArgs,
    ],
    stdin: text,
    env: environment === undefined ? {} : addressFor({ model, environment }),
    files: privateDir === undefined ? [] : [{ path: INSTRUCTIONS, content: 'Answer the question. Use no tools.\n' }],
  }),
  read(line) {
    const event = eventSchema.safeParse(parsed(line))
    return event.success ? meaning(event.data, line) : [{ type: 'unknown', line }]
  },
  exited: (exit) => [endedEarly('Sapling', exit, exit.stderrTail.trim())],
  answer: () => null,
  interrupt: () => frame({ method: 'abort' }),
  stopSignal: 'SIGTERM',
  screen: () => ({ is: 'unknown' }),
  trial: {
    npm: {
      name: '@os-eco/sapling-cli',
      version: '0.3.2',
      program: 'sp',
      scripts: ['bun'],
      beside: { bun: '1.4.4' },
    },
    wire: 'anthropic',
    setting: ({ url, key, as }) => ({
      env: { ANTHROPIC_BASE_URL: url, [as === 'key' ? 'ANTHROPIC_API_KEY' : 'ANTHROPIC_AUTH_TOKEN']: key },
      files: [],
      model: 'claude-sonnet-4-5',
    }),
    key: (random) => `sk-ant-api03-${random}`,
    surprises: () => [{ path: '.sapling/config.yaml', content: 'max_turns: 1\napi_base_url: http://127.0.0.1:9\n' }],
    shell: (command, tools) => (tools.includes('bash') ? { tool: 'bash', input: { command } } : null),
    write: (path, content, tools) =>
      tools.includes('write') ? { tool: 'write', input: { file_path: path, content } } : null,
    // When a limit ends stands in headers, which it does not pass on.
    limit: () => null,
    executables: ['/bun', '/bun.exe'],
    isItself: ([, script = '']) => /\/(sp|sapling)$|sapling-cli/.test(script),
    refused: '^401 ',
  },
} satisfies AgentRuntime

/** Files of the private folder. */
const GUARDS = 'sapling/guards.json'
const INSTRUCTIONS = 'sapling/instructions.md'
const PROMPT = 'sapling/prompt.md'

/** More than it will ever need: what a task may cost is for `ov` to say. */
const TURNS = 1_000_000

function launch(session: SessionSpec): LaunchPlan {
  const file = (path: string) => `${session.privateDir}/${path}`
  return {
    protocol: 'turn',
    argv: [
      'sp',
      'run',
      ...['--mode', 'rpc'],
      '--verbose',
      ...['--prompt-file', file(PROMPT)],
      ...['--system-prompt-file', file(INSTRUCTIONS)],
      ...['--guards-file', file(GUARDS)],
      ...['--max-turns', `${TURNS}`],
      ...(session.model === undefined ? [] : ['--model', session.model]),
      ...session.extraArgs,
    ],
    env: addressFor(session),
    files: [
      { path: INSTRUCTIONS, content: `${session.instructions}\n${aboutTools(session)}` },
      { path: PROMPT, content: session.prompt },
    ],
    control: true,
    firstPrompt: 'included',
  }
}

/** Where an Anthropic key goes for a model that is not MiniMax's, unless the human says where. */
function addressFor({
  model,
  environment,
}: Pick<SessionSpec, 'environment'> & { model?: string | undefined }): Record<string, string> {
  const told = environment.ANTHROPIC_BASE_URL !== undefined
  return told || model === undefined || /^minimax/i.test(model)
    ? {}
    : { ANTHROPIC_BASE_URL: 'https://api.anthropic.com' }
}

const TOOLS = ['bash', 'edit', 'glob', 'grep', 'read', 'write']
const WRITING_TOOLS = ['edit', 'write']

function blockedFor({ tools, readOnly }: SessionSpec): string[] {
  if (tools !== undefined) return TOOLS.filter((tool) => !tools.includes(tool))
  return readOnly ? WRITING_TOOLS : []
}

function guardsFor(session: SessionSpec): Readonly<Record<string, unknown>> {
  return { rules: [], blockedTools: blockedFor(session), pathBoundary: session.worktree }
}

/** What it would not be told when it is refused. */
function aboutTools(session: SessionSpec): string {
  const blocked = blockedFor(session)
  return [
    '',
    '## Your tools',
    '',
    `\`Tool call blocked by guard\` means: the path is outside your worktree ${session.worktree}; your file tools work only`,
    `inside it.${blocked.length === 0 ? '' : ` These tools are blocked for your role altogether: ${blocked.join(', ')}.`}`,
    'A command is ended after two minutes unless you give `timeout` (in ms): give an hour to one that waits for an answer.',
    'If there is an AGENTS.md at the root of your worktree, read it first.',
    '',
  ].join('\n')
}

function frame(value: unknown): { readonly via: 'stdin'; readonly line: string } {
  return { via: 'stdin', line: JSON.stringify(value) }
}

const count = z.number().nonnegative()

/** Events, and between them lines of its log and what a person is told at the end. */
const eventSchema = z.union([
  z.discriminatedUnion('type', [
    z.looseObject({ type: z.literal('ready'), model: z.string() }),
    z.looseObject({
      type: z.literal('tool_start'),
      toolName: z.string(),
      toolCallId: z.string(),
      argsSummary: z.string(),
    }),
    z.looseObject({
      type: z.literal('tool_end'),
      toolCallId: z.string(),
      success: z.boolean(),
      errorMessage: z.string().optional(),
      outputSummary: z.string().optional(),
    }),
    z.looseObject({
      type: z.literal('turn_end'),
      inputTokens: count,
      outputTokens: count,
      cacheReadTokens: count,
      cacheWriteTokens: count,
      model: z.string(),
    }),
    z.looseObject({ type: z.literal('error'), message: z.string(), classification: z.string() }),
    z.looseObject({ type: z.literal('result'), exitReason: z.string() }),
    z.looseObject({
      type: z.literal([
        'commitment_added',
        'commitment_resolved',
        'compact',
        'pipeline_stage',
        'progress',
        'turn_start',
      ]),
    }),
    z.looseObject({ type: z.literal('rpc_request_ack'), status: z.string() }),
  ]),
  z.looseObject({
    type: z.undefined().optional(),
    level: z.literal(['debug', 'info', 'warn', 'error']),
    message: z.string(),
    data: z.looseObject({ error: z.string().optional() }).optional(),
  }),
  z.looseObject({
    type: z.undefined().optional(),
    level: z.undefined().optional(),
    success: z.boolean(),
    command: z.literal(['response', 'run']),
    response: z.string().optional(),
  }),
])
type Event = z.infer<typeof eventSchema>

function meaning(event: Event, line: string): AgentEvent[] {
  if (event.type === undefined) {
    if (event.level !== undefined) return logged(event.message, event.data?.error ?? '')
    return event.response === undefined ? [] : [{ type: 'text', text: event.response }]
  }
  switch (event.type) {
    case 'ready':
      return [
        { type: 'started', model: event.model },
        { type: 'turn_start' },
        { type: 'accepted', text: null },
        // Its totals begin anew with each process.
        { type: 'usage', usage: { ...NOTHING, input: 0, output: 0 }, scope: 'total', costScope: 'total' },
      ]
    case 'tool_start':
      return [{ type: 'tool_start', id: event.toolCallId, tool: event.toolName, summary: aimOf(event.argsSummary) }]
    case 'tool_end':
      return [
        {
          type: 'tool_end',
          id: event.toolCallId,
          ok: event.success,
          summary: brief(event.errorMessage ?? event.outputSummary ?? ''),
        },
      ]
    case 'turn_end': {
      const {
        inputTokens: input,
        outputTokens: output,
        cacheReadTokens: cacheRead,
        cacheWriteTokens: cacheWrite,
      } = event
      const { model } = event
      return [
        { type: 'usage', usage: { ...NOTHING, input, output, model }, scope: 'total', costScope: 'total' },
        { type: 'usage', usage: { ...NOTHING, cacheRead, cacheWrite, model }, scope: 'added', costScope: 'added' },
      ]
    }
    case 'error':
      return [{ type: 'failed', cause: causeOf(event.classification, event.message), message: inWords(event.message) }]
    case 'result':
      return ending(event.exitReason, line)
    case 'rpc_request_ack':
      return event.status === 'rejected' ? [{ type: 'unknown', line }] : []
    default:
      return []
  }
}

const NOTHING = { input: null, output: null, cacheRead: null, cacheWrite: null, costUsd: null }

const RETRY = /^LLM call failed \(attempt (\d+)\/\d+\), retrying in (\d+)ms$/

function logged(message: string, error: string): AgentEvent[] {
  if (/^RPC steer injected into turn \d+$/.test(message)) return [{ type: 'accepted', text: null }]
  const [, attempt, delayMs] = RETRY.exec(message) ?? []
  if (attempt === undefined) return []
  return [{ type: 'retrying', attempt: Number(attempt), delayMs: Number(delayMs), cause: causeOf('', error) }]
}

const aimSchema = z.looseObject({ command: z.string().optional(), file_path: z.string().optional() })

/** Its arguments as JSON, cut after 200 characters. */
function aimOf(args: string): string {
  const known = aimSchema.safeParse(parsed(args))
  return brief(known.success ? (known.data.command ?? known.data.file_path ?? args) : args)
}

function ending(reason: string, line: string): AgentEvent[] {
  switch (reason) {
    case 'task_complete':
      return [{ type: 'turn_end' }]
    case 'aborted':
      return [{ type: 'failed', cause: 'interrupted', message: 'Sapling was interrupted.' }]
    case 'max_turns':
      return [{ type: 'failed', cause: 'limit', message: 'Sapling came to the end of its turns (--max-turns).' }]
    case 'error':
      // What it was has been said.
      return []
    default:
      return [{ type: 'unknown', line }]
  }
}

const refusalSchema = z.looseObject({ error: z.looseObject({ message: z.string() }) })

/** A provider's refusal is its status and its answer, as JSON as a rule; a hint for people stands behind. */
function inWords(message: string): string {
  const plain = message.replace(/ \[hint: .*\]$/s, '')
  const [, status = '', answer = ''] = /^(\d{3}) (.*)$/s.exec(plain) ?? []
  const refusal = refusalSchema.safeParse(parsed(answer))
  return refusal.success ? `${status} ${refusal.data.error.message}` : plain
}

function causeOf(classification: string, message: string): FailureCause {
  if (/prompt is too long/i.test(message)) return 'context'
  if (/credit balance|insufficient_quota/i.test(message)) return 'quota'
  switch (classification) {
    case 'SDK_AUTH_FAILED':
    case 'SDK_PERMISSION_DENIED':
      return 'auth'
    case 'SDK_MODEL_NOT_FOUND':
      return 'model'
    case 'SDK_RATE_LIMITED':
      return 'rate_limit'
    case 'SDK_OVERLOADED':
      return 'overloaded'
    case 'SDK_NOT_INSTALLED':
      return 'crash'
  }
  const status = /^(\d{3}) /.exec(message)?.[1]
  if (status !== undefined) return causeOfStatus(Number(status))
  return /connection|network|socket|timed? ?out|terminated|closed/i.test(message) ? 'network' : 'unknown'
}
