import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { accountOf } from '../../src/limits/account.ts'
import { loadRuntime } from '../../src/runtimes/registry.ts'
import { inHome } from '../rig/project.ts'
import { type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

/** The account of a runtime where this stands in the environment, and in `overstory.yaml`. */
function accountIn(env: Record<string, string>, id = 'claude', { model = null as string | null, config = '' } = {}) {
  return inHome(
    home,
    async () => {
      const repo = makeRepo(home, `repo-${Math.random().toString(36).slice(2)}`)
      if (config !== '') writeFileSync(join(repo, 'overstory.yaml'), config)
      return accountOf((await loadConfig(repo)).config, await loadRuntime(id), model)
    },
    env,
  )
}

test('a key is known by its variable and a digest; another key is another account, and the key itself appears nowhere', async () => {
  const one = await accountIn({ ANTHROPIC_API_KEY: 'sk-secret-one' })
  expect(one).toMatchObject({
    provider: 'anthropic',
    account: expect.stringMatching(/^\$ANTHROPIC_API_KEY [0-9a-f]{8}$/),
  })
  expect(JSON.stringify(one)).not.toContain('secret')
  expect(await accountIn({ ANTHROPIC_API_KEY: 'sk-secret-one' })).toEqual(one)
  expect((await accountIn({ ANTHROPIC_API_KEY: 'sk-secret-two' }))?.account).not.toBe(one?.account)
})

test('runtimes that use the same key share its account; which of several keys one uses is its own business', async () => {
  const both = { ANTHROPIC_API_KEY: 'sk-a', OPENAI_API_KEY: 'sk-o' }
  const claude = await accountIn({ ANTHROPIC_API_KEY: 'sk-a' })
  expect(await accountIn({ ANTHROPIC_API_KEY: 'sk-a' }, 'goose')).toEqual(claude)
  expect(await accountIn(both, 'goose', { model: 'anthropic/claude-opus-4' })).toEqual(claude)
  expect(await accountIn(both, 'goose')).toMatchObject({ provider: 'goose' })
  expect(await accountIn(both)).toEqual(claude)
})

test('a login file is known by its path, and looks different when somebody logs in anew', async () => {
  expect(await accountIn({})).toEqual({ provider: 'claude', account: 'login', evidence: null })
  const file = join(home.env.HOME ?? '', '.claude', '.credentials.json')
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, '{}')
  const before = await accountIn({})
  expect(before).toMatchObject({ provider: 'claude', account: '~/.claude/.credentials.json' })
  utimesSync(file, 1, 1)
  const after = await accountIn({})
  expect(after?.account).toBe(before?.account)
  expect(after?.evidence).not.toBe(before?.evidence)
})

test('a gateway is known by its host and the key for there; a command needs no account', async () => {
  const config = 'runtime: { claude: { gateway: { baseUrl: GATE_URL, key: GATE_KEY } } }\n'
  const env = { GATE_URL: 'https://llm.example.com/v1', GATE_KEY: 'k', ANTHROPIC_API_KEY: 'sk-a' }
  expect(await accountIn(env, 'claude', { config })).toMatchObject({ provider: 'llm.example.com' })
  expect(await accountIn({}, 'shell')).toBeNull()
})
