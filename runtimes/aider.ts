import type {
  AgentEvent,
  AgentRuntime,
  FailureCause,
  ProcessExit,
  SessionSpec,
  Usage,
} from '../src/contract/runtime.ts'

/**
 * aider, one process a turn (`aider --message-file`), with its conversation in a file of the agent's.
 *
 * NOT certified: no package of it was to be had. Written from its documentation and from recordings of its own code
 * (0.86.3) with its libraries replaced; tested against a program of ours that behaves as they say.
 *
 * - Unattended it runs no command, whatever its flags. So it can't speak to `ov`: that a turn ended well is its word that
 *   it is done, what it said is its summary, and the engine reports for it.
 * - It edits, and commits each edit by itself. In its mode `ask`, which a read-only role gets, it does neither.
 * - It exits with 0 whatever happened. What it prints is text: only the last of it tells how a turn ended, since an error
 *   that it tries again (for a minute) may have passed.
 * - Its home folder is the agent's own, because `~/.aider.conf.yml` and `~/.env` can't be left out otherwise: they may
 *   name commands. Of the human's it has git's settings and the login of `OpenRouter`, by links.
 */
export default {
  id: 'aider',
  title: 'aider',
  binaries: ['aider'],
  versionArgs: ['--version'],
  saysVersion: /^aider (\d+\.\d+\.\d+\S*)$/,
  certified: [],
  install: 'uv tool install aider-chat',
  login: {
    env: ['ANTHROPIC_API_KEY', 'DEEPSEEK_API_KEY', 'GEMINI_API_KEY', 'OPENAI_API_KEY', 'OPENROUTER_API_KEY'],
    files: ['.aider/oauth-keys.env'],
    hint: 'export OPENAI_API_KEY=… (or the key of another provider)',
  },
  can: {
    structured: 'turn',
    interactive: false,
    resume: true,
    steer: false,
    block: false,
    inject: false,
    usage: true,
    cost: true,
    reports: 'exit',
    prompts: true,
    echo: false,
  },
  environment: [
    'AIDER_MODEL',
    'AIDER_WEAK_MODEL',
    'ANTHROPIC_API_BASE',
    'ANTHROPIC_API_KEY',
    'DEEPSEEK_API_KEY',
    'GEMINI_API_KEY',
    'OLLAMA_API_BASE',
    'OPENAI_API_BASE',
    'OPENAI_API_KEY',
    'OPENROUTER_API_KEY',
    'PYTHONUSERBASE',
  ],
  models: {},
  gateway: { baseUrl: 'OPENAI_API_BASE', key: 'OPENAI_API_KEY' },
  start: (session) => ({
    protocol: 'turn',
    argv: [
      'aider',
      '--message-file',
      `${session.privateDir}/${ROOT}/message.md`,
      '--read',
      `${session.privateDir}/${ROOT}/instructions.md`,
      '--chat-history-file',
      `${session.privateDir}/${ROOT}/history.md`,
      '--input-history-file',
      '/dev/null',
      ...UNATTENDED,
      ...(session.resume === undefined ? [] : ['--restore-chat-history']),
      ...(session.readOnly ? ['--chat-mode', 'ask'] : []),
      ...modelOf(session),
      ...session.extraArgs,
    ],
    env: {
      HOME: `${session.privateDir}/${ROOT}/home`,
      // Its lines are whole: it breaks them to the width of a terminal, which it takes from here.
      COLUMNS: '1000',
      // Where pip puts what a person installs for themselves.
      PYTHONUSERBASE: session.environment.PYTHONUSERBASE ?? `${session.environment.HOME ?? ''}/.local`,
      // The prices of models as they were packaged, instead of a download at each start.
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    },
    files: [
      { path: `${ROOT}/message.md`, content: asText(session.prompt) },
      { path: `${ROOT}/instructions.md`, content: `${session.instructions}\n${NO_SHELL}` },
    ],
    links: ['.gitconfig', '.config/git', '.aider/oauth-keys.env'].map((path) => ({
      path: `${ROOT}/home/${path}`,
      to: `${session.environment.HOME ?? ''}/${path}`,
    })),
    firstPrompt: 'included',
  }),
  sendInput: (text) => ({ by: 'frame', frame: { via: 'stdin', line: text } }),
  deployHooks: () => [],
  // What it prints around an answer can't be told from the answer.
  getPromptCommand: () => null,
  read(line) {
    const used = USED.exec(line)
    if (used !== null) return [usageOf(used)]
    const [, dollars] = COST.exec(line) ?? []
    if (dollars !== undefined) return [added({ ...UNCOUNTED, costUsd: count(dollars) })]
    const [, seconds] = RETRIES.exec(line) ?? []
    if (seconds !== undefined) {
      // It begins with a quarter of a second, and doubles.
      const attempt = Math.max(1, Math.round(Math.log2(Number(seconds) / 0.25)) + 1)
      return [{ type: 'retrying', attempt, delayMs: Number(seconds) * 1000, cause: 'unknown' }]
    }
    return HOUSEHOLD.test(line) ? [] : [{ type: 'text', text: `${line}\n`, piece: true }]
  },
  exited(exit) {
    const { code, signal, stdoutTail } = exit
    const error = errorIn(stdoutTail)
    if (code !== 0 || error !== null) return [failure(exit, error)]
    if (!/^Tokens: /m.test(stdoutTail) && !isCut(stdoutTail)) return [failure(exit, 'It ended without an answer.')]
    return [{ type: 'turn_end', claim: 'done', text: summaryIn(stdoutTail) }]
    function failure(how: ProcessExit, words: string | null): AgentEvent {
      const last = `${how.stdoutTail.trimEnd().split('\n').slice(-15).join('\n')}\n${how.stderrTail}`.trim()
      const ended = `aider ended in the middle of a turn (${signal ?? `exit code ${code}`}).`
      return words === null
        ? { type: 'failed', cause: signal === null ? causeOf(last, 'crash') : 'crash', message: `${ended}\n${last}` }
        : { type: 'failed', cause: causeOf(words, 'unknown'), message: words }
    }
  },
  answer: () => null,
  interrupt: () => null,
  stopSignal: 'SIGTERM',
  screen: () => ({ is: 'unknown' }),
} satisfies AgentRuntime

const ROOT = 'aider'

/** Nobody is there to ask, nothing is to be shown or told, and no file of its own in the worktree: the map of the repository would be one. */
const UNATTENDED = [
  '--yes-always',
  '--auto-commits',
  '--map-tokens',
  '0',
  '--no-pretty',
  '--no-stream',
  '--no-gitignore',
  '--no-detect-urls',
  '--no-suggest-shell-commands',
  '--no-show-model-warnings',
  '--no-show-release-notes',
  '--no-check-update',
  '--analytics-disable',
  '--timeout',
  '600',
]

/** What the instructions suppose, and it hasn't. */
const NO_SHELL = `## Without a shell

You can't run commands here. Where you are told to type one, don't. Instead:

- Edit the files. Each edit is committed for you, with your words as its message.
- When you have answered, your task counts as done. The gates then run; if one fails, you get its output and mend it.
- Your answer is your summary, and goes to whom you report to. Begin it with what you did.
- Nobody answers questions. Decide for yourself, and say what you decided and why.
- Mail is handed to you; answer it in words.
`

/**
 * The model. Without a key and without a model it would wait five minutes for somebody to log in by a browser; with a
 * model it says at once that the key is missing.
 */
function modelOf({ model, environment }: SessionSpec): string[] {
  if (model !== undefined) return ['--model', model]
  const isKnown =
    environment.AIDER_MODEL !== undefined || Object.keys(environment).some((name) => /_API_(KEY|BASE)$/.test(name))
  return isKnown ? [] : ['--model', 'gpt-4o']
}

/** Text that it takes as text: neither a command of its own nor of a shell. */
function asText(prompt: string): string {
  return /^\s*[/!]/.test(prompt) ? `Message:\n${prompt}` : prompt
}

const COUNT = '[\\d.,]+[kM]?'
const USED = new RegExp(
  `^Tokens: (${COUNT}) sent(?:, (${COUNT}) cache write)?(?:, (${COUNT}) cache hit)?, (${COUNT}) received\\.(?: Cost: \\$([\\d.,]+) message\\b.*)?$`,
)
/** With many counts it begins a new line for the dollars. */
const COST = /^Cost: \$([\d.,]+) message\b/

/** Counts of one request, rounded as it prints them: `1.1k`. */
function usageOf([, sent, written, hit, received, dollars]: RegExpExecArray): AgentEvent {
  const [input, cacheWrite, cacheRead] = [count(sent), count(written) ?? 0, count(hit) ?? 0]
  return added({
    input: input === null ? null : Math.max(0, input - cacheWrite - cacheRead),
    output: count(received),
    cacheRead,
    cacheWrite,
    costUsd: count(dollars),
  })
}

const UNCOUNTED: Usage = { input: null, output: null, cacheRead: null, cacheWrite: null, costUsd: null }

function added(usage: Usage): AgentEvent {
  return { type: 'usage', usage, scope: 'added', costScope: 'added' }
}

function count(text: string | undefined): number | null {
  if (text === undefined) return null
  const value = Number.parseFloat(text.replaceAll(',', ''))
  if (!Number.isFinite(value)) return null
  return text.endsWith('k') ? Math.round(value * 1000) : text.endsWith('M') ? Math.round(value * 1e6) : value
}

const RETRIES = /^Retrying in (\d+(?:\.\d+)?) seconds\.\.\.$/

/** What it prints of itself at the start and around its edits. */
const HOUSEHOLD =
  /^(?:Analytics have been|Warning: Input is not a terminal|HTTPSConnectionPool\(|You can skip this check|Added \.aider|Aider v|(?:Main |Weak |Editor )?[Mm]odel: |Git repo: |Repo-map: |Added .* to the chat|Restored previous conversation|Applied edit to |Commit [0-9a-f]{7,} |litellm\.)/

/** How the last of its output says that the turn has failed; null when it doesn't. What it tried again, or answered after, has passed. */
function errorIn(tail: string): string | null {
  const found = [...tail.matchAll(FAILED)].at(-1)
  if (found === undefined) return null
  const rest = tail.slice(found.index)
  return /^Retrying in |^Tokens: /m.test(rest) ? null : rest.trim().slice(0, 2000)
}

const FAILED =
  /^(?:litellm\.\w+: |Model .* has hit a token limit!|Only \d+ reflections allowed, stopping\.|Traceback \(most recent call last\):)/gm

/** The names that its library gives to what its providers refuse. */
const CAUSES: readonly (readonly [RegExp, FailureCause])[] = [
  [/AuthenticationError|PermissionDeniedError|Check your API key|environment variables/, 'auth'],
  [/insufficient_quota|exceeded your current quota|BudgetExceededError/, 'quota'],
  [/RateLimitError/, 'rate_limit'],
  [/InternalServerError|ServiceUnavailableError/, 'overloaded'],
  [/APIConnectionError|litellm\.Timeout|Connection error/, 'network'],
  [/ContextWindowExceededError|has hit a token limit/, 'context'],
  [/NotFoundError|Unknown model/, 'model'],
  [/BadRequestError|ContentPolicyViolationError|UnprocessableEntityError/, 'refused'],
  [/reflections allowed/, 'limit'],
  [/Traceback/, 'crash'],
]

function causeOf(words: string, otherwise: FailureCause): FailureCause {
  return CAUSES.find(([pattern]) => pattern.test(words))?.[1] ?? otherwise
}

/** The engine keeps no more than the last 4 KiB. */
function isCut(tail: string): boolean {
  return tail.length >= 4000
}

/** What it said before it counted the tokens of it, edits left out. */
function summaryIn(tail: string): string {
  const upTo = tail.slice(0, tail.lastIndexOf('\nTokens: ') + 1)
  const [said = ''] = upTo.split(/^(?:Tokens: .*|Repo-map: .*|Restored previous .*)$/m).slice(-1)
  const words = said.replace(/^[^\n]*\n```[^\n]*\n<<<<<<< SEARCH\n.*?^```$/gms, '')
  return words.replace(/\n{3,}/g, '\n\n').trim()
}
