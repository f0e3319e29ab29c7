import * as z from 'zod'
import { hookCommand } from '../src/contract/json-hooks.ts'
import { brief, causeOfStatus, parsed } from '../src/contract/reading.ts'
import type { AgentEvent, AgentRuntime, FailureCause, SessionSpec } from '../src/contract/runtime.ts'

/**
 * Cursor's agent CLI, one process a turn: `cursor-agent --print --output-format stream-json`.
 *
 * Built from its documentation (cursor.com/docs/cli) and what others recorded of 2026.07.20; it can't be installed from
 * npm and was never run here. What it is tried with is a fake that behaves as documented. So it claims little: hooks are
 * deployed, but whether they hold in print mode, and in a config folder of the agent's own, nobody has shown; `block` is false.
 *
 * - The prompt goes over stdin, where no limit of an argument's length holds. There is no place for standing instructions
 *   outside the worktree, so they stand before the first prompt of a chat, and are there when it is resumed.
 * - A `result` ends the turn, though a worker of it may linger; the engine ends the group. Without a `result` the turn
 *   failed, whatever the exit code says: a folder that is not trusted may end with 0. The reason is on stderr, in words.
 * - Its config folder is the agent's own (CURSOR_CONFIG_DIR), with the human's stored login by a link.
 */
export default {
  id: 'cursor',
  title: 'Cursor CLI',
  // `agent` is its newer name, and that of many other programs.
  binaries: ['cursor-agent', 'agent'],
  versionArgs: ['--version'],
  saysVersion: /^(20\d\d\.\d\d\.\d\d)(?:-[\da-f]+)?$/,
  certified: [],
  install: 'curl https://cursor.com/install -fsS | bash',
  login: {
    env: ['CURSOR_API_KEY', 'CURSOR_AUTH_TOKEN'],
    files: ['.config/cursor/auth.json', '.cursor/auth.json'],
    hint: 'cursor-agent login',
  },
  can: {
    structured: 'turn',
    interactive: false,
    resume: true,
    steer: false,
    block: false,
    inject: false,
    usage: true,
    cost: false,
    reports: 'mail',
    prompts: true,
    echo: false,
  },
  environment: ['CURSOR_API_KEY', 'CURSOR_AUTH_TOKEN'],
  models: {},
  start: (session) => ({
    protocol: 'turn',
    argv: [
      'cursor-agent',
      ...['--print', '--output-format', 'stream-json'],
      // Without these it asks, and an agent that nobody answers does nothing.
      ...['--force', '--trust'],
      // Its own sandbox lets nothing be written outside the worktree, and a commit is.
      ...['--sandbox', 'disabled'],
      ...['--workspace', session.worktree],
      ...(session.model === undefined ? [] : ['--model', session.model]),
      ...(session.resume === undefined ? [] : ['--resume', session.resume]),
      ...session.extraArgs,
    ],
    env: { CURSOR_CONFIG_DIR: `${session.privateDir}/${CONFIG}`, NO_OPEN_BROWSER: '1' },
    files: [{ path: `${CONFIG}/cli-config.json`, content: `${JSON.stringify(settingsFor(session), null, 2)}\n` }],
    links: loginsOf(session).map((to) => ({ path: `${CONFIG}/auth.json`, to })),
    stdin: session.resume === undefined ? `${session.instructions}\n\n${session.prompt}` : session.prompt,
    firstPrompt: 'included',
  }),
  // One process a turn: nothing is sent to a running one.
  sendInput: (text) => ({ by: 'paste', text }),
  deployHooks: ({ hook }) =>
    hook === undefined
      ? []
      : [{ path: `${CONFIG}/hooks.json`, content: `${JSON.stringify(hooksFor(hook), null, 2)}\n` }],
  hooksBeside: true,
  getPromptCommand: (text, { model, extraArgs = [] }) => ({
    // A mode that answers and changes nothing.
    argv: [
      'cursor-agent',
      ...['--print', '--output-format', 'text', '--mode', 'ask', '--trust'],
      ...(model === undefined ? [] : ['--model', model]),
      ...extraArgs,
    ],
    stdin: text,
    env: { NO_OPEN_BROWSER: '1' },
  }),
  read(line) {
    const message = messageSchema.safeParse(parsed(line))
    return message.success ? meaning(message.data) : [{ type: 'unknown', line }]
  },
  exited({ code, signal, stderrTail, stdoutTail }) {
    // It says on stderr why it failed, now and then on stdout, between lines of the protocol.
    const said = [stderrTail, stdoutTail]
      .map((text) => text.split('\n').filter((line) => line.trim() !== '' && parsed(line) === undefined))
      .find((lines) => lines.length > 0)
      ?.join('\n')
    const how = `Cursor CLI ended without a result (${signal ?? `exit code ${code}`}).`
    if (signal !== null) {
      const cause = signal === 'SIGINT' || signal === 'SIGTERM' ? 'interrupted' : 'crash'
      return [{ type: 'failed', cause, message: how }]
    }
    const cause = said === undefined ? 'crash' : causeOf(said)
    return [
      { type: 'failed', cause: cause === 'unknown' ? 'crash' : cause, message: [how, said].filter(Boolean).join('\n') },
    ]
  },
  answer: () => null,
  readHook(event, payload) {
    const call = hookSchema.safeParse(payload)
    if (event !== 'tool-start' || !call.success) return [{ type: 'unknown', line: brief(payload) }]
    const { tool_name: tool, tool_use_id: id = '', tool_input: input } = call.data
    const writes = input.file_path ?? input.path ?? input.target_file
    return [{ type: 'ask', ask: { id, when: 'before_tool', tool, ...(writes === undefined ? {} : { writes }) } }]
  },
  // Documented are a decision, a permission and exit code 2; all three say the same.
  answerHook: (_, verdict) =>
    verdict.allow
      ? { stdout: `${JSON.stringify({ permission: 'allow', decision: 'allow' })}\n`, stderr: '', exit: 0 }
      : {
          stdout: `${JSON.stringify({ permission: 'deny', decision: 'deny', reason: verdict.reason, agent_message: verdict.reason })}\n`,
          stderr: `${verdict.reason}\n`,
          exit: 2,
        },
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  screen: () => ({ is: 'unknown' }),
} satisfies AgentRuntime

/** Its config folder, in the private one. */
const CONFIG = 'cursor'

function settingsFor({ readOnly }: SessionSpec): Readonly<Record<string, unknown>> {
  return {
    version: 1,
    editor: { vimMode: false },
    permissions: {
      allow: ['Shell(**)', 'Read(**)', ...(readOnly ? [] : ['Write(**)'])],
      deny: readOnly ? ['Write(**)'] : [],
    },
  }
}

/** Where the human's login may lie; which of them a version uses differs. */
function loginsOf({ environment }: SessionSpec): string[] {
  const home = environment.HOME ?? ''
  return [`${home}/.cursor/auth.json`, `${environment.XDG_CONFIG_HOME || `${home}/.config`}/cursor/auth.json`]
}

/** One unknown name of an event voids the whole file, so there is but this one. */
function hooksFor(hook: string): Readonly<Record<string, unknown>> {
  const guard = { command: hookCommand(hook, 'tool-start', { guard: true }), timeout: 60, failClosed: true }
  return { version: 1, hooks: { preToolUse: [{ ...guard, matcher: WRITING }] } }
}

/** Names of its tools that write files, by the versions that were described. */
const WRITING = 'Write|Edit|StrReplace|MultiEdit|Delete|ApplyPatch|EditNotebook'

const hookSchema = z.looseObject({
  tool_name: z.string(),
  tool_use_id: z.string().optional(),
  tool_input: z.looseObject({
    file_path: z.string().optional(),
    path: z.string().optional(),
    target_file: z.string().optional(),
  }),
})

const count = z.int().nonnegative()
const said = z.looseObject({ content: z.array(z.looseObject({ text: z.string().optional() })) })
const call = z.looseObject({
  args: z.looseObject({ command: z.string().optional(), path: z.string().optional() }).optional().catch(undefined),
  result: z.record(z.string(), z.unknown()).optional().catch(undefined),
})
const messageSchema = z.union([
  z.looseObject({
    type: z.literal('system'),
    subtype: z.literal('init'),
    session_id: z.string(),
    model: z.string().optional(),
  }),
  z.looseObject({ type: z.literal('user'), message: said }),
  z.looseObject({ type: z.literal('assistant'), message: said }),
  z.looseObject({ type: z.literal('thinking'), subtype: z.literal(['delta', 'completed']) }),
  z.looseObject({
    type: z.literal('tool_call'),
    subtype: z.literal(['started', 'completed']),
    call_id: z.string(),
    tool_call: z.record(z.string(), z.unknown()),
  }),
  z.looseObject({
    type: z.literal('result'),
    is_error: z.boolean(),
    result: z.string().optional(),
    usage: z
      .looseObject({
        inputTokens: count,
        outputTokens: count,
        cacheReadTokens: count.optional(),
        cacheWriteTokens: count.optional(),
      })
      .optional(),
  }),
])
type Message = z.infer<typeof messageSchema>

function meaning(message: Message): readonly AgentEvent[] {
  switch (message.type) {
    case 'system':
      return [
        {
          type: 'started',
          session: message.session_id,
          ...(message.model === undefined ? {} : { model: message.model }),
        },
        { type: 'turn_start' },
      ]
    // That a prompt is repeated here is no sign that the model has it.
    case 'user':
    case 'thinking':
      return []
    case 'assistant': {
      const text = message.message.content.map((one) => one.text ?? '').join('')
      return text === '' ? [] : [{ type: 'text', text }]
    }
    case 'tool_call':
      return [toolEvent(message)]
    case 'result': {
      const { usage, is_error: isError, result = '' } = message
      const used = usage === undefined ? [] : [usageOf(usage)]
      if (isError) return [...used, { type: 'failed', cause: causeOf(result), message: result || 'It gave no reason.' }]
      return [...used, { type: 'turn_end', ...(result === '' ? {} : { text: result }) }]
    }
  }
}

/** `tool_call` holds one tool under its name (`shellToolCall`), and facts about the call beside it. */
function toolEvent({ subtype, call_id: id, tool_call: held }: Extract<Message, { type: 'tool_call' }>): AgentEvent {
  const [name, detail] = Object.entries(held).find(([key]) => key.endsWith('ToolCall')) ?? ['', null]
  const { args, result } = call.safeParse(detail).data ?? {}
  if (subtype === 'started') {
    const summary = brief(args?.command ?? args?.path ?? args ?? '')
    return { type: 'tool_start', id, tool: name.replace(/ToolCall$/, '') || 'tool', summary, input: args }
  }
  const outcome = outcomeSchema.safeParse(result?.success)
  const ok = outcome.success && !outcome.data.exitCode
  const words = outcome.data?.interleavedOutput ?? outcome.data?.message
  return { type: 'tool_end', id, ok, summary: brief(words ?? result ?? '') }
}

const outcomeSchema = z.looseObject({
  exitCode: z.number().optional(),
  interleavedOutput: z.string().optional(),
  message: z.string().optional(),
})

function usageOf(usage: NonNullable<Extract<Message, { type: 'result' }>['usage']>): AgentEvent {
  return {
    type: 'usage',
    usage: {
      input: usage.inputTokens,
      output: usage.outputTokens,
      cacheRead: usage.cacheReadTokens ?? null,
      cacheWrite: usage.cacheWriteTokens ?? null,
      costUsd: null,
    },
    scope: 'added',
    costScope: 'added',
  }
}

const CAUSES: readonly (readonly [FailureCause, RegExp])[] = [
  ['auth', /authentication required|not (authenticated|logged in)|invalid api key|unauthenticated|unauthorized/i],
  ['quota', /usage limit|out of (requests|credits)|upgrade your plan|spend limit/i],
  ['rate_limit', /rate.?limit|too many requests|resource_exhausted/i],
  ['overloaded', /overloaded|unavailable|internal server error/i],
  ['context', /context (window|length|limit)|too long/i],
  ['model', /cannot use this model|model.*not (found|available|supported)|unknown model/i],
  ['network', /econn|enotfound|etimedout|fetch failed|network|connection (lost|closed|failed|stalled)/i],
  ['refused', /workspace trust required|not trusted|unknown option/i],
]

function causeOf(message: string): FailureCause {
  const named = CAUSES.find(([, words]) => words.test(message))?.[0]
  if (named !== undefined) return named
  const status = /\b([45]\d\d)\b/.exec(message)?.[1]
  return status === undefined ? 'unknown' : causeOfStatus(Number(status))
}
