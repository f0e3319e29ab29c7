import { expect, test } from 'vitest'
import opencode from '../../runtimes/opencode.ts'
import type { LaunchPlan, SessionSpec } from '../../src/contract/runtime.ts'
import { recordings } from './recordings.ts'

/** What is OpenCode's own; what every adapter keeps stands in conformance.ts. */

const SESSION = 'ses_e06f198a1ffe'

const spec: SessionSpec = {
  agent: 'builder-1',
  sessionId: '11111111-2222-4333-8444-555555555555',
  worktree: '/repo/worktree',
  gitFolders: [],
  environment: {
    HOME: '/home/me',
    XDG_CONFIG_HOME: '/home/me/settings',
    ANTHROPIC_API_KEY: 'sk-ant-1',
    AWS_REGION: 'x',
  },
  privateDir: '/private dir',
  instructions: 'You are a builder.\n',
  prompt: 'Do it.',
  readOnly: false,
  root: false,
  extraArgs: [],
}

const configOf = (session: SessionSpec) => JSON.parse(opencode.start(session).env.OPENCODE_CONFIG_CONTENT ?? '{}')
const recorded = (what: string) =>
  recordings().find(({ file }) => file === `opencode-1.18.33.${what}.ndjson`)?.lines ?? []

test('a tool that changes files asks, and a read-only role has none; the rule that decides is the last', () => {
  const { permission } = configOf(spec)
  expect(permission).toMatchObject({ '*': 'allow', question: 'deny', edit: 'ask' })
  expect(Object.keys(permission)).toEqual(['*', 'external_directory', 'doom_loop', 'question', 'edit'])
  expect(configOf({ ...spec, readOnly: true }).permission.edit).toBe('deny')
  const chosen = configOf({ ...spec, tools: ['read', 'bash', 'write'] }).permission
  expect(chosen).toMatchObject({ '*': 'deny', read: 'allow', bash: 'allow', edit: 'ask' })
  expect(configOf({ ...spec, tools: ['read'] }).permission.edit).toBe('deny')
})

test('of the human’s settings only what reaches a model is taken over, and none of it lies in a folder of theirs', () => {
  const theirs = {
    provider: { mine: { npm: 'x' } },
    plugin: ['evil'],
    mcp: { evil: {} },
    share: 'auto',
    instructions: ['x'],
  }
  const session = { ...spec, environment: { ...spec.environment, OPENCODE_CONFIG_CONTENT: JSON.stringify(theirs) } }
  const config = configOf(session)
  expect(config).toMatchObject({ provider: { mine: { npm: 'x' } }, share: 'disabled', autoupdate: false })
  expect(config).not.toHaveProperty('mcp')
  expect(config.plugin).toEqual(['file:///private%20dir/opencode/ov.js'])
  const { env, links }: LaunchPlan = opencode.start(session)
  for (const kind of ['CONFIG', 'DATA', 'STATE', 'CACHE'])
    expect(env[`XDG_${kind}_HOME`]).toBe(`/private dir/opencode/${kind.toLowerCase()}`)
  expect(links?.[0]).toEqual({
    path: 'opencode/data/opencode/auth.json',
    to: '/home/me/.local/share/opencode/auth.json',
  })
})

test('commands see the human’s folders, and neither the keys it is let in by nor the password of its server', () => {
  const plugin = opencode.start(spec).files.find(({ path }) => path.endsWith('/ov.js'))?.content ?? ''
  const theirs = JSON.parse(/^const THEIRS = (.*)$/m.exec(plugin)?.[1] ?? '{}')
  expect(theirs).toMatchObject({
    XDG_CONFIG_HOME: '/home/me/settings',
    XDG_DATA_HOME: '/home/me/.local/share',
    ANTHROPIC_API_KEY: '',
    OPENCODE_SERVER_PASSWORD: '',
  })
  expect(theirs).not.toHaveProperty('AWS_REGION')
  expect(plugin).not.toContain('sk-ant-1')
})

test('what a cut stream did not bring is in its answers, under the names the stream has for it', () => {
  const { of, caughtUp, missed } = opencode.stream
  const live = recorded('works-basic').filter((line) => of(line).once !== undefined)
  const ends = live.filter((line) => !line.includes('"status":"running"'))
  const parts = ends.map((line) => JSON.parse(line).properties.part)
  const asked = missed({ session: SESSION, busy: true, sequence: 1 }).map((frame) => frame.via === 'http' && frame.path)
  expect(asked).toEqual([`/session/${SESSION}/message?limit=100`, '/permission', '/session/status'])
  const answer = (path: string, body: unknown) =>
    caughtUp(JSON.stringify({ answer: `GET ${path}`, status: 200, body }), {
      session: SESSION,
      busy: true,
      sequence: 1,
    })
  const again = answer(`/session/${SESSION}/message?limit=100`, [{ info: {}, parts }])
  expect(again.map((line) => of(line).once)).toEqual(ends.map((line) => of(line).once))
  expect(again.flatMap(opencode.read)).toEqual(ends.flatMap(opencode.read))
  expect(answer('/session/status', {}).flatMap(opencode.read)).toEqual([{ type: 'turn_end' }])
  expect(answer('/session/status', { [SESSION]: { type: 'busy' } }).flatMap(opencode.read)).toEqual([
    { type: 'turn_start' },
  ])
})

test('lines are known by their session, so that a helper’s end is not the agent’s', () => {
  const lines = recorded('works-guarded')
  const ends = lines.filter((line) => opencode.read(line).some(({ type }) => type === 'turn_end'))
  expect(new Set(ends.map((line) => opencode.stream.of(line).session)).size).toBe(2)
})

test('a trouble that is no session’s ends no turn', () => {
  const trouble = (properties: object) => opencode.read(JSON.stringify({ type: 'session.error', properties }))
  const error = { name: 'UnknownError', data: { message: 'Failed to load plugin x' } }
  expect(trouble({ error })).toEqual([])
  expect(trouble({ sessionID: SESSION, error })).toMatchObject([{ type: 'failed', cause: 'unknown' }])
})

test('while it retries it says why in words alone: when it tries again is passed on, and its own pause', () => {
  const retries = recorded('fails-rate_limit-429')
    .flatMap(opencode.read)
    .filter(({ type }) => type === 'retrying')
  expect(retries).toHaveLength(5)
  expect(retries[1]).toMatchObject({ attempt: 2, cause: 'rate_limit', delayMs: 4_000, until: expect.any(Number) })
})
