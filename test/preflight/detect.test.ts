import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { detectProject } from '../../src/preflight/detect.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ovt-detect-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function detected(files: Record<string, string>) {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return detectProject(root)
}

const manifest = (fields: object) => ({ 'package.json': JSON.stringify(fields) })

describe('node', () => {
  test.each([
    [{ 'package-lock.json': '{}' }, 'npm test', 'npm ci'],
    [{ 'pnpm-lock.yaml': '' }, 'pnpm test', 'pnpm install --frozen-lockfile'],
    [{ 'yarn.lock': '' }, 'yarn test', 'yarn install --frozen-lockfile'],
    [{ 'yarn.lock': '', '.yarnrc.yml': '' }, 'yarn test', 'yarn install --immutable'],
    [{ 'bun.lock': '' }, 'bun run test', 'bun install --frozen-lockfile'],
    [{}, 'npm test', 'npm install --no-package-lock'],
  ])('the lockfile says who runs the scripts and fills a worktree: %j', (files, gate, setup) => {
    const found = detected({ ...manifest({ scripts: { test: 'vitest run' }, dependencies: { a: '1' } }), ...files })
    expect(found).toMatchObject({ type: 'node', gates: { 'tests-pass': gate }, setup: [setup] })
  })

  test('packageManager wins over a stray lockfile', () => {
    const found = detected({
      ...manifest({ packageManager: 'pnpm@9.1.0', scripts: { lint: 'eslint .' }, devDependencies: { eslint: '9' } }),
      'package-lock.json': '{}',
      'pnpm-lock.yaml': '',
    })
    expect(found.gates).toEqual({ 'lint-clean': 'pnpm run lint' })
    expect(found.programs).toEqual(['pnpm'])
  })

  test.each(['typecheck', 'type-check', 'check-types', 'tsc'])('the script %s is the type check', (name) => {
    expect(detected(manifest({ scripts: { [name]: 'tsc --noEmit' } })).gates).toEqual({
      'type-check': `npm run ${name}`,
    })
  })

  test('the placeholder of npm init is not a test', () => {
    const found = detected(manifest({ scripts: { test: 'echo "Error: no test specified" && exit 1' } }))
    expect(found).toMatchObject({ type: 'node', gates: {}, setup: [], programs: [], notes: [] })
  })

  test('a script that watches is no gate: one that ends is taken, else it is said', () => {
    const watching = detected(manifest({ scripts: { test: 'jest --watch', 'test:ci': 'jest' } }))
    expect(watching.gates).toEqual({ 'tests-pass': 'npm run test:ci' })
    const only = detected(manifest({ scripts: { test: 'jest --watchAll' } }))
    expect(only.gates).toEqual({})
    expect(only.notes.join()).toContain('watches and never ends')
  })

  test('a linter that judges is preferred to one that repairs', () => {
    const scripts = { lint: 'eslint --fix .', 'lint:check': 'eslint .' }
    expect(detected(manifest({ scripts })).gates).toEqual({ 'lint-clean': 'npm run lint:check' })
  })

  test('a workspace root without dependencies of its own is filled too', () => {
    expect(detected({ ...manifest({ workspaces: ['packages/*'] }), 'package-lock.json': '{}' }).setup).toEqual([
      'npm ci',
    ])
  })
})

describe('python', () => {
  test('uv, pytest, ruff and mypy from pyproject.toml', () => {
    const found = detected({
      'pyproject.toml':
        '[project]\nname = "x"\ndependencies = ["httpx"]\n[tool.pytest.ini_options]\n[tool.ruff.lint]\n[tool.mypy]\nstrict = true\n',
      'uv.lock': '',
    })
    expect(found).toMatchObject({
      type: 'python',
      gates: {
        'tests-pass': 'uv run --frozen python -m pytest',
        'lint-clean': 'uv run --frozen python -m ruff check .',
        'type-check': 'uv run --frozen python -m mypy .',
      },
      setup: ['uv sync --frozen'],
      programs: ['uv'],
    })
  })

  test('mypy takes no argument where its configuration names the files', () => {
    const found = detected({ 'pyproject.toml': '[tool.mypy]\nfiles = ["src"]\n[tool.other]\n', 'poetry.lock': '' })
    expect(found.gates).toEqual({ 'type-check': 'poetry run python -m mypy' })
  })

  test('requirements become a .venv that no commit can reach, with the tools the gates start', () => {
    const found = detected({
      'requirements.txt': 'flask==3.0\n# pytest is not here\n',
      'requirements-dev.txt': 'flake8>=7\npytest-cov\n',
      'tests/conftest.py': '',
    })
    expect(found.gates).toEqual({
      'tests-pass': 'PATH="$PWD/.venv/bin:$PATH" python3 -m pytest',
      'lint-clean': 'PATH="$PWD/.venv/bin:$PATH" python3 -m flake8',
    })
    expect(found.setup).toEqual([
      "python3 -m venv .venv && printf '*\\n' > .venv/.gitignore && .venv/bin/pip install --quiet -r requirements-dev.txt -r requirements.txt pytest flake8",
    ])
  })

  test.each([
    ['tox', { 'tox.ini': '[testenv]\ncommands = true\n' }, 'python3 -m tox'],
    ['unittest', { 'setup.py': '', 'tests/test_a.py': '' }, 'python3 -m unittest discover -s tests'],
    [
      'unittest in a package',
      { 'setup.py': '', 'tests/test_a.py': '', 'tests/__init__.py': '' },
      'python3 -m unittest discover',
    ],
    ['Django', { 'manage.py': '' }, 'python3 manage.py test'],
  ])('without pytest: %s', (_name, files, command) => {
    expect(detected(files as Record<string, string>).gates['tests-pass']).toMatch(new RegExp(`${command}$`))
  })

  test('the unittest command finds the tests it is meant for', () => {
    const found = detected({
      'setup.py': '',
      'tests/test_a.py':
        'import unittest\nclass A(unittest.TestCase):\n    def test_a(self):\n        self.fail("seen")\n',
    })
    expect(() =>
      execFileSync('/bin/sh', ['-c', found.gates['tests-pass'] ?? ''], { cwd: root, stdio: 'pipe' }),
    ).toThrow('seen')
  })
})

describe('other ecosystems', () => {
  test('cargo brings all three checks, for the whole workspace', () => {
    expect(detected({ 'Cargo.toml': '[workspace]\nmembers = ["a"]\n' })).toMatchObject({
      type: 'rust',
      gates: {
        'tests-pass': 'cargo test --workspace',
        'lint-clean': 'cargo clippy --workspace --all-targets -- -D warnings',
        'type-check': 'cargo check --workspace --all-targets',
      },
    })
  })

  test('go vet, or golangci-lint where it is configured', () => {
    expect(detected({ 'go.mod': 'module x\n' })).toMatchObject({
      type: 'go',
      gates: {
        'tests-pass': 'go test ./...',
        'lint-clean': 'go vet ./...',
        'type-check': 'go build -o /dev/null ./...',
      },
    })
    expect(detected({ '.golangci.yml': '' }).gates['lint-clean']).toBe('golangci-lint run ./...')
  })

  test('a go workspace is checked module by module, and only plain paths reach the command line', () => {
    const found = detected({
      'go.work': 'go 1.22\nuse (\n\t./api // the api\n\t./lib\n\t./$(touch x)\n\t../out\n)\nuse ./cmd\n',
    })
    expect(found.gates['tests-pass']).toBe('go test ./api/... ./lib/... ./cmd/...')
  })

  test.each([
    [
      { Gemfile: 'gem "rspec"\ngem "rubocop"\n', 'Gemfile.lock': '' },
      { 'tests-pass': 'bundle exec rspec', 'lint-clean': 'bundle exec rubocop' },
    ],
    [{ Rakefile: 'Rake::TestTask.new\n' }, { 'tests-pass': 'rake test' }],
    [{ Gemfile: '# gem "rspec"\n', 'bin/rails': '', 'test/a_test.rb': '' }, { 'tests-pass': 'bin/rails test' }],
  ])('ruby: %j', (files, gates) => {
    expect(detected(files as Record<string, string>)).toMatchObject({ type: 'ruby', gates })
  })

  test.each([
    [{ 'pom.xml': '<project/>' }, 'mvn --batch-mode --no-transfer-progress test'],
    [{ 'pom.xml': '<project/>', mvnw: '' }, 'sh ./mvnw --batch-mode --no-transfer-progress test'],
    [{ 'build.gradle.kts': '', gradlew: '' }, 'sh ./gradlew --no-daemon --console=plain test'],
  ])('java, by its wrapper where there is one: %j', (files, command) => {
    expect(detected(files as Record<string, string>)).toMatchObject({ type: 'java', gates: { 'tests-pass': command } })
  })

  test('make targets are gates, variables are not targets', () => {
    const found = detected({ Makefile: 'test := no\n.PHONY: lint check\nlint check: deps\n\ttrue\n' })
    expect(found).toMatchObject({ type: 'make', gates: { 'tests-pass': 'make check', 'lint-clean': 'make lint' } })
  })

  test('nothing known is none', () => {
    expect(detected({ 'README.md': '#' })).toEqual({
      type: 'none',
      evidence: '',
      gates: {},
      setup: [],
      programs: [],
      artefacts: [],
      notes: [],
    })
  })
})

describe('several at once', () => {
  test('the first by priority that has a check wins, and the other is said', () => {
    const found = detected({ ...manifest({ devDependencies: { prettier: '3' } }), 'go.mod': 'module x\n' })
    expect(found.type).toBe('go')
    const both = detected(manifest({ scripts: { test: 'true' } }))
    expect(both).toMatchObject({ type: 'node', gates: { 'tests-pass': 'npm test' } })
    expect(both.notes.join()).toContain('go.mod is there too')
  })

  test('a Makefile fills only the gates that the ecosystem leaves open', () => {
    const found = detected({ ...manifest({ scripts: { test: 'true' } }), Makefile: 'test:\n\nlint:\n' })
    expect(found.gates).toEqual({ 'tests-pass': 'npm test', 'lint-clean': 'make lint' })
  })

  test('projects below an empty root are named', () => {
    expect(detected({ 'api/go.mod': '', 'web/package.json': '{}' }).notes.join()).toMatch(
      /api\/go\.mod, web\/package\.json/,
    )
  })
})

describe('what a commit of an agent may hold', () => {
  test.each(['{', '[]', 'null', '"x"', '{"scripts": 3, "dependencies": "x", "packageManager": {}}', '\0\0'])(
    'a malformed package.json is said or ignored, never thrown: %j',
    (content) => {
      expect(detected({ 'package.json': content })).toMatchObject({ type: 'node', gates: {} })
    },
  )

  test('a byte order mark does not hide the scripts', () => {
    expect(detected({ 'package.json': '\uFEFF{"scripts":{"test":"true"}}' }).gates).toEqual({
      'tests-pass': 'npm test',
    })
  })

  test('pipes, devices, folders and huge files in the place of known ones are passed over at once', () => {
    execFileSync('/usr/bin/env', ['mkfifo', join(root, 'package.json')])
    symlinkSync('/dev/zero', join(root, 'pyproject.toml'))
    mkdirSync(join(root, 'Cargo.toml'))
    symlinkSync('Makefile', join(root, 'Makefile'))
    expect(detected({ 'go.work': ' '.repeat(2 * 1024 * 1024) })).toMatchObject({ gates: {} })
  })
})
