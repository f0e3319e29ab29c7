import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ignoreLocalConfig } from '../../src/config/local.ts'
import { gitAt } from '../../src/os/git.ts'
import { git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
beforeEach(() => {
  home = makeHome()
  repo = makeRepo(home)
})
afterEach(() => home.dispose())

const write = (file: string, text: string, folder = repo) => writeFileSync(join(folder, file), text)

test('ov config validate accepts the sample and warns of what is not here, ends with 2 for what is wrong', async () => {
  write(
    'overstory.yaml',
    'project: { root: ~/projects/my-project, canonicalBranch: main, qualityGates: [tests-pass, lint-clean] }\nruntime: { capabilities: { scout: cluade } }\n',
  )
  const good = await home.ov(repo, ['config', 'validate'])
  expect(good.code).toBe(0)
  expect(good.stdout).toBe('Valid: overstory.yaml.\n')
  expect(good.output).toMatch(/Warning: overstory\.yaml:1:18: project\.root names .*, which is no git repository here/)
  expect(good.output).toContain('runtime.capabilities.scout: there is no runtime "cluade". Did you mean "claude"?')
  expect(good.output).toContain('overstory.yaml:1:91: the gate "lint-clean" stands for no command of this project')
  expect(good.output).not.toContain('"tests-pass" stands')

  write('overstory.yaml', 'agents:\n  maxDept: 3\n')
  const bad = await home.ov(repo, ['config', 'validate'])
  expect(bad).toMatchObject({ code: 2, stdout: '' })
  expect(bad.output).toContain('overstory.yaml:2:3: unknown key "maxDept" in agents. Did you mean "maxDepth"?\nHint: ')
  const json = await home.ov(repo, ['config', 'validate', '--json'])
  expect(json.code).toBe(2)
  expect(JSON.parse(json.stdout)).toMatchObject({
    valid: false,
    problems: [{ file: 'overstory.yaml', place: { line: 2, column: 3 }, key: 'agents.maxDept' }],
  })
})

test('ov config validate looks into the agent manifest and for the files it names', async () => {
  write('agent-manifest.json', '{ "scout": { "instructions": "roles/scout.md" } }\n')
  const missing = await home.ov(repo, ['config', 'validate'])
  expect(missing.code).toBe(2)
  expect(missing.output).toMatch(
    /agent-manifest\.json:1:30: scout\.instructions names .*roles\/scout\.md, which does not exist/,
  )
  mkdirSync(join(repo, 'roles'))
  write('roles/scout.md', 'Look.\n')
  expect(await home.ov(repo, ['config', 'validate'])).toMatchObject({
    code: 0,
    stdout: 'Valid: agent-manifest.json.\n',
  })
})

test('ov config explain says where each value comes from', async () => {
  write('overstory.yaml', 'agents:\n  maxConcurrent: 3\n')
  const all = await home.ov(repo, ['config', 'explain'], { env: { OV_RUNTIME_DEFAULT: 'shell' } })
  expect(all.stdout).toMatch(/^agents\.maxConcurrent +3 +overstory\.yaml:2:3$/m)
  expect(all.stdout).toMatch(/^agents\.maxDepth +3 +default$/m)
  expect(all.stdout).toMatch(/^runtime\.default +"shell" +OV_RUNTIME_DEFAULT$/m)
  const one = await home.ov(repo, ['config', 'explain', 'agents.maxConcurrent', '--json'])
  expect(JSON.parse(one.stdout).settings).toMatchObject([{ value: 3, from: 'project', place: { line: 2, column: 3 } }])
  expect((await home.ov(repo, ['config', 'explain', 'agent.maxDepth'])).code).toBe(2)
})

test('ov config schema prints a JSON schema in which every key is described', async () => {
  const schema = JSON.parse((await home.ov(repo, ['config', 'schema'])).stdout)
  expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
  expect(schema.properties.agents.properties.maxConcurrent).toMatchObject({ type: 'integer', default: 5, maximum: 500 })
  expect(schema.properties.merge.properties.gateTimeout).toMatchObject({ default: '10m' })
  interface Node {
    readonly description?: string
    readonly properties?: Readonly<Record<string, Node>>
  }
  const undescribed = (node: Node, path: string): string[] =>
    Object.entries(node.properties ?? {}).flatMap(([name, inner]) => [
      ...(inner.description ? [] : [`${path}${name}`]),
      ...undescribed(inner, `${path}${name}.`),
    ])
  expect(undescribed(schema, '')).toEqual([])
})

test('overstory.local.yaml is ignored by git without a change to any tracked file, and only once', async () => {
  write('overstory.local.yaml', 'agents: { maxConcurrent: 2 }\n')
  expect(git(home, repo, 'status', '--porcelain')).toBe('?? overstory.local.yaml')
  expect(await ignoreLocalConfig(gitAt(repo))).toBe(true)
  expect(await ignoreLocalConfig(gitAt(repo))).toBe(false)
  expect(git(home, repo, 'status', '--porcelain')).toBe('')
  const tree = join(home.path, 'tree')
  git(home, repo, 'worktree', 'add', '--quiet', tree)
  write('overstory.local.yaml', 'x', tree)
  expect(await ignoreLocalConfig(gitAt(tree))).toBe(false)
  expect(git(home, tree, 'status', '--porcelain')).toBe('')
})

test('project.root names the repository that is worked on, runners included; one that is not here is a note', async () => {
  const office = makeRepo(home, 'office')
  write('overstory.yaml', "project: { root: ../repo, qualityGates: [{ name: g, command: 'test -f made' }] }\n", office)
  await home.ov(repo, ['init'])
  const command = ['--runtime', 'shell', '--task', 'Make', '--command', 'echo hi > made', '--wait', '--json']
  const slung = await home.ov(office, ['sling', ...command])
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'merged' })
  expect(git(home, repo, 'show', 'main:made')).toBe('hi')
  expect(git(home, office, 'ls-files')).not.toContain('made')

  write('overstory.yaml', 'project: { root: ~/elsewhere }\n')
  const status = await home.ov(repo, ['status'])
  expect(status.code).toBe(0)
  expect(status.output).toMatch(
    /Note: overstory\.yaml:1:18: project\.root names .*elsewhere, which is no git repository here/,
  )
})

test('what worktrees.* and merge.* say is done: base folder, copied files, set-up, attempts', async () => {
  write('.gitignore', '.env\n')
  git(home, repo, 'add', '--all')
  git(home, repo, 'commit', '--quiet', '--message', 'Ignore')
  write('.env', 'KEY=1\n')
  write(
    'overstory.yaml',
    "project: { qualityGates: [{ name: never, command: 'test ! -f where' }] }\nworktrees: { baseDir: trees, copy: [.env], setup: ['echo ready > .git-ready'] }\nmerge: { maxAttempts: 2 }\n",
  )
  await home.ov(repo, ['init'])
  const command = 'pwd > where && cat .env .git-ready >> where'
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'T',
    '--command',
    command,
    '--wait',
    '--json',
  ])
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'failed', attempts: 2, branch: expect.any(String) })
  const { branch } = JSON.parse(slung.stdout)
  // The human's checkout does not show the worktrees as work of theirs.
  expect(git(home, repo, 'status', '--porcelain')).toBe('?? overstory.yaml')
  expect(git(home, repo, 'show', `${branch}:where`)).toBe(`${join(repo, 'trees', 'builder-1')}\nKEY=1\nready`)
})

test('a role of the manifest holds: a read-only builder merges nothing, a model and runtime are taken from it', async () => {
  write('agent-manifest.json', '{ "builder": { "readOnly": true }, "scout": { "runtime": "nosuch" } }\n')
  await home.ov(repo, ['init'])
  const slung = await home.ov(repo, [
    'sling',
    '--runtime',
    'shell',
    '--task',
    'T',
    '--command',
    'true',
    '--wait',
    '--json',
  ])
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'done' })
  const scout = await home.ov(repo, ['sling', '--capability', 'scout', '--task', 'Look'])
  expect(scout.code).toBe(2)
  expect(scout.output).toContain('There is no runtime "nosuch"')
})

test('a variable reaches the runner: OV_MERGE_MAX_ATTEMPTS=1 ends a task at its first red gate', async () => {
  write(
    'overstory.yaml',
    "project: { qualityGates: [{ name: never, command: 'test ! -f when' }] }\nmerge: { maxAttempts: 5 }\n",
  )
  await home.ov(repo, ['init'])
  const task = ['sling', '--runtime', 'shell', '--task', 'T', '--command', 'date > when', '--wait', '--json']
  const slung = await home.ov(repo, task, { env: { OV_MERGE_MAX_ATTEMPTS: '1' } })
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'failed', attempts: 1 })
})

test('runtime.<name> says which program is started, with which arguments, and what it sees of the environment', async () => {
  const program = join(home.path, 'my-claude')
  const seen = join(home.path, 'seen')
  writeFileSync(program, `#!/bin/sh\n{ echo "$@"; env; } > '${seen}'\nexit 1\n`, { mode: 0o755 })
  write(
    'overstory.yaml',
    `runtime: { claude: { binary: ${program}, args: [--my-flag], env: [MY_*] } }\nmodels: { builder: claude }\n`,
  )
  await home.ov(repo, ['init'])
  const env = { MY_TOKEN: 'one', OTHER_TOKEN: 'two' }
  const slung = await home.ov(repo, ['sling', '--task', 'T', '--wait', '--json'], { env })
  expect(JSON.parse(slung.stdout)).toMatchObject({ state: 'failed' })
  const text = readFileSync(seen, 'utf8')
  expect(text.split('\n')[0]).toContain('--my-flag')
  expect(text.split('\n')[0]).not.toContain('--model')
  expect(text).toContain('MY_TOKEN=one')
  expect(text).not.toContain('OTHER_TOKEN')
})
