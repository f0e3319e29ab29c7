import * as z from 'zod'
import { hookCommand } from '../src/contract/json-hooks.ts'
import { brief, causeOfStatus, endedEarly, parsed } from '../src/contract/reading.ts'
import type { AgentEvent, AgentRuntime, FailureCause, PlannedFile, SessionSpec } from '../src/contract/runtime.ts'

/**
 * Amp, one process a turn: `amp -x --stream-json`, which speaks nearly as Claude Code does.
 *
 * - Its vendor's server calls the model and keeps the thread; the CLI runs the tools. So there is no model to choose, only
 *   a mode, and no transcript on this machine.
 * - The prompt is a JSON line on stdin (`--stream-json-input`), because plain text loses the white space at its end. With
 *   stdin at its end the CLI ends after the turn. The server's thread is read back as `user` lines: that is the echo.
 * - Its config folder is the agent's own (XDG_CONFIG_HOME): settings, instructions (`amp/AGENTS.md`), no plugins of the
 *   human's. What git and gh keep in the human's is linked. The login is the human's, from the environment or the data folder.
 * - A tool that writes a file is first shown to a program of ours (`delegate` in the settings, and a plugin), on whose exit
 *   code it depends: 0 lets it run, anything else refuses, also a missing program or one that takes ten seconds. Without
 *   rules everything runs. The plugin also brings urgent mail into a running turn, at the end of a tool's output.
 * - The exit code is 0 also for a turn that failed: `result.is_error` counts. What fails before the turn is told by exit code
 *   1 and words on stderr.
 */
export default {
  id: 'amp',
  title: 'Amp',
  binaries: ['amp'],
  // npm's program is a copy of the real one, or a script where its install script was not allowed to run.
  versionArgs: ['--version'],
  saysVersion: /^(0\.0\.\d{9,})-g[\da-f]+\b/,
  certified: ['0.0.1790142911'],
  install: 'npm install -g --allow-scripts=@ampcode/cli @ampcode/cli',
  login: {
    env: ['AMP_API_KEY'],
    files: ['.local/share/amp/secrets.json'],
    hint: 'amp login',
  },
  can: {
    structured: 'turn',
    interactive: false,
    resume: true,
    steer: false,
    block: true,
    inject: true,
    usage: true,
    cost: false,
    reports: 'mail',
    prompts: true,
    echo: true,
  },
  environment: ['AMP_API_KEY', 'AMP_URL'],
  models: {},
  start: (session) => ({
    protocol: 'turn',
    argv: [
      'amp',
      ...(session.resume === undefined ? [] : ['threads', 'continue', session.resume]),
      ...['--execute', '--stream-json', '--stream-json-input', '--no-ide'],
      // A tool does not run before the plugin that guards it is there.
      ...['--plugin-ready-timeout', '30'],
      // An archived thread can't be continued.
      '--no-archive-after-execute',
      ...(session.model === undefined ? [] : ['--mode', session.model]),
      ...session.extraArgs,
    ],
    env: { XDG_CONFIG_HOME: `${session.privateDir}/${CONFIG}`, AMP_SKIP_UPDATE_CHECK: '1' },
    files: [
      { path: `${CONFIG}/amp/settings.json`, content: `${JSON.stringify(settingsFor(session), null, 2)}\n` },
      { path: `${CONFIG}/amp/AGENTS.md`, content: session.instructions },
    ],
    links: linksFor(session),
    stdin: `${JSON.stringify({ type: 'user', message: { role: 'user', content: [{ type: 'text', text: session.prompt }] } })}\n`,
    firstPrompt: 'included',
  }),
  // One process a turn: nothing is sent to a running one.
  sendInput: (text) => ({ by: 'paste', text }),
  deployHooks: ({ hook }) => (hook === undefined ? [] : hooksFor(hook)),
  hooksBeside: true,
  // Only its settings keep it from using tools.
  getPromptCommand: (text, { model, extraArgs = [], privateDir }) =>
    privateDir === undefined
      ? null
      : {
          argv: ['amp', '--execute', '--no-ide', ...(model === undefined ? [] : ['--mode', model]), ...extraArgs],
          stdin: text,
          env: { XDG_CONFIG_HOME: `${privateDir}/${CONFIG}`, AMP_SKIP_UPDATE_CHECK: '1' },
          files: [{ path: `${CONFIG}/amp/settings.json`, content: `${JSON.stringify(TOOLLESS, null, 2)}\n` }],
          // It says on stderr why it has no answer, and exits with 0.
          refusal: '^\\s*$',
        },
  read(line) {
    const message = messageSchema.safeParse(parsed(line))
    return message.success ? meaning(message.data) : [{ type: 'unknown', line }]
  },
  exited(exit) {
    const said = exit.stderrTail.trim()
    // It says why it can't begin, and ends with 1.
    if (exit.code === 1 && said !== '') return [{ type: 'failed', cause: causeAtStart(said), message: said }]
    return [endedEarly('Amp', exit, said)]
  },
  answer: () => null,
  readHook(event, payload) {
    if (event === 'tool-end') return [{ type: 'ask', ask: { id: '', when: 'after_tool' } }]
    const call = guardedSchema.safeParse(payload)
    if (event !== 'tool-start' || !call.success) return [{ type: 'unknown', line: brief(payload) }]
    const { tool, input } = call.data
    const writes = filesOf(input)
    return [{ type: 'ask', ask: { id: '', when: 'before_tool', tool, ...(writes.length === 0 ? {} : { writes }) } }]
  },
  // A guard's answer is an object, or it is none; mail is put to a tool's output as it is.
  answerHook: (event, verdict) =>
    verdict.allow
      ? { stdout: event === 'tool-start' ? '{}\n' : (verdict.context ?? ''), stderr: '', exit: 0 }
      : { stdout: '', stderr: `${verdict.reason}\n`, exit: 2 },
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  screen: () => ({ is: 'unknown' }),
  trial: {
    npm: {
      name: '@ampcode/cli',
      version: '0.0.1790142911-g7618fb',
      program: 'amp',
      scripts: ['@ampcode/cli'],
    },
    wire: 'amp',
    setting: ({ url, key }) => ({ env: { AMP_URL: url, AMP_API_KEY: key }, files: [] }),
    key: (random) => `sgamp_user_${random}`,
    surprises: ({ command, words }) => [
      {
        path: '.config/amp/settings.json',
        content: JSON.stringify({ 'amp.mcpServers': { theirs: { command: 'sh', args: ['-c', command] } } }),
      },
      {
        path: '.config/amp/plugins/theirs.ts',
        content: `import { execSync } from 'node:child_process'\nexecSync(${JSON.stringify(command)})\nexport default () => {}\n`,
      },
      { path: '.config/amp/AGENTS.md', content: `${words}\n` },
      { path: '.config/AGENTS.md', content: `${words}\n` },
    ],
    shell: (command, tools) => (tools.includes('shell_command') ? { tool: 'shell_command', input: { command } } : null),
    // Its other tools take absolute paths alone.
    write: (path, content, tools) =>
      tools.includes('apply_patch') ? { tool: 'apply_patch', input: { patchText: patchOf(path, content) } } : null,
    limit: () => null,
    executables: ['/@ampcode/cli/bin/amp.exe', '/@ampcode/cli-linux-x64/amp'],
    refused: 'Unauthorized',
  },
} satisfies AgentRuntime

/** Its config folder, in the private one. */
const CONFIG = 'config'

const WRITING = ['create_file', 'edit_file', 'apply_patch']

/** Tools that an agent of a fleet must not use: they fetch what another thread of the human's changed, or leave a file with one. */
const UNFIT = ['download_thread_changes', 'download_thread_file', 'upload_thread_file']

/** Settings of its household. */
const HOUSE = {
  'amp.updates.mode': 'disabled',
  'amp.notifications.enabled': false,
  'amp.terminal.animation': false,
  'amp.skills.disableClaudeCodeSkills': true,
  'amp.skills.disableGlobalAgentsSkills': true,
}

function settingsFor({ privateDir, hook, readOnly, tools }: SessionSpec): Readonly<Record<string, unknown>> {
  return {
    ...HOUSE,
    // Else it changes the `git commit` that the agent typed.
    'amp.git.commit.ampThread.enabled': false,
    'amp.git.commit.coauthor.enabled': false,
    // It would ask a person before it changes files in many places, /var and dotfiles among them. Here `ov` is asked.
    'amp.guardedFiles.allowlist': ['**'],
    'amp.tools.disable': readOnly ? [...UNFIT, ...WRITING] : UNFIT,
    ...(tools === undefined ? {} : { 'amp.tools.enable': tools }),
    'amp.permissions': [
      ...(hook === undefined
        ? []
        : WRITING.map((tool) => ({ tool, action: 'delegate', to: `${privateDir}/${GUARD}` }))),
      { tool: '*', action: 'allow' },
    ],
  }
}

/** A model without tools; one that names some all the same is refused. */
const TOOLLESS = {
  ...HOUSE,
  'amp.tools.disable': ['*'],
  'amp.permissions': [{ tool: '*', action: 'reject', message: 'Answer without tools.' }],
}

/** What other programs keep in the folder that is replaced, and an agent's commits need. */
function linksFor({ environment, privateDir }: SessionSpec) {
  const theirs = environment.XDG_CONFIG_HOME || `${environment.HOME ?? ''}/.config`
  if (theirs === `${privateDir}/${CONFIG}`) return []
  return ['git/config', 'git/ignore', 'git/attributes', 'gh/config.yml', 'gh/hosts.yml'].map((path) => ({
    path: `${CONFIG}/${path}`,
    to: `${theirs}/${path}`,
  }))
}

/** A patch that makes a new file. */
function patchOf(path: string, content: string): string {
  const added = content
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => `+${line}`)
  return ['*** Begin Patch', `*** Add File: ${path}`, ...added, '*** End Patch'].join('\n')
}

const GUARD = 'amp-guard'

/**
 * Two guards that ask the same. The settings' one is a program, which is given the tool's input alone, its name in the
 * environment. But a repository's own settings (`.amp/settings.json`) come before them, and may allow everything; that a
 * plugin can't be overruled by. And a plugin that is not loaded, or not yet, holds nobody up.
 */
function hooksFor(hook: string): readonly PlannedFile[] {
  const ask = hookCommand(hook, 'tool-start', { guard: true })
  const guard = `#!/bin/sh
{ printf '{"tool":"%s","input":' "$AGENT_TOOL_NAME"; cat; printf '}'; } | {
  ${ask}
}
`
  return [
    { path: GUARD, content: guard, executable: true },
    { path: `${CONFIG}/amp/plugins/ov.ts`, content: pluginFor(ask, hookCommand(hook, 'tool-end')) },
  ]
}

/** The plugin is run by Amp's own runtime (Bun). It guards, and puts urgent mail to a tool's output. */
const pluginFor = (guard: string, mail: string) => `import { spawnSync } from 'node:child_process'

const call = (command, input) =>
  spawnSync('/bin/sh', ['-c', command], { input: JSON.stringify(input), encoding: 'utf8', timeout: 10_000 })

const withMail = (output, mail) => {
  if (typeof output === 'string') return output + mail
  if (typeof output?.output === 'string') return { ...output, output: output.output + mail }
  return JSON.stringify(output ?? '') + mail
}

export default (amp) => {
  amp.on('tool.call', ({ tool, input }) => {
    if (!${JSON.stringify(WRITING)}.includes(tool)) return { action: 'allow' }
    const asked = call(${JSON.stringify(guard)}, { tool, input })
    if (asked.status === 0) return { action: 'allow' }
    return { action: 'reject-and-continue', message: asked.stderr || 'ov could not be asked.' }
  })
  amp.on('tool.result', ({ tool, status, output }) => {
    const { stdout } = call(${JSON.stringify(mail)}, { tool })
    if (status === 'done' && stdout) return { status, output: withMail(output, '\\n\\n' + stdout) }
  })
}
`

const guardedSchema = z.looseObject({
  tool: z.string(),
  input: z.looseObject({ path: z.string().optional(), patchText: z.string().optional() }),
})

/** The files that a writing tool names. */
function filesOf({ path, patchText = '' }: z.infer<typeof guardedSchema>['input']): string[] {
  const patched = [...patchText.matchAll(/^\*\*\* (?:(?:Add|Delete|Update) File|Move to): (.+)$/gm)]
  return [...(path === undefined ? [] : [path]), ...patched.map(([, file = '']) => file.trim())]
}

const count = z.int().nonnegative()
const usageSchema = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_read_input_tokens: count.nullish(),
  cache_creation_input_tokens: count.nullish(),
})
const block = z.union([
  z.looseObject({ type: z.literal('text'), text: z.string() }),
  z.looseObject({ type: z.literal('tool_use'), id: z.string(), name: z.string(), input: z.unknown() }),
  z.looseObject({
    type: z.literal('tool_result'),
    tool_use_id: z.string(),
    content: z.string(),
    is_error: z.boolean(),
  }),
])
const messageSchema = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('system'), subtype: z.literal('init'), session_id: z.string() }),
  z.looseObject({ type: z.literal('user'), message: z.looseObject({ content: z.array(block) }) }),
  z.looseObject({
    type: z.literal('assistant'),
    message: z.looseObject({ content: z.array(block), usage: usageSchema.optional() }),
  }),
  z.looseObject({
    type: z.literal('result'),
    is_error: z.boolean(),
    result: z.string().optional(),
    error: z.string().optional(),
  }),
])

function meaning(message: z.infer<typeof messageSchema>): readonly AgentEvent[] {
  switch (message.type) {
    case 'system':
      return [{ type: 'started', session: message.session_id }, { type: 'turn_start' }]
    case 'user':
      return message.message.content.flatMap((one): AgentEvent[] => {
        if (one.type === 'text') return [{ type: 'accepted', text: one.text }]
        // A tool's output may have had mail put to it, which is in the context by this line.
        return one.type === 'tool_result'
          ? [ended(one.tool_use_id, one.content, one.is_error), { type: 'accepted', text: one.content }]
          : []
      })
    case 'assistant': {
      const { content, usage } = message.message
      const said = content.flatMap((one): AgentEvent[] => {
        if (one.type === 'text') return one.text === '' ? [] : [{ type: 'text', text: one.text }]
        return one.type === 'tool_use'
          ? [{ type: 'tool_start', id: one.id, tool: one.name, summary: aimOf(one.input), input: one.input }]
          : []
      })
      return usage === undefined ? said : [...said, usageOf(usage)]
    }
    case 'result':
      if (message.is_error) return [failure(message.error ?? 'Amp gave no reason.')]
      return [{ type: 'turn_end', ...(message.result ? { text: message.result } : {}) }]
  }
}

const ranSchema = z.looseObject({ output: z.string(), exitCode: z.number().optional() })

/** A command's result is JSON in a text. */
function ended(id: string, content: string, isError: boolean): AgentEvent {
  const ran = ranSchema.safeParse(parsed(content))
  if (!ran.success) {
    // What a plugin rejects is no error to it.
    const ok = !isError && !content.startsWith('Tool rejected by plugin:')
    return { type: 'tool_end', id, ok, summary: brief(content) }
  }
  return { type: 'tool_end', id, ok: !isError && !ran.data.exitCode, summary: brief(ran.data.output) }
}

const aimSchema = z.union([
  z.looseObject({ command: z.string() }).transform(({ command }) => command),
  z.looseObject({ path: z.string() }).transform(({ path }) => path),
])

function aimOf(input: unknown): string {
  const aim = aimSchema.safeParse(input)
  return brief(aim.success ? aim.data : input)
}

function usageOf(usage: z.infer<typeof usageSchema>): AgentEvent {
  return {
    type: 'usage',
    usage: {
      input: usage.input_tokens,
      output: usage.output_tokens,
      cacheRead: usage.cache_read_input_tokens ?? null,
      cacheWrite: usage.cache_creation_input_tokens ?? null,
      costUsd: null,
    },
    scope: 'added',
    costScope: 'added',
  }
}

/** What its server says of a turn that failed: words alone. The titles are the CLI's own for what it recognizes. */
const CAUSES: readonly (readonly [FailureCause, RegExp])[] = [
  ['interrupted', /^User cancelled/],
  ['auth', /^Unauthorized\b|invalid or missing api key|no api key found/i],
  ['quota', /^(Out of Credits|Low Credit Balance|Usage Quota Exceeded)\b|free usage limit|out of credits/i],
  ['context', /^Context Limit Reached\b|prompt is too long|context (window|limit)/i],
  ['overloaded', /^Model Provider Overloaded\b|overloaded/i],
  ['rate_limit', /^Rate Limit Hit\b|rate.?limit|too many requests/i],
  ['network', /^(Network Error|Model Stream Timed Out)\b|couldn't connect|unable to connect|failed to reconnect/i],
  ['network', /fetch failed|econn|enotfound|etimedout|timed out|socket hang up|terminated|connection (error|refused)/i],
  ['model', /^(Model Not Found|Agent Mode Disabled)\b|mode has been disabled/i],
  ['refused', /^(Model Refused|OpenAI Safety Check|Image Too Large)|input is too large/i],
]

function causeOf(message: string): FailureCause {
  const named = CAUSES.find(([, words]) => words.test(message))?.[0]
  if (named !== undefined) return named
  const status = /\b([45]\d\d)\b/.exec(message)?.[1]
  return status === undefined ? 'unknown' : causeOfStatus(Number(status))
}

function failure(message: string): AgentEvent {
  return { type: 'failed', cause: causeOf(message), message }
}

/** What it says on stderr of a turn that never began. A refusal of the server's is told in words that name none. */
function causeAtStart(said: string): FailureCause {
  if (/server returned an error|unexpected error inside amp/i.test(said)) return 'overloaded'
  const cause = causeOf(said)
  return cause === 'unknown' ? 'crash' : cause
}
