import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { standingOf } from '../../src/contract/versions.ts'
import type { RuntimeReport } from '../../src/preflight/runtime-list.ts'
import { versionIn } from '../../src/preflight/version.ts'
import { type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

let home: Home
let path: string
beforeEach(() => {
  home = makeHome()
  path = '/usr/bin:/bin'
})
afterEach(() => home.dispose())

/** Puts a program behind all others on PATH. */
function program(folder: string, name: string, script: string): string {
  mkdirSync(join(home.path, folder), { recursive: true })
  const file = join(home.path, folder, name)
  writeFileSync(file, `${script.startsWith('#!') ? '' : '#!/bin/sh\n'}${script}\n`, { mode: 0o755 })
  if (!path.split(':').includes(join(home.path, folder))) path = `${path}:${join(home.path, folder)}`
  return file
}

async function list(cwd = home.path, env: Record<string, string> = {}) {
  const { stdout, code, output } = await home.ov(cwd, ['runtime', 'list', '--json'], { env: { PATH: path, ...env } })
  expect(code, output).toBe(0)
  const { runtimes } = JSON.parse(stdout) as { runtimes: RuntimeReport[] }
  const get = (id: string) => {
    const found = runtimes.find((runtime) => runtime.id === id)
    if (!found) throw new Error(`no runtime ${id}`)
    return found
  }
  return { claude: get('claude'), codex: get('codex'), shell: get('shell') }
}

async function screen(width: number, words: readonly string[] = []): Promise<string> {
  const shown = await home.ov(home.path, ['runtime', 'list', ...words], { env: { PATH: path, COLUMNS: String(width) } })
  return shown.stdout
}

const CLAUDE = 'echo "2.1.328 (Claude Code)"'

describe('what is found', () => {
  test('nothing: the list says how to begin, in a repository and outside of any', async () => {
    expect(await list()).toMatchObject({ claude: { installed: false, program: null }, shell: { installed: true } })
    const text = await screen(80)
    expect(text).toMatch(/^claude +not installed +all$/m)
    expect(text).toContain('No agent CLI is installed. How to install one: ov runtime list claude.')
    expect(await screen(80, ['claude'])).toContain('install   npm install -g @anthropic-ai/claude-code')
  })

  test('a version that is certified, or on which side of those it lies', async () => {
    const file = program('bin', 'claude', CLAUDE)
    expect((await list()).claude).toMatchObject({ program: file, version: '2.1.328', certified: true, drifted: null })
    program('bin', 'claude', 'echo "3.0.0 (Claude Code)"')
    expect((await list()).claude).toMatchObject({ version: '3.0.0', certified: false, drifted: 'newer' })
    expect(await screen(120)).toContain('Claude Code 3.0.0 is newer than what is certified: 2.1.328.')
  })

  test('two of them: the first on PATH is taken, the other is said; a link to the same is no other', async () => {
    const first = program('a', 'claude', CLAUDE)
    const second = program('b', 'claude', 'echo "2.0.0 (Claude Code)"')
    mkdirSync(join(home.path, 'c'))
    symlinkSync(first, join(home.path, 'c', 'claude'))
    path = `${path}:${join(home.path, 'c')}`
    const { claude } = await list()
    expect(claude).toMatchObject({ program: first, others: [{ path: second, version: '2.0.0' }] })
    expect(await screen(Number.MAX_SAFE_INTEGER)).toContain(`behind it on PATH: ${second} (2.0.0)`)
  })

  test('a login, by a key or a file', async () => {
    program('bin', 'claude', CLAUDE)
    expect((await list()).claude).toMatchObject({ login: 'absent', loginSeen: null })
    expect((await list(home.path, { ANTHROPIC_API_KEY: 'x' })).claude.loginSeen).toBe('$ANTHROPIC_API_KEY')
    mkdirSync(join(home.path, 'home', '.codex'))
    writeFileSync(join(home.path, 'home', '.codex', 'auth.json'), '{}')
    expect((await list()).codex.loginSeen).toBe('~/.codex/auth.json')
  })

  test('who uses which, as it is configured', async () => {
    const repo = await readyRepo(home, 'models: { scout: codex }\nruntime: { capabilities: { lead: codex } }\n')
    expect((await list(repo)).codex.usedBy).toEqual(['lead', 'scout'])
  })
})

describe('a program that is not what its name says', () => {
  test.each([
    ['hangs', 'sleep 600', 'timeout', null],
    ['fails', 'echo "cannot open display" >&2; exit 1', 'failed', 'cannot open display'],
    ['is another program of that name', 'echo "claude 4.1, a cloud shell"', 'strange', 'claude 4.1, a cloud shell'],
    ['says nothing', 'exit 0', 'strange', null],
    ['prints what is no text', 'head -c 3000000 /dev/urandom', 'strange', expect.any(String)],
    ['can’t be run', '#!/no/such/interpreter', 'failed', null],
  ] as const)(
    'that %s is told as such, and the rest is listed all the same',
    async (_, script, silent, said) => {
      program('bin', 'claude', script)
      program('bin', 'codex', 'echo "codex-cli 0.169.0"')
      const { claude, codex } = await list()
      expect(claude).toMatchObject({ installed: true, version: null, certified: null, silent, said })
      expect(codex.version).toBe('0.169.0')
    },
    30_000,
  )

  test('one that has more to say than its version is understood', async () => {
    program('bin', 'claude', `echo "A new version is out!" >&2; ${CLAUDE}; echo "Bye 1.0"`)
    expect((await list()).claude).toMatchObject({ version: '2.1.328', silent: null, wrapper: true })
  })
})

test('what a program says is remembered until its file changes; what a script says never is', async () => {
  const asked = join(home.path, 'asked')
  const node = (version: string) =>
    `#!${process.execPath}\nrequire('fs').appendFileSync('${asked}', 'x'); console.log('codex-cli ${version}')`
  const file = program('bin', 'codex', node('0.169.0'))
  expect([(await list()).codex.version, (await list()).codex.version]).toEqual(['0.169.0', '0.169.0'])
  rmSync(file)
  program('bin', 'codex', node('0.170.0'))
  expect((await list()).codex).toMatchObject({ version: '0.170.0', wrapper: false })
  program('bin', 'claude', CLAUDE)
  expect((await list()).claude.version).toBe('2.1.328')
  const times = join(home.path, 'times')
  program('bin', 'claude', `cat '${times}'`)
  writeFileSync(times, '2.1.1 (Claude Code)')
  expect((await list()).claude.version).toBe('2.1.1')
  writeFileSync(times, '2.1.2 (Claude Code)')
  expect((await list()).claude.version).toBe('2.1.2')
})

test.each([30, 60, 100])('no line is wider than a terminal of %i columns', async (width) => {
  program('bin', 'claude', 'echo what')
  for (const words of [[], ['claude']])
    for (const line of (await screen(width, words)).split('\n')) expect(line.length).toBeLessThanOrEqual(width)
})

test('a program that the configuration names is held to what it is', async () => {
  const file = program('elsewhere', 'mine', CLAUDE)
  const repo = await readyRepo(home, `runtime: { claude: { binary: ${file} } }\n`)
  const doctor = async () => {
    const { stdout } = await home.ov(repo, ['doctor', '--json'], { env: { PATH: `${path}:${home.env.PATH}` } })
    const { issues } = JSON.parse(stdout) as { issues: { code: string; message: string }[] }
    return issues.find(({ code }) => code.startsWith('runtime.') && code !== 'runtime.no-login')
  }
  expect(await doctor()).toBeUndefined()
  chmodSync(file, 0o644)
  expect(await doctor()).toMatchObject({ code: 'runtime.binary', message: expect.stringContaining('may not be run') })
  rmSync(file)
  expect(await doctor()).toMatchObject({ code: 'runtime.binary', message: expect.stringContaining('is not there') })
  mkdirSync(file)
  expect(await doctor()).toMatchObject({ code: 'runtime.binary', message: expect.stringContaining('is no file') })
  rmSync(file, { recursive: true })
  program('elsewhere', 'mine', 'echo "gnu mine 1.2"')
  expect(await doctor()).toMatchObject({ code: 'runtime.wrong-program', message: expect.stringContaining('gnu mine') })
})

test('versions are told apart by number, previews and builds before the version itself', () => {
  const certified = ['0.9.2', '0.10.0']
  const versions = ['0.9.1', '0.9.2', '0.9.10', '0.10.0-beta.1', '0.10.0', '0.10', '0.10.1', '1.0.0-rc.1']
  expect(versions.map((version) => standingOf(version, certified))).toEqual([
    'older',
    ...Array(5).fill('certified'),
    'newer',
    'newer',
  ])
  expect(standingOf('1.0.0', [])).toBeNull()
})

test.each([
  ['0.61.0\n', '0.61.0'],
  [' 1.52.0\n', '1.52.0'],
  ['aider 0.86.3\n', '0.86.3'],
  ['GitHub Copilot CLI 1.0.102.\nCommit: abcdef\n', '1.0.102'],
  ['0.0.1790142911-g7618fb (released 2026-09-23T05:15:11.000Z, 58d ago)\n', '0.0.1790142911-g7618fb'],
  ['v22.1.0', '22.1.0'],
  ['usage: thing [--help]\n', null],
  ['listening on http://127.0.0.1:4096\n', null],
])('reads the version in %j', (output, version) => {
  expect(versionIn(output, {})).toBe(version)
})
