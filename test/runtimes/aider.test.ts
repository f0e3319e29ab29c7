import { expect, test } from 'vitest'
import aider from '../../runtimes/aider.ts'

const ended = (stdoutTail: string, code: number | null = 0) =>
  aider.exited({ code, signal: code === null ? 'SIGTERM' : null, stderrTail: '', stdoutTail, collected: {} })

const HEAD = 'Aider v0.86.3\nGit repo: .git with 3 files\nRepo-map: disabled\n\n'
const TOKENS = 'Tokens: 1.2k sent, 34 received. Cost: $0.0036 message, $0.0036 session.\n'
const LIMIT = 'litellm.RateLimitError: OpenAIException - full\nTry again later.\n'

test('an error is the end only where nothing comes behind it', () => {
  expect(ended(`${HEAD}${LIMIT}`)).toMatchObject([{ type: 'failed', cause: 'rate_limit' }])
  expect(ended(`${HEAD}${LIMIT}Retrying in 0.2 seconds...\nDone.\n\n${TOKENS}`)).toMatchObject([
    { type: 'turn_end', claim: 'done' },
  ])
  // The model speaks of one.
  expect(ended(`${HEAD}litellm.RateLimitError: is raised when …\n\n${TOKENS}`)).toMatchObject([{ type: 'turn_end' }])
  expect(ended(`${HEAD}One.\n\n${TOKENS}${LIMIT}`)).toMatchObject([{ type: 'failed', cause: 'rate_limit' }])
})

test('an end without an answer is no claim', () => {
  expect(ended(HEAD)).toMatchObject([{ type: 'failed', cause: 'unknown' }])
  expect(ended('', 2)).toMatchObject([{ type: 'failed', cause: 'crash' }])
  expect(ended(`${HEAD}Done.\n\n${TOKENS}`, null)).toMatchObject([{ type: 'failed', cause: 'crash' }])
})

test('its last answer is its summary, without the edits', () => {
  const edit = 'hello.txt\n```\n<<<<<<< SEARCH\n=======\nhi\n>>>>>>> REPLACE\n```\n'
  const code = '```js\nkept()\n```'
  const tail = `${HEAD}First.\n\n${TOKENS}\nSecond.\n\n${edit}\n${code}\n\n${TOKENS}Applied edit to hello.txt\n`
  expect(ended(tail)).toEqual([{ type: 'turn_end', claim: 'done', text: `Second.\n\n${code}` }])
})

test.each([
  ['Tokens: 999 sent, 22 received.', { input: 999, output: 22, costUsd: null }],
  [
    'Tokens: 12k sent, 3.1k cache write, 2k cache hit, 1,024 received. Cost: $1.05 message, $2.10 session.',
    { input: 6900, output: 1024, cacheRead: 2000, cacheWrite: 3100, costUsd: 1.05 },
  ],
  ['Cost: $1.05 message, $2.10 session.', { input: null, output: null, costUsd: 1.05 }],
])('%s', (line, usage) => {
  expect(aider.read(line)).toMatchObject([{ type: 'usage', usage, scope: 'added', costScope: 'added' }])
})

test('without a key it names a model, since it would wait for a browser else', () => {
  const session = {
    agent: 'a',
    sessionId: 's',
    worktree: '/w',
    gitFolders: [],
    privateDir: '/p',
    instructions: '',
    prompt: 'Do it.',
    readOnly: false,
    root: false,
    extraArgs: [],
  }
  expect(aider.start({ ...session, environment: {} }).argv).toContain('--model')
  expect(aider.start({ ...session, environment: { GEMINI_API_KEY: 'k' } }).argv).not.toContain('--model')
})
