import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accountOf } from '../../src/limits/account.ts'
import { momentOf } from '../../src/limits/pass.ts'
import { afterHit } from '../../src/limits/rules.ts'
import { putLimit } from '../../src/limits/store.ts'
import { openProject } from '../../src/project.ts'
import { type Candidate, firstAble, type Obstacle } from '../../src/runtimes/fallback.ts'
import { ownerOfModel } from '../../src/runtimes/models.ts'
import { loadRuntime } from '../../src/runtimes/registry.ts'
import { inHome } from '../rig/project.ts'
import { type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

describe('the first of a chain', () => {
  const chain = (...obstacles: (Obstacle | null)[]) =>
    obstacles.map((obstacle, at): Candidate => ({ runtime: `r${at}`, obstacle })) as [Candidate, ...Candidate[]]
  const gone: Obstacle = { is: 'not-installed' }
  const parked = (until: number): Obstacle => ({ is: 'parked', until })

  test.each([
    ['is the first of all where nothing stands in its way', chain(null, null), 'r0', []],
    ['is the first that nothing stands in the way of', chain(gone, parked(9), null), 'r2', ['not-installed', 'parked']],
    ['is the one that can go on first where all are held up', chain(parked(9), parked(5), parked(7)), 'r1', ['parked']],
    [
      'is the one that only has to wait, where the others cannot at all',
      chain(gone, parked(5)),
      'r1',
      ['not-installed'],
    ],
    ['is the first where none will ever do, so that what is wrong is said', chain(gone, gone), 'r0', []],
  ])('%s', (_, given, taken, passed) => {
    const found = firstAble(given)
    expect([found.taken, found.passedOver.map(({ why }) => why)]).toEqual([taken, passed])
  })
})

describe('a model', () => {
  const claude = { id: 'claude', models: { 'claude-opus': 'opus' }, ownModels: /^(claude-|(opus|sonnet)$)/ }
  const codex = { id: 'codex', models: { sol: 'gpt-6-sol' }, ownModels: /^gpt-/ }
  const open = { id: 'open', models: { fast: 'some/model' } }
  const all = [claude, codex, open]

  test.each([
    ['sonnet', codex, 'claude'],
    ['claude-opus-4-1', codex, 'claude'],
    ['gpt-5.5', claude, 'codex'],
    ['sol', claude, 'codex'],
    ['fast', codex, 'open'],
    ['sonnet', open, 'claude'],
  ])('%s is not passed to %o, since it is the model of %s', (name, runtime, owner) => {
    expect(ownerOfModel(name, runtime, all)?.id).toBe(owner)
  })

  test.each([
    ['sonnet', claude],
    ['claude-opus-4-1', open],
    ['my-company/model-7', claude],
    ['gpt-7-something', codex],
    ['toString', claude],
  ])('%s is passed on as it is', (name, runtime) => {
    expect(ownerOfModel(name, runtime, all)).toBeNull()
  })
})

describe('sling', () => {
  let home: Home
  let bin: string
  beforeEach(() => {
    home = makeHome()
    bin = join(home.path, 'bin')
    mkdirSync(bin)
  })
  afterEach(() => home.dispose())

  const KEY = { ANTHROPIC_API_KEY: 'x' }
  const install = (name: string) => writeFileSync(join(bin, name), '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 })
  const sling = async (repo: string, ...words: string[]) => {
    const args = ['sling', '--task', words.join(' ') || 'T', ...words, '--json']
    // What this machine has itself is none of the test's business.
    const env = { PATH: `${bin}:/usr/bin:/bin`, ...KEY }
    return JSON.parse((await home.ov(repo, args, { env })).stdout)
  }

  const FALLBACK = 'runtime: { fallback: [codex] }\n'

  test('takes the next runtime where the first is not installed, or nobody is logged in, and says so everywhere', async () => {
    const repo = await readyRepo(home, FALLBACK)
    install('codex')
    mkdirSync(join(home.path, 'home', '.codex'))
    const login = join(home.path, 'home', '.codex', 'auth.json')
    writeFileSync(login, '{}')
    const passedOver = [{ runtime: 'claude', why: 'not-installed', until: null }]
    const slung = await sling(repo)
    expect(slung).toMatchObject({ runtime: 'codex', passedOver })
    const inspected = await home.ov(repo, ['inspect', slung.agent])
    expect(inspected.stdout).toContain('instead=claude is not installed')
    const { output } = await home.ov(repo, ['sling', '--task', 'U'], { env: { PATH: `${bin}:/usr/bin:/bin` } })
    expect(output).toContain('Its runtime is codex: claude is not installed.')
    install('claude')
    expect(await sling(repo, '--name', 'first')).toMatchObject({ runtime: 'claude', passedOver: [] })
    rmSync(join(bin, 'claude'))
    rmSync(login)
    // With nobody left, what is wrong with the first is what is said.
    expect((await sling(repo, '--name', 'none')).error).toMatchObject({ code: 'runtime.not-installed' })
  })

  test('takes the next runtime while the first is held up by its provider, and the first again after that', async () => {
    const repo = await readyRepo(home, `models: { builder: { claude: opus, codex: sol } }\n${FALLBACK}`)
    install('claude')
    install('codex')
    mkdirSync(join(home.path, 'home', '.codex'))
    writeFileSync(join(home.path, 'home', '.codex', 'auth.json'), '{}')
    const until = Date.now() + 3_600_000
    const park = (when: number) =>
      inHome(
        home,
        async () => {
          const project = await openProject(repo)
          const account = accountOf(project.config, await loadRuntime('claude'), null)
          if (account === null) throw new Error('claude needs an account')
          const hit = { cause: 'rate_limit', resetAt: when, byProbe: true, evidence: null } as const
          // As it was an hour before its end.
          const limit = afterHit(null, hit, { ...momentOf(project), now: when - 3_600_000 }, project.config.limits, 0)
          await putLimit(project.db, account, { ...limit, untilMonotonic: null }, { runtime: 'claude', said: 'Enough' })
          await project.close()
        },
        KEY,
      )
    await park(Date.now() - 1)
    expect(await sling(repo, '--name', 'early')).toMatchObject({ runtime: 'claude', model: 'opus', passedOver: [] })
    await park(until)
    expect(await sling(repo, '--name', 'late')).toMatchObject({
      runtime: 'codex',
      model: 'gpt-6.1-sol',
      passedOver: [{ runtime: 'claude', why: 'parked', until }],
    })
    // Who asks for one by name gets it.
    expect(await sling(repo, '--name', 'named', '--runtime', 'claude')).toMatchObject({ runtime: 'claude' })
    const listed = JSON.parse((await home.ov(repo, ['runtime', '--json'], { env: KEY })).stdout).runtimes
    expect(listed).toContainEqual(expect.objectContaining({ id: 'claude', parkedUntil: until, fallback: null }))
    expect(listed).toContainEqual(expect.objectContaining({ id: 'codex', parkedUntil: null, fallback: 1 }))
  })

  test('refuses another vendor’s model before anything is started', async () => {
    const repo = await readyRepo(home, 'models: { scout: gpt-5.5 }\n')
    install('claude')
    install('codex')
    const { error } = await sling(repo, '--runtime', 'codex', '--model', 'sonnet')
    expect(error).toMatchObject({
      kind: 'user',
      code: 'model.foreign',
      message: '"sonnet" is a model of Claude Code, not of Codex.',
    })
    expect(error.hint).toContain('models: { builder: { claude: sonnet, codex: … } }')
    expect((await sling(repo, '--capability', 'scout')).error.message).toBe(
      '"gpt-5.5" is a model of Codex, not of Claude Code.',
    )
    const { stdout } = await home.ov(repo, ['status', '--json'])
    expect(JSON.parse(stdout).agents).toEqual([])
  })

  test('a gateway is named by variables; one that is not set is said, and any model may be behind it', async () => {
    const repo = await readyRepo(home, 'runtime: { claude: { gateway: { baseUrl: OUR_URL, key: OUR_KEY } } }\n')
    install('claude')
    expect((await sling(repo)).error).toMatchObject({
      code: 'runtime.gateway',
      message: 'runtime.claude.gateway names $OUR_URL, which is not set.',
    })
    const env = { PATH: `${bin}:/usr/bin:/bin`, OUR_URL: 'http://127.0.0.1:9', OUR_KEY: 'a-secret-of-ours' }
    writeFileSync(join(bin, 'claude'), `#!/bin/sh\nenv > '${home.path}/seen'; exec sleep 600\n`, { mode: 0o755 })
    const { stdout } = await home.ov(repo, ['sling', '--task', 'T', '--model', 'gpt-5.5', '--json'], { env })
    expect(JSON.parse(stdout)).toMatchObject({ runtime: 'claude', model: 'gpt-5.5' })
    await expect.poll(() => existsSync(`${home.path}/seen`)).toBe(true)
    await expect
      .poll(() => readFileSync(`${home.path}/seen`, 'utf8').split('\n'))
      .toEqual(
        expect.arrayContaining(['ANTHROPIC_BASE_URL=http://127.0.0.1:9', 'ANTHROPIC_AUTH_TOKEN=a-secret-of-ours']),
      )
  })
})
