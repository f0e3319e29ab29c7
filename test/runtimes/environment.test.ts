import { expect, test } from 'vitest'
import { redactorOf } from '../../src/runner/redact.ts'
import { agentEnvironment } from '../../src/runtimes/environment.ts'
import { loadRuntime, runtimeIds } from '../../src/runtimes/registry.ts'

test('an agent sees the allow-list, what its runtime needs and what the configuration names, and no other secret', () => {
  const host = {
    PATH: '/bin',
    LC_ALL: 'C',
    AWS_SECRET_ACCESS_KEY: 'x',
    ANTHROPIC_API_KEY: 'k',
    DATABASE_URL: 'd',
    CLAUDECODE: '1',
  }
  expect(agentEnvironment(host, { environment: ['ANTHROPIC_*'] }, ['DATABASE_URL'])).toEqual({
    PATH: '/bin',
    LC_ALL: 'C',
    ANTHROPIC_API_KEY: 'k',
    DATABASE_URL: 'd',
  })
})

test('secrets are replaced by their names, the longest first; short and path values are no secrets', () => {
  const redact = redactorOf({
    API_KEY: 'abcdefgh',
    API_TOKEN: 'abcdefgh-long',
    MY_KEY: 'short',
    SSH_AUTH_SOCK: '/tmp/agent.sock',
    HOME: '/home/somebody',
  })
  expect(redact('key abcdefgh, token abcdefgh-long, short, /tmp/agent.sock, /home/somebody')).toBe(
    'key [API_KEY], token [API_TOKEN], short, /tmp/agent.sock, /home/somebody',
  )
})

/** What agent CLIs put into the environment of what they start; a CLI that finds it believes to be inside another. */
const OF_OUTER_AGENTS = [
  ...['CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'CLAUDE_CODE_SESSION_ID', 'CLAUDE_CODE_SSE_PORT', 'AI_AGENT', 'AGENT'],
  ...['GEMINI_CLI', 'GEMINI_CLI_NO_RELAUNCH', 'CODEX_SANDBOX', 'CODEX_SANDBOX_NETWORK_DISABLED', 'CODEX_THREAD_ID'],
  ...['COPILOT_CLI', 'COPILOT_AGENT_SESSION_ID', 'CURSOR_AGENT', 'CURSOR_TRACE_ID', 'GOOSE_TERMINAL'],
  ...['OPENCODE', 'OPENCODE_PID', 'OPENCODE_RUN_ID', 'AMP_CURRENT_THREAD_ID', 'PI_CODING_AGENT'],
  ...[
    'NODE_OPTIONS',
    'NODE_CHANNEL_FD',
    'LD_PRELOAD',
    'BASH_ENV',
    'ENV',
    'GIT_DIR',
    'GIT_INDEX_FILE',
    'PROMPT_COMMAND',
  ],
]

test.each(runtimeIds())('nothing of an outer agent reaches an agent of %s', async (id) => {
  const host = Object.fromEntries(OF_OUTER_AGENTS.map((name) => [name, 'x']))
  expect(agentEnvironment(host, await loadRuntime(id), [])).toEqual({})
})
