import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { run } from '../../src/os/process.ts'
import { withoutRootPowers } from '../rig/powers.ts'
import { git, type Home, makeHome, makeRepo, OV } from '../rig/sandbox-home.ts'

let home: Home
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

async function init(cwd: string, ...args: string[]) {
  const outcome = await home.ov(cwd, ['init', ...args, '--json'])
  expect(outcome.output).not.toContain('"error"')
  expect(outcome.code).toBe(0)
  return JSON.parse(outcome.stdout)
}

async function refused(cwd: string, ...args: string[]) {
  const outcome = await home.ov(cwd, ['init', ...args, '--json'])
  const { error } = JSON.parse(outcome.stdout)
  return { exit: outcome.code, ...error }
}

const configOf = (repo: string) => parse(readFileSync(join(repo, 'overstory.yaml'), 'utf8'))

describe('a first run', () => {
  test('finds the checks, the branch and what a worktree needs, and changes no tracked file', async () => {
    const repo = makeRepo(home)
    writeFileSync(join(repo, 'package.json'), '{"scripts":{"test":"true","lint":"true"},"dependencies":{"a":"1"}}')
    writeFileSync(join(repo, 'package-lock.json'), '{}')
    writeFileSync(join(repo, '.gitignore'), '.env\n.env.*\nnode_modules/\n')
    git(home, repo, 'add', '--all')
    git(home, repo, 'commit', '--quiet', '--message', 'Grow up')
    writeFileSync(join(repo, '.env'), 'A=1\n')
    writeFileSync(join(repo, '.env.example'), 'A=\n')

    const outcome = await home.ov(repo, ['init'])
    expect(outcome.code).toBe(0)
    expect(outcome.stdout).toContain('Node (package.json)')
    expect(outcome.stdout).toContain('npm run lint')
    expect(outcome.stdout).toMatch(/Next:\n {2}git add overstory.yaml/)
    expect(configOf(repo)).toEqual({
      project: { canonicalBranch: 'main', qualityGates: ['tests-pass', 'lint-clean'] },
      worktrees: { setup: ['npm ci'], copy: ['.env'] },
    })
    expect(git(home, repo, 'status', '--porcelain')).toBe('?? overstory.yaml')
    expect(statSync(join(repo, '.overstory')).mode & 0o777).toBe(0o700)
  })

  test('gives editors a schema, and git no chance to take the local settings', async () => {
    const repo = makeRepo(home)
    await init(repo)
    const first = readFileSync(join(repo, 'overstory.yaml'), 'utf8').split('\n')[0]
    expect(first).toBe('# yaml-language-server: $schema=.overstory/schema.json')
    const schema = JSON.parse(readFileSync(join(repo, '.overstory', 'schema.json'), 'utf8'))
    expect(schema.properties.project.properties).toHaveProperty('qualityGates')
    writeFileSync(join(repo, 'overstory.local.yaml'), 'agents: { maxConcurrent: 2 }\n')
    expect(git(home, repo, 'status', '--porcelain')).toBe('?? overstory.yaml')
  })

  test('says which runtimes are here, their versions, and whether somebody is logged in', async () => {
    const bin = join(home.path, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'claude'), '#!/bin/sh\necho "9.8.7 (Claude Code)"\n', { mode: 0o755 })
    const repo = makeRepo(home)
    const outcome = await home.ov(repo, ['init', '--json'], { env: { PATH: `${bin}:${home.env.PATH}` } })
    const { runtimes, runtime } = JSON.parse(outcome.stdout)
    expect(runtime).toBe('claude')
    expect(runtimes.find((one: { id: string }) => one.id === 'claude')).toMatchObject({
      installed: true,
      version: '9.8.7',
      certified: false,
      login: 'absent',
    })
  })
})

describe('a further run', () => {
  test('changes nothing and says so', async () => {
    const repo = makeRepo(home)
    await init(repo)
    const files = () =>
      ['overstory.yaml', '.overstory/.gitignore', '.overstory/schema.json', '.git/info/exclude'].map((name) => [
        name,
        statSync(join(repo, name)).mtimeMs,
      ])
    const before = files()
    expect((await init(repo)).changed).toEqual([])
    expect((await home.ov(repo, ['init'])).stdout).toContain('nothing was changed')
    expect(files()).toEqual(before)
  })

  test('never overwrites a configuration, and mends what is missing', async () => {
    const repo = makeRepo(home)
    writeFileSync(join(repo, 'overstory.yaml'), '# mine\nproject: { qualityGates: [] }\n')
    await init(repo)
    rmSync(join(repo, '.overstory', '.gitignore'))
    chmodSync(join(repo, '.overstory'), 0o755)
    expect((await init(repo)).changed).toEqual(['.overstory', '.overstory/.gitignore'])
    expect(readFileSync(join(repo, 'overstory.yaml'), 'utf8')).toBe('# mine\nproject: { qualityGates: [] }\n')
    expect(statSync(join(repo, '.overstory')).mode & 0o777).toBe(0o700)
  })

  test('--force rewrites only with a yes, and keeps the former file', async () => {
    const repo = makeRepo(home)
    writeFileSync(join(repo, 'overstory.yaml'), 'broken: [\n')
    expect(await refused(repo)).toMatchObject({ exit: 2, code: 'config.invalid' })
    expect(await refused(repo, '--force')).toMatchObject({ exit: 2, code: 'init.not-asked' })
    expect(readFileSync(join(repo, 'overstory.yaml'), 'utf8')).toBe('broken: [\n')
    const { backup } = await init(repo, '--force', '--yes')
    expect(readFileSync(join(repo, backup), 'utf8')).toBe('broken: [\n')
    expect(configOf(repo).project.qualityGates).toEqual(['tests-pass'])
  })

  test.each([
    ['y', true],
    ['n', false],
  ])('--force asks a person at a terminal: %s', async (answer, rewritten) => {
    const repo = makeRepo(home)
    writeFileSync(join(repo, 'overstory.yaml'), 'project: {}\n')
    const command = `'${process.execPath}' '${OV}' init --force`
    const outcome = await run(['script', '--quiet', '--return', '--command', command, '/dev/null'], {
      cwd: repo,
      env: { ...home.env, TERM: 'xterm' },
      input: `${answer}\n`,
      timeoutMs: 20_000,
    })
    expect(outcome.output).toContain('Rewrite')
    expect(readFileSync(join(repo, 'overstory.yaml'), 'utf8') === 'project: {}\n').toBe(!rewritten)
  })
})

describe('any repository', () => {
  test('none at all: refused with what to type', async () => {
    expect(await refused(home.path)).toMatchObject({
      exit: 2,
      code: 'project.no-git',
      hint: expect.stringContaining('git init'),
    })
  })

  test('without commits: set up, and the first step is a commit', async () => {
    const repo = join(home.path, 'empty')
    mkdirSync(repo)
    git(home, repo, 'init', '--quiet')
    expect(await init(repo)).toMatchObject({ canonicalBranch: 'main', hasCommits: false })
    expect((await home.ov(repo, ['init'])).stdout).toMatch(/Next:\n {2}git add --all && git commit/)
  })

  test('bare: its branch is looked at, and nothing of that is left', async () => {
    const source = makeRepo(home)
    const bare = join(home.path, 'bare.git')
    git(home, home.path, 'clone', '--quiet', '--bare', source, bare)
    expect(await init(bare)).toMatchObject({
      bare: true,
      root: bare,
      gates: [{ name: 'tests-pass', command: 'npm test' }],
    })
    expect(readdirSync(join(bare, '.overstory', 'scratch'))).toEqual([])
    expect(git(home, bare, 'worktree', 'list')).not.toContain('scratch')
    expect((await home.ov(bare, ['status'])).code).toBe(0)
  })

  test('a linked worktree: the main checkout is set up', async () => {
    const repo = makeRepo(home)
    const linked = join(home.path, 'linked')
    git(home, repo, 'worktree', 'add', '--quiet', '-b', 'side', linked)
    expect((await init(linked)).root).toBe(repo)
    expect(existsSync(join(repo, 'overstory.yaml'))).toBe(true)
    expect(existsSync(join(linked, '.overstory'))).toBe(false)
    expect(git(home, linked, 'status', '--porcelain')).toBe('')
  })

  test('a submodule: itself, not the project around it', async () => {
    const outer = makeRepo(home, 'outer')
    makeRepo(home, 'inner')
    git(home, outer, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', '../inner', 'part')
    git(home, outer, 'commit', '--quiet', '--message', 'Part')
    expect((await init(join(outer, 'part'))).root).toBe(join(outer, 'part'))
    expect(existsSync(join(outer, '.overstory'))).toBe(false)
  })

  test('a path with spaces, quotes and letters of any language', async () => {
    const repo = makeRepo(home, `Überstory 'it"s 日本`)
    expect((await init(repo)).root).toBe(repo)
    expect((await home.ov(repo, ['config', 'validate'])).code).toBe(0)
    const below = join(repo, 'src')
    mkdirSync(below)
    expect((await init(below)).changed).toEqual([])
  })

  test('a folder that may not be written to: an honest error, and nothing half made', async () => {
    const repo = makeRepo(home)
    chmodSync(repo, 0o500)
    try {
      const outcome = await run(withoutRootPowers([process.execPath, OV, 'init', '--json']), {
        cwd: repo,
        env: home.env,
      })
      expect(outcome.code).toBe(1)
      expect(JSON.parse(outcome.stdout).error).toMatchObject({
        code: 'init.read-only',
        hint: expect.stringContaining('ls -ld'),
      })
    } finally {
      chmodSync(repo, 0o700)
    }
    expect(readdirSync(repo).sort()).toEqual(['.git', 'README.md', 'package.json'])
  })

  test('.overstory that is a link or a file or tracked is left alone', async () => {
    const repo = makeRepo(home)
    const elsewhere = join(home.path, 'elsewhere')
    mkdirSync(elsewhere)
    symlinkSync(elsewhere, join(repo, '.overstory'))
    expect(await refused(repo)).toMatchObject({ exit: 6, code: 'init.state-taken' })
    expect(readdirSync(elsewhere)).toEqual([])
    rmSync(join(repo, '.overstory'))
    writeFileSync(join(repo, '.overstory'), 'mine')
    expect(await refused(repo)).toMatchObject({ exit: 6, code: 'init.state-taken' })
    rmSync(join(repo, '.overstory'))
    mkdirSync(join(repo, '.overstory'))
    writeFileSync(join(repo, '.overstory', '.gitignore'), 'logs\n')
    git(home, repo, 'add', '--all')
    expect(await refused(repo)).toMatchObject({ code: 'init.state-taken', hint: expect.stringContaining('git mv') })
    expect(readFileSync(join(repo, '.overstory', '.gitignore'), 'utf8')).toBe('logs\n')
  })

  test('five at once: all succeed, one writes the configuration', async () => {
    const repo = makeRepo(home)
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => home.ov(repo, ['init', '--json'])))
    expect(outcomes.map((outcome) => outcome.code)).toEqual(Array.from({ length: 5 }, () => 0))
    const wrote = outcomes.filter((outcome) => JSON.parse(outcome.stdout).changed.includes('overstory.yaml'))
    expect(wrote).toHaveLength(1)
    expect(readdirSync(repo).filter((name) => name.endsWith('.tmp'))).toEqual([])
    expect((await init(repo)).changed).toEqual([])
  })

  test('inside an agent: refused', async () => {
    const repo = makeRepo(home)
    const outcome = await home.ov(repo, ['init', '--json'], { env: { OV_BROKER: join(home.path, 'no.sock') } })
    expect(JSON.parse(outcome.stdout).error.code).toBe('broker.humans-only')
    expect(existsSync(join(repo, '.overstory'))).toBe(false)
  })
})

describe('an address', () => {
  test('is cloned and set up; a second run finds it there', async () => {
    const url = `file://${makeRepo(home, 'source')}/.git`
    const first = await init(home.path, url, 'copy')
    expect(first).toMatchObject({ root: join(home.path, 'copy'), cloned: true })
    expect(await init(home.path, url, 'copy')).toMatchObject({ changed: [], cloned: false })
  })

  test('that would run a command is refused before git sees it', async () => {
    for (const url of ['ext::sh -c touch% pwned', 'ssh://-oProxyCommand=touch pwned/x']) {
      expect(await refused(home.path, url)).toMatchObject({ exit: 2, code: 'init.bad-url' })
    }
    expect(existsSync(join(home.path, 'pwned'))).toBe(false)
  })

  test('whose folder is taken, or that can’t be reached, is said without its password', async () => {
    mkdirSync(join(home.path, 'taken'))
    writeFileSync(join(home.path, 'taken', 'file'), '')
    const url = 'http://me:s3cret@127.0.0.1:9/team/taken.git'
    const taken = await refused(home.path, url)
    expect(taken).toMatchObject({ exit: 2, code: 'init.folder-taken' })
    const gone = await refused(home.path, url, 'fresh')
    expect(gone).toMatchObject({ exit: 1, code: 'init.clone-failed' })
    expect(JSON.stringify([taken, gone])).not.toContain('s3cret')
    expect(existsSync(join(home.path, 'fresh'))).toBe(false)
    expect(readFileSync(join(home.path, 'taken', 'file'), 'utf8')).toBe('')
  })
})
