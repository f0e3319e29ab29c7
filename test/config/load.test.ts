import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { explainConfig } from '../../src/config/explain.ts'
import { loadConfig, readConfig } from '../../src/config/load.ts'
import { sayProblem } from '../../src/config/problem.ts'
import { runtimeSection } from '../../src/config/runtime-section.ts'
import { OvError } from '../../src/errors.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ov-config-'))
  vi.stubEnv('HOME', join(root, 'home'))
  vi.stubEnv('XDG_CONFIG_HOME', join(root, 'xdg'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(root, { recursive: true })
})

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true })
  writeFileSync(join(root, file), text)
}

/** What is said about an `overstory.yaml` of this text, a line a problem. */
async function complaints(text: string): Promise<string[]> {
  write('overstory.yaml', text)
  return (await readConfig(root)).problems.map(sayProblem)
}

const SAMPLE = `project: { name: my-project, root: ~/projects/my-project, canonicalBranch: main, qualityGates: [tests-pass, lint-clean, type-check] }
agents: { manifest: agent-manifest.json, maxConcurrent: 5, maxDepth: 3, maxSessionsPerRun: 10 }
worktrees: { baseDir: .overstory/worktrees }
watchdog: { tier0: { enabled: true, interval: 60s, nudgeAfter: 120s }, tier1: { enabled: true, model: claude-haiku } }
models: { coordinator: claude-opus-4, scout: claude-haiku, builder: codex, reviewer: claude-sonnet-4 }
runtime: { default: claude, capabilities: { builder: codex, scout: claude } }
`

test('the sample configuration is accepted as it is written, and means what it says', async () => {
  write('overstory.yaml', SAMPLE)
  const { config } = await loadConfig(root)
  expect(config).toMatchObject({
    project: {
      name: 'my-project',
      root: join(root, 'home/projects/my-project'),
      canonicalBranch: 'main',
      qualityGates: ['tests-pass', 'lint-clean', 'type-check'],
    },
    agents: { manifest: 'agent-manifest.json', maxConcurrent: 5, maxDepth: 3, maxSessionsPerRun: 10 },
    worktrees: { baseDir: '.overstory/worktrees' },
    watchdog: {
      tier0: { enabled: true, interval: 60_000, nudgeAfter: 120_000 },
      tier1: { enabled: true, model: 'claude-haiku' },
    },
    models: { coordinator: 'claude-opus-4', scout: 'claude-haiku', builder: 'codex', reviewer: 'claude-sonnet-4' },
    runtime: { default: 'claude', capabilities: { builder: 'codex', scout: 'claude' } },
  })
})

test('without any file, an empty one, comments alone or empty sections, the defaults hold', async () => {
  const defaults = (await loadConfig(root)).config
  expect(defaults.agents.maxConcurrent).toBe(5)
  for (const text of ['', '# nothing yet\n', 'agents:\n', 'watchdog:\n  tier0:\n', '---\n']) {
    write('overstory.yaml', text)
    expect((await loadConfig(root)).config).toEqual(defaults)
  }
})

test.each([
  [
    'agents:\n  maxConcurent: 3\n',
    'overstory.yaml:2:3: unknown key "maxConcurent" in agents. Did you mean "maxConcurrent"?',
  ],
  [
    'agents: {max_concurrent: 3}\n',
    'overstory.yaml:1:10: unknown key "max_concurrent" in agents. Did you mean "maxConcurrent"?',
  ],
  ['maxDepth: 3\n', 'overstory.yaml:1:1: unknown key "maxDepth". Did you mean "agents.maxDepth"?'],
  [
    'project:\n  colour: red\n',
    'overstory.yaml:2:3: unknown key "colour" in project. Known there: name, root, canonicalBranch, qualityGates',
  ],
  ['runtime:\n  cluade: { args: [] }\n', 'overstory.yaml:2:3: unknown key "cluade" in runtime. Did you mean "claude"?'],
  ['models: { bulder: x }\n', 'overstory.yaml:1:11: unknown key "bulder" in models. Did you mean "builder"?'],
  [
    '__proto__: { a: 1 }\n',
    'overstory.yaml:1:1: unknown key "__proto__". Known there: project, agents, worktrees, merge, limits, watchdog, load, notify, models, runtime',
  ],
  [
    'project: { qualityGates: [{ name: a, comand: b, command: c }] }\n',
    'overstory.yaml:1:38: unknown key "comand" in project.qualityGates[0]. Did you mean "command"?',
  ],
  ['agents:\n  maxDepth: three\n', 'overstory.yaml:2:13: agents.maxDepth must be a whole number, not "three"'],
  ['agents: { maxDepth: 2.5 }\n', 'overstory.yaml:1:21: agents.maxDepth must be a whole number, not 2.5'],
  ['agents: { maxConcurrent: 0 }\n', 'overstory.yaml:1:26: agents.maxConcurrent must be at least 1, not 0'],
  ['agents: { maxConcurrent: 1000 }\n', 'overstory.yaml:1:26: agents.maxConcurrent must be at most 500, not 1000'],
  ['agents:\n  maxDepth:\n', 'overstory.yaml:2:3: agents.maxDepth is left empty; give it a value or leave the key out'],
  ['project: { name: 12 }\n', 'overstory.yaml:1:18: project.name must be text, not 12; put it in quotes'],
  ['project: { name: "" }\n', 'overstory.yaml:1:18: project.name must not be empty'],
  ['project: [a]\n', 'overstory.yaml:1:10: project must be a mapping of keys to values, not a list'],
  ['merge: { auto: yes }\n', 'overstory.yaml:1:16: merge.auto must be true or false, not "yes"'],
  [
    'merge: { gateTimeout: 10 minutes }\n',
    'overstory.yaml:1:23: merge.gateTimeout must be a duration such as 500ms, 60s, 10m or 1h, not "10 minutes"',
  ],
  [
    'merge: { gateTimeout: 0s }\n',
    'overstory.yaml:1:23: merge.gateTimeout must be more than 0 and at most 576h, not "0s"',
  ],
  [
    'merge: { gateTimeout: -5 }\n',
    'overstory.yaml:1:23: merge.gateTimeout must be more than 0 and at most 576h, not -5',
  ],
  [
    'merge: { gateTimeout: [] }\n',
    'overstory.yaml:1:23: merge.gateTimeout must be a duration such as 500ms, 60s, 10m or 1h, not a list',
  ],
  ['project:\n  qualityGates:\n    - name: e2e\n', 'overstory.yaml:3:7: project.qualityGates[0].command is missing'],
  [
    'project: { qualityGates: [true] }\n',
    'overstory.yaml:1:27: project.qualityGates[0] must be the name of a gate, or {name: …, command: …, timeout: …}, not true',
  ],
  [
    'project: { qualityGates: [a, a] }\n',
    'overstory.yaml:1:30: project.qualityGates[1] names the gate "a" a second time',
  ],
  [
    'worktrees: { copy: [../secrets] }\n',
    'overstory.yaml:1:21: worktrees.copy[0] must be a file inside the project, relative to it, not "../secrets"',
  ],
  [
    'runtime: { claude: { env: [TOKEN=abc] } }\n',
    'overstory.yaml:1:28: runtime.claude.env[0] must be the name of a variable; its value stays outside, not "TOKEN=abc"',
  ],
  [
    'runtime: { claude: { binary: bin/claude } }\n',
    'overstory.yaml:1:30: runtime.claude.binary must be a name to look for on PATH, or an absolute path, not "bin/claude"',
  ],
  ['agents:\n\tmaxDepth: 3\n', 'overstory.yaml:2:1: a tab is used to indent; YAML takes spaces only'],
  ['merge: { auto: true }\nmerge: { auto: false }\n', 'overstory.yaml:2:1: the key "merge" is given twice'],
  ['a: 1\n---\nb: 2\n', 'overstory.yaml:2:1: holds several documents (---), of which only one could count'],
  ['- a\n', 'overstory.yaml:1:1: must be a mapping of keys to values, not a list'],
  ['hello\n', 'overstory.yaml:1:1: must be a mapping of keys to values, not a single value'],
  ['agents: *x\n', 'overstory.yaml:1:9: *x stands for nothing: there is no &x before it'],
  [
    'agents: {\n',
    'overstory.yaml:2:1: is not YAML: Flow map in block collection must be sufficiently indented and end with a }',
  ],
])('%j is refused with its place and the way out', async (text, said) => {
  expect(await complaints(text)).toEqual([said])
})

test('all that is wrong is said at once, in the order of the file', async () => {
  const text = 'agents:\n  maxDepth: x\n  maxDepth: 3\nmerge:\n  auto: 1\n  autoo: 1\n'
  expect(await complaints(text)).toEqual([
    'overstory.yaml:3:3: the key "maxDepth" is given twice',
    'overstory.yaml:5:9: merge.auto must be true or false, not 1',
    'overstory.yaml:6:3: unknown key "autoo" in merge. Did you mean "auto"?',
  ])
  write('overstory.local.yaml', 'zz: 1\n')
  vi.stubEnv('OV_AGENTS_MAX_DEPTH', 'deep')
  await expect(loadConfig(root)).rejects.toMatchObject({
    kind: 'user',
    code: 'config.invalid',
    message: expect.stringMatching(
      /^The configuration has 5 problems:\n {2}OV_AGENTS_MAX_DEPTH: .*\n {2}overstory\.local\.yaml:1:1: /,
    ),
    hint: expect.stringContaining('ov config validate'),
  })
})

test('text of the file cannot drive the terminal that shows the error', async () => {
  expect((await complaints('"\\e[31mred\\e[0m\\nnext": 1\n'))[0]).toMatch(
    /^overstory\.yaml:1:1: unknown key "red next"\./,
  )
})

test('aliases that would unfold without end are refused', async () => {
  const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level++) bomb.push(`a${level}: &a${level} [${`*a${level - 1}, `.repeat(10)}]`)
  expect((await complaints(bomb.join('\n')))[0]).toMatch(/alias count/)
})

test('what cannot be read is said, not passed over', async () => {
  mkdirSync(join(root, 'overstory.yaml'))
  expect((await readConfig(root)).problems.map(sayProblem)).toEqual(['overstory.yaml: is not a file'])
})

test('environment over local over project over user over default; mappings merge, lists replace', async () => {
  write(
    'xdg/overstory/config.yaml',
    'agents: { maxConcurrent: 2, maxDepth: 2, maxSessionsPerRun: 2 }\nworktrees: { setup: [user] }\n',
  )
  write('overstory.yaml', 'agents: { maxConcurrent: 3, maxDepth: 3 }\nworktrees: { setup: [one, two], copy: [.env] }\n')
  write('overstory.local.yaml', 'agents: { maxConcurrent: 4 }\nworktrees: { setup: [local] }\n')
  const { config } = await loadConfig(root)
  expect(config.agents).toMatchObject({ maxConcurrent: 4, maxDepth: 3, maxSessionsPerRun: 2 })
  expect(config.worktrees).toMatchObject({ setup: ['local'], copy: ['.env'] })
  vi.stubEnv('OV_AGENTS_MAX_CONCURRENT', '7')
  vi.stubEnv('OV_WORKTREES_SETUP', '[npm ci, "make deps"]')
  vi.stubEnv('OV_PROJECT_QUALITY_GATES', '[{"name": "t", "command": "true", "timeout": "5s"}]')
  vi.stubEnv('OV_PROJECT_CANONICAL_BRANCH', '2024')
  vi.stubEnv('OV_MERGE_GATE_TIMEOUT', '90s')
  vi.stubEnv('OV_MODELS_BUILDER', 'codex')
  vi.stubEnv('OV_RUNTIME_CLAUDE_ARGS', '[--verbose]')
  const above = (await loadConfig(root)).config
  expect(above.agents).toMatchObject({ maxConcurrent: 7, maxDepth: 3, maxSessionsPerRun: 2 })
  expect(above.worktrees.setup).toEqual(['npm ci', 'make deps'])
  expect(above.project).toEqual({
    canonicalBranch: '2024',
    qualityGates: [{ name: 't', command: 'true', timeout: 5000 }],
  })
  expect(above.merge.gateTimeout).toBe(90_000)
  expect(above.models).toEqual({ builder: 'codex' })
  expect(runtimeSection(above, 'claude')).toEqual({ args: ['--verbose'], mode: 'structured', env: [] })
  expect(runtimeSection(above, 'shell')).toEqual({ args: [], mode: 'structured', env: [] })
})

test('ov’s own variables and those of others are no settings; a typing error in one is pointed out', async () => {
  for (const name of ['OV_BROKER', 'OV_AGENT', 'OV_AGENT_ID', 'OV_TASK', 'OV_FEEDBACK', 'OV_FRONTEND_PATH'])
    vi.stubEnv(name, 'x')
  vi.stubEnv('OV_MODELS_BUILDER', '')
  expect(await readConfig(root)).toMatchObject({ layers: [], problems: [], warnings: [] })
  vi.stubEnv('OV_AGENTS_MAX_CONCURENT', '3')
  expect((await readConfig(root)).warnings.map(sayProblem)).toEqual([
    'OV_AGENTS_MAX_CONCURENT: is no setting and changes nothing. Did you mean OV_AGENTS_MAX_CONCURRENT?',
  ])
})

test('what names one project is refused in the settings for all', async () => {
  write('xdg/overstory/config.yaml', 'project:\n  root: /elsewhere\n')
  expect((await readConfig(root)).problems.map((problem) => problem.message)).toEqual([
    'project.root belongs into the overstory.yaml of a project, not into the settings for all',
  ])
})

test('explain names the source of a value, with what it stands in front of', async () => {
  write('overstory.yaml', 'agents:\n  maxConcurrent: 3\n')
  vi.stubEnv('OV_AGENTS_MAX_CONCURRENT', '7')
  const { layers } = await loadConfig(root)
  expect(explainConfig(layers, 'agents.maxConcurrent')).toEqual([
    {
      key: 'agents.maxConcurrent',
      value: 7,
      from: 'environment',
      file: 'OV_AGENTS_MAX_CONCURRENT',
      place: null,
      description: expect.any(String),
      variable: 'OV_AGENTS_MAX_CONCURRENT',
      below: [
        { value: 3, from: 'project', file: 'overstory.yaml', place: { line: 2, column: 3 } },
        { value: 5, from: 'default', file: null, place: null },
      ],
    },
  ])
  expect(explainConfig(layers, 'merge').map((setting) => setting.key)).toHaveLength(3)
  expect(() => explainConfig(layers, 'agents.maxDept')).toThrow(
    expect.objectContaining({ hint: 'Did you mean: ov config explain agents.maxDepth' }),
  )
})

test('a byte order mark and Windows line ends are no mistakes', async () => {
  write('overstory.yaml', '\uFEFFagents:\r\n  maxDepth: 2\r\n  maxConcurrent: 9\r\n')
  expect((await loadConfig(root)).config.agents).toMatchObject({ maxDepth: 2, maxConcurrent: 9 })
})

test.each([
  [
    'runtime: { claude: { args: ["--settings", "{ANTHROPIC_API_KEY: sk-ant-api03-abcdefgh}"] } }',
    'runtime.claude.args[1]',
  ],
  ['runtime: { codex: { args: ["-c", "x.api_key=1234567890abcdefgh"] } }', 'runtime.codex.args[1]'],
  ['runtime: { claude: { env: ["sk-ant-api03-abcdefghijkl"] } }', 'runtime.claude.env[0]'],
  ['runtime: { claude: { gateway: { baseUrl: "https://me:secret@host/" } } }', 'runtime.claude.gateway.baseUrl'],
  ['worktrees: { setup: ["npm config set token ghp_0123456789abcdefghijABCDEFGHIJ012345"] }', 'worktrees.setup[0]'],
  ['models: { builder: AIzaSyA0123456789abcdefghijklmnopqrstuv }', 'models.builder'],
])('a secret has no place in it, and is not repeated: %s', async (text, key) => {
  write('overstory.yaml', `${text}\nagents: { maxDepth: no }\n`)
  const error = await loadConfig(root).catch((one: OvError) => one)
  if (!(error instanceof OvError)) throw new Error('it was taken')
  expect(error.message).toContain(`${key} looks like it holds a key or a password`)
  expect(`${error.message} ${error.hint}`).not.toMatch(/sk-ant|1234567890abcdefgh|secret@|ghp_|AIza/)
})

test.each([
  ['args: ["-c", \'model_providers.azure={name="Azure",base_url="https://host/v1",env_key="AZURE_KEY"}\']'],
  ['args: ["--max-budget-usd", "5", "--token-limit", "200000"]'],
  ['env: [MY_API_KEY, "AWS_*"]'],
  ['binary: /opt/sk-tools/bin/claude'],
])('what only names a secret is none: %s', async (text) => {
  write('overstory.yaml', `runtime: { claude: { ${text} } }\n`)
  expect((await loadConfig(root)).layers).toHaveLength(1)
})
