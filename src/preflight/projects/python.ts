import { type Finding, type Folder, firstOf, type GateName } from '../project-type.ts'

const EVIDENCE = ['pyproject.toml', 'setup.py', 'setup.cfg', 'requirements.txt', 'tox.ini', 'Pipfile', 'manage.py']

/** Who owns the project's environment, by its lockfile: how programs are run in it, and how it is made. */
const MANAGERS = [
  { lock: 'uv.lock', program: 'uv', run: 'uv run --frozen ', setup: 'uv sync --frozen' },
  { lock: 'poetry.lock', program: 'poetry', run: 'poetry run ', setup: 'poetry install --no-interaction' },
  { lock: 'pdm.lock', program: 'pdm', run: 'pdm run ', setup: 'pdm sync --dev' },
  { lock: 'Pipfile.lock', program: 'pipenv', run: 'pipenv run ', setup: 'pipenv sync --dev' },
] as const

/** A worktree's own .venv where set-up made one, else what is on PATH. */
const VENV_FIRST = 'PATH="$PWD/.venv/bin:$PATH" '

/** pyproject.toml, setup.* or requirements*.txt: a tool is a check where it is configured or required. */
export function findPython(folder: Folder): Finding | null {
  const requirements = requirementFiles(folder)
  const evidence = firstOf(folder, EVIDENCE) ?? requirements[0]
  if (evidence === undefined) return null
  const manager = MANAGERS.find(({ lock }) => folder.has(lock))
  const tools = toolsOf(folder, requirements)
  const python = (words: string) =>
    manager === undefined ? `${VENV_FIRST}python3 ${words}` : `${manager.run}python ${words}`
  const gates: Partial<Record<GateName, string>> = {}
  const test = testOf(folder, tools)
  if (test !== null) gates['tests-pass'] = python(test)
  const lint = tools.has('ruff') ? 'ruff check .' : tools.has('flake8') ? 'flake8' : null
  if (lint !== null) gates['lint-clean'] = python(`-m ${lint}`)
  const types = tools.has('mypy') ? mypyOf(folder) : tools.has('pyright') ? 'pyright' : null
  if (types !== null) gates['type-check'] = python(`-m ${types}`)
  const used = ['pytest', 'tox', 'ruff', 'flake8', 'mypy', 'pyright'].filter((tool) =>
    Object.values(gates).some((command) => command.split(/[ /]/).includes(tool)),
  )
  const setup = manager === undefined ? plainSetup(folder, requirements, used) : [manager.setup]
  return {
    type: 'python',
    evidence,
    gates,
    setup,
    programs: Object.keys(gates).length + setup.length === 0 ? [] : [manager?.program ?? 'python3'],
    artefacts: ['__pycache__'],
    notes: [],
  }
}

function requirementFiles(folder: Folder): string[] {
  return folder.list().filter((name) => /^(dev-|test-)?requirements[\w.-]*\.txt$/.test(name))
}

/** True where a TOML or INI file has this section, or one below it. */
function hasSection(folder: Folder, file: string, section: string): boolean {
  const text = folder.text(file)
  if (text === null) return false
  return text.split('\n').some((line) => {
    const name = /^\s*\[{1,2}\s*([^\]]+?)\s*\]{1,2}/.exec(line)?.[1]
    return name === section || name?.startsWith(`${section}.`) === true
  })
}

/** The tools a project configures or requires. */
function toolsOf(folder: Folder, requirements: readonly string[]): ReadonlySet<string> {
  const has = (file: string) => folder.has(file)
  const section = (file: string, name: string) => hasSection(folder, file, name)
  const tests = [...folder.list('tests'), ...folder.list('test')]
  const configured: Readonly<Record<string, boolean>> = {
    pytest:
      has('pytest.ini') ||
      has('conftest.py') ||
      tests.includes('conftest.py') ||
      section('pyproject.toml', 'tool.pytest') ||
      section('setup.cfg', 'tool:pytest') ||
      section('tox.ini', 'pytest'),
    tox: section('tox.ini', 'tox') || section('tox.ini', 'testenv') || section('pyproject.toml', 'tool.tox'),
    ruff: has('ruff.toml') || has('.ruff.toml') || section('pyproject.toml', 'tool.ruff'),
    flake8: has('.flake8') || section('setup.cfg', 'flake8') || section('tox.ini', 'flake8'),
    mypy: has('mypy.ini') || has('.mypy.ini') || section('pyproject.toml', 'tool.mypy') || section('setup.cfg', 'mypy'),
    pyright: has('pyrightconfig.json') || section('pyproject.toml', 'tool.pyright'),
  }
  const required = [...requirements, 'pyproject.toml', 'setup.cfg', 'setup.py', 'Pipfile']
    .map((file) => (folder.text(file) ?? '').replace(/(^|\s)#.*$/gm, ''))
    .join('\n')
  const requires = (tool: string) => new RegExp(`(^|["'\\s])${tool}(?=["'\\s\\[<>=~!;,]|$)`, 'm').test(required)
  return new Set(Object.keys(configured).filter((tool) => configured[tool] === true || requires(tool)))
}

/** What Python is told to run the tests, or null when there are none. */
function testOf(folder: Folder, tools: ReadonlySet<string>): string | null {
  if (tools.has('pytest')) return '-m pytest'
  if (tools.has('tox')) return '-m tox'
  if (folder.has('manage.py')) return 'manage.py test'
  const isTest = (name: string) => /^test.*\.py$/.test(name)
  for (const name of ['tests', 'test']) {
    const inside = folder.list(name)
    if (!inside.some(isTest)) continue
    // A folder that is no package is not found from the root.
    return inside.includes('__init__.py') ? '-m unittest discover' : `-m unittest discover -s ${name}`
  }
  return folder.list().some(isTest) ? '-m unittest discover' : null
}

/** Where the configuration names the files, mypy takes none on its command line. */
function mypyOf(folder: Folder): string {
  const named = ['pyproject.toml', 'mypy.ini', '.mypy.ini', 'setup.cfg'].some((file) =>
    /^\s*(files|packages|modules)\s*=/m.test(sectionText(folder, file)),
  )
  return named ? 'mypy' : 'mypy .'
}

function sectionText(folder: Folder, file: string): string {
  const text = folder.text(file) ?? ''
  return /^\s*\[(?:tool\.)?mypy\]([\s\S]*?)(?=^\s*\[|$(?![\s\S]))/m.exec(text)?.[1] ?? ''
}

/** A .venv that no commit can reach, with the requirements and the tools that the gates start. */
function plainSetup(folder: Folder, requirements: readonly string[], tools: readonly string[]): string[] {
  const packages = requirements.map((file) => `-r ${file}`)
  const project = folder.text('pyproject.toml')
  if (packages.length === 0 && hasDependencies(folder)) {
    const extras = ['dev', 'test', 'tests', 'testing'].filter((extra) =>
      new RegExp(`^\\s*["']?${extra}["']?\\s*=\\s*\\[`, 'm').test(project ?? ''),
    )
    packages.push(extras.length === 0 ? '-e .' : `-e '.[${extras.join(',')}]'`)
  }
  if (packages.length === 0) return []
  return [
    `python3 -m venv .venv && printf '*\\n' > .venv/.gitignore && .venv/bin/pip install --quiet ${[...packages, ...tools].join(' ')}`,
  ]
}

function hasDependencies(folder: Folder): boolean {
  return (
    /^\s*dependencies\s*=\s*\[\s*["'\n]/m.test(folder.text('pyproject.toml') ?? '') ||
    hasSection(folder, 'pyproject.toml', 'project.optional-dependencies') ||
    /install_requires/.test(`${folder.text('setup.py') ?? ''}\n${folder.text('setup.cfg') ?? ''}`)
  )
}
