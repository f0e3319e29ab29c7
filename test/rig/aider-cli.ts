import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'

/*
 * A FAKE aider, run as a program: `aider-cli.ts FOLDER …`. It is not aider and proves nothing about it. It behaves as
 * aider's documentation and recordings of 0.86.3 say: its flags, its texts, exit code 0 whatever its provider answers, a
 * commit for each edit, no shell. What it answers in its first, second, … turn lies in FOLDER/turn-N.json; what it was
 * given it writes to FOLDER/seen-N.json.
 */

/** What the fake model answers to one request. */
export type Answer =
  /** Text; edits are in its SEARCH/REPLACE blocks. It comes when the file `once` is there. */
  | { readonly says: string; readonly once?: string }
  /** The provider refuses, as its library puts that; `times` before it is answered. */
  | { readonly refuses: keyof typeof ERRORS; readonly times?: number; readonly says?: string }
  | { readonly does: 'hang' | 'die' | 'stumble' }

/** What the fake was given. */
export interface Seen {
  readonly message: string
  readonly read: string
  /** Of earlier turns, when it was told to remember. */
  readonly restored: string
  readonly mode: string
  readonly home: string
}

const ERRORS = {
  AuthenticationError: {
    words: '{"error":{"message":"stub invalid\napi key","type":"invalid_request_error","code":"invalid_api_key"}}',
    advice: 'The API provider is not able to authenticate you. Check your API key.',
    again: false,
  },
  RateLimitError: {
    words: '{"error":{"message":"stub rate \nlimited","type":"rate_limit_exceeded","code":"rate_limit_exceeded"}}',
    advice: 'The API provider has rate limited you. Try again later or check your quotas.',
    again: true,
  },
  InternalServerError: {
    words: '{"error":{"message":"stub \ninternal error","type":"server_error","code":null}}',
    advice: "The API provider's servers are down or overloaded.",
    again: true,
  },
} as const

/** It doubles its pause from an eighth of a second on, until the next would be longer than a minute. Here a hundred times as quick. */
const QUICKER = 100

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    version: { type: 'boolean' },
    'message-file': { type: 'string' },
    read: { type: 'string' },
    'chat-history-file': { type: 'string' },
    'input-history-file': { type: 'string' },
    'restore-chat-history': { type: 'boolean' },
    'chat-mode': { type: 'string', default: 'code' },
    'yes-always': { type: 'boolean' },
    'auto-commits': { type: 'boolean' },
    'map-tokens': { type: 'string' },
    'no-pretty': { type: 'boolean' },
    'no-stream': { type: 'boolean' },
    'no-gitignore': { type: 'boolean' },
    'no-detect-urls': { type: 'boolean' },
    'no-suggest-shell-commands': { type: 'boolean' },
    'no-show-model-warnings': { type: 'boolean' },
    'no-show-release-notes': { type: 'boolean' },
    'no-check-update': { type: 'boolean' },
    'analytics-disable': { type: 'boolean' },
    timeout: { type: 'string' },
    model: { type: 'string', default: 'gpt-4o' },
  },
})

const folder = process.argv[2] ?? ''
if (values.version === true) {
  print('aider 0.86.3')
} else {
  process.on('SIGTERM', () => process.exit(143))
  await turn()
}

async function turn(): Promise<void> {
  const number = readdirSync(folder).filter((name) => name.startsWith('seen-')).length + 1
  const history = values['chat-history-file'] ?? '.aider.chat.history.md'
  const message = readFileSync(values['message-file'] ?? '', 'utf8')
  const seen: Seen = {
    message,
    read: readFileSync(values.read ?? '', 'utf8'),
    restored: values['restore-chat-history'] === true && existsSync(history) ? readFileSync(history, 'utf8') : '',
    mode: values['chat-mode'],
    home: process.env.HOME ?? '',
  }
  writeFileSync(join(folder, `seen-${number}.json`), JSON.stringify(seen))
  if (values['no-gitignore'] !== true) appendFileSync('.gitignore', '.aider*\n')
  print('Analytics have been permanently disabled.')
  print('Warning: Input is not a terminal (fd=0).\n')
  print(`Aider v0.86.3\nMain model: ${values.model} with diff edit format\nWeak model: gpt-4o-mini`)
  print('Git repo: .git with 3 files\nRepo-map: disabled\n')
  mkdirSync(dirname(history), { recursive: true })
  appendFileSync(history, `\n#### ${message.replaceAll('\n', '\n#### ')}\n\n`)
  const answer = JSON.parse(readFileSync(join(folder, `turn-${number}.json`), 'utf8')) as Answer
  if ('does' in answer) return misbehave(answer.does)
  while ('once' in answer && answer.once !== undefined && !existsSync(answer.once)) await delay(20)
  const said = 'refuses' in answer ? await refused(answer) : answer.says
  if (said === undefined) return
  appendFileSync(history, `${said}\n`)
  print(`${said}\n\nTokens: 1.2k sent, 34 received. Cost: $0.0036 message, $0.0036 session.`)
  if (values['chat-mode'] !== 'ask') edit(said)
}

async function misbehave(how: 'hang' | 'die' | 'stumble'): Promise<void> {
  switch (how) {
    case 'hang':
      await delay(600_000)
      return
    case 'die':
      process.kill(process.pid, 'SIGKILL')
      return
    case 'stumble':
      // Edits that match nothing are asked for again, three times; then it gives up, with exit code 0.
      print('I would change it.\n\nTokens: 1.2k sent, 34 received. Cost: $0.0036 message, $0.0036 session.')
      print('The LLM did not conform to the edit format.\nOnly 3 reflections allowed, stopping.')
  }
}

/** @returns what is said in the end; undefined when it gives up */
async function refused({
  refuses,
  times = 99,
  says = '',
}: Extract<Answer, { refuses: string }>): Promise<string | undefined> {
  const { words, advice, again } = ERRORS[refuses]
  for (let count = 0, pause = 0.125; count < times; count++) {
    print(`litellm.${refuses}: OpenAIException - ${words}\n${advice}`)
    pause *= 2
    if (!again || pause > 60) return undefined
    print(`Retrying in ${pause.toFixed(1)} seconds...`)
    await delay((pause * 1000) / QUICKER)
  }
  return says
}

/** Applies the blocks of an answer and commits, as `--auto-commits` does. */
function edit(said: string): void {
  const blocks = [...said.matchAll(/^([^\n]+)\n```[^\n]*\n<<<<<<< SEARCH\n(.*?)=======\n(.*?)>>>>>>> REPLACE\n```$/gms)]
  for (const [, path = '', search = '', replace = ''] of blocks) {
    const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, search === '' ? `${before}${replace}` : before.replace(search, replace))
    print(`Applied edit to ${path}`)
  }
  if (blocks.length === 0) return
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  git('add', '--', ...blocks.map(([, path = '']) => path))
  const subject = `feat: ${blocks.map(([, path]) => path).join(', ')}`
  git(
    'commit',
    '--quiet',
    '--no-verify',
    '-m',
    subject,
    '-m',
    `Co-authored-by: aider (${values.model}) <aider@aider.chat>`,
  )
  print(`Commit ${git('rev-parse', '--short', 'HEAD')} ${subject}`)
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
