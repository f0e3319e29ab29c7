import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { call, say } from '../rig/llm/script.ts'
import { type Llm, startLlm } from '../rig/llm/server.ts'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'
import { installed } from './install.ts'

const KEY = `sk-ant-api03-${randomBytes(24).toString('base64url')}`
let bin = ''
let home: Home
let llm: Llm
let repo: string

beforeAll(async () => {
  bin = await installed('@anthropic-ai/claude-code', '2.1.328', 'claude')
})
beforeEach(async () => {
  home = makeHome()
  llm = await startLlm()
  repo = makeRepo(home)
  configure(home, repo)
  await ov('init')
})
afterEach(async () => {
  await home.dispose()
  await llm.close()
})

/** What a person types, with Claude Code on PATH and its key in the environment. */
function ov(...args: string[]) {
  return home.ov(repo, args, {
    env: { PATH: `${bin}:${home.env.PATH}`, ANTHROPIC_BASE_URL: llm.url, ANTHROPIC_API_KEY: KEY },
    timeoutMs: 100_000,
  })
}

const bash = (command: string) => call('Bash', { command, description: 'run' })

test('Claude Code commits with its own shell tool, says done, and its work lands on main', async () => {
  llm.play('builder', (ask) => ask.system.includes('`builder-1`'), [
    bash('echo hello > hello.txt && git add hello.txt && git commit -q -m "Say hello" && git log --oneline | head -1'),
    bash('ov done --summary "Said hello"'),
    say('Done.'),
  ])
  const slung = await ov('sling', '--task', 'Write hello.txt', '--runtime', 'claude', '--wait', '--json')
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'merged' })
  expect(git(home, repo, 'show', 'main:hello.txt')).toBe('hello')
})
