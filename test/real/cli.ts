import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { refuse, type Step } from '../../src/certify/llm/script.ts'

/** A real agent CLI, and how a machine is set up for it to speak to a scripted model. */
export interface Cli {
  readonly runtime: string
  readonly title: string
  /** The npm package and version it was certified with, and the name of its program. */
  readonly npm: { readonly name: string; readonly version: string; readonly program: string }
  /** Its login, a secret that is found nowhere else, so that it can be searched for. */
  readonly key: string
  /** What the human has in the environment; `login` instead of the usual one. */
  environment(url: string, login?: Readonly<Record<string, string>>): Readonly<Record<string, string>>
  /** Its section of the configuration, where it needs one. */
  section(url: string): { readonly args: readonly string[] } | null
  /** Puts into the home folder what a login leaves there. */
  logIn(home: string): void
  /** What is typed to log in, and what its refusal of a key says. */
  readonly login: { readonly hint: string; readonly refused: RegExp }
  /** A command by which an agent looks for the key, and whether it then sees it. */
  readonly peek: { readonly command: string; readonly seen: boolean }
  /** The end of the path of the program that works, as the kernel knows it. */
  readonly executable: string
  /** Whether a process of that program is the CLI, by its arguments: some start themselves again for their tools. */
  isItself(argv: readonly string[]): boolean
  /** The login of a subscription, where that is another. */
  readonly subscription?: Readonly<Record<string, string>>
  /** A subscription's limit is reached. @param resetAt in seconds */
  limit(resetAt: number): Step
}

const CLAUDE_KEY = `sk-ant-api03-${randomBytes(24).toString('base64url')}`

export const CLAUDE: Cli = {
  runtime: 'claude',
  title: 'Claude Code',
  npm: { name: '@anthropic-ai/claude-code', version: '2.1.328', program: 'claude' },
  key: CLAUDE_KEY,
  environment: (url, login = { ANTHROPIC_API_KEY: CLAUDE_KEY }) => ({ ANTHROPIC_BASE_URL: url, ...login }),
  section: () => null,
  logIn: () => undefined,
  login: { hint: 'claude auth login', refused: /Invalid API key/ },
  peek: { command: 'env | grep -i key', seen: true },
  executable: '/claude.exe',
  isItself: () => true,
  subscription: { CLAUDE_CODE_OAUTH_TOKEN: 'sk-ant-oat01-not-a-real-token' },
  limit: (resetAt) =>
    refuse(429, {
      headers: {
        'anthropic-ratelimit-unified-status': 'rejected',
        'anthropic-ratelimit-unified-reset': String(resetAt),
        'anthropic-ratelimit-unified-representative-claim': 'five_hour',
      },
    }),
}

const CODEX_KEY = `sk-proj-${randomBytes(24).toString('base64url')}`

export const CODEX: Cli = {
  runtime: 'codex',
  title: 'Codex',
  npm: { name: '@openai/codex', version: '0.169.0', program: 'codex' },
  key: CODEX_KEY,
  environment: () => ({}),
  // Its own provider tries a WebSocket first, for seconds; one of the human's goes by HTTP at once.
  section: (url) => ({
    args: [
      ...['-c', 'model="gpt-5.5"', '-c', 'model_provider="scripted"'],
      ...['-c', `model_providers.scripted={${PROVIDER},base_url="${url}/v1"}`],
    ],
  }),
  logIn(home) {
    mkdirSync(join(home, '.codex'))
    const login = JSON.stringify({ auth_mode: 'apikey', OPENAI_API_KEY: CODEX_KEY })
    writeFileSync(join(home, '.codex', 'auth.json'), login, { mode: 0o600 })
  },
  login: { hint: 'codex login', refused: /401 Unauthorized/ },
  peek: { command: 'env; cat ~/.codex/auth.json $CODEX_HOME/auth.json', seen: false },
  executable: '/bin/codex',
  isItself: (argv) => argv[1] === 'app-server',
  limit: (resetAt) =>
    refuse(429, {
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
}

const PROVIDER = 'name="Scripted",requires_openai_auth=true,request_max_retries=1,stream_max_retries=1'
