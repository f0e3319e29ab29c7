import { type Finding, type Folder, firstOf, type GateName } from '../project-type.ts'

type Mapping = Readonly<Record<string, unknown>>

interface Manifest {
  readonly packageManager: string
  readonly scripts: Mapping
  readonly dependencies: Mapping
  readonly devDependencies: Mapping
  readonly optionalDependencies: Mapping
  readonly workspaces: unknown
}

const YARN_BERRY = 'yarn install --immutable'

type Manager = 'npm' | 'pnpm' | 'yarn' | 'bun'

const LOCKFILES: Readonly<Record<Manager, readonly string[]>> = {
  pnpm: ['pnpm-lock.yaml'],
  yarn: ['yarn.lock'],
  bun: ['bun.lock', 'bun.lockb'],
  npm: ['package-lock.json', 'npm-shrinkwrap.json'],
}

/** Script names by gate, the usual one first. */
const SCRIPTS: Readonly<Record<GateName, readonly string[]>> = {
  'tests-pass': ['test', 'test:ci', 'test:run', 'test:unit'],
  'lint-clean': ['lint', 'lint:check', 'lint:ci', 'check:lint'],
  'type-check': ['typecheck', 'type-check', 'check-types', 'check:types', 'types:check', 'tsc'],
  build: ['build'],
}

/** What `npm init` writes where a test should be. */
const PLACEHOLDER = /no test specified/i
/** Never ends by itself. */
const WATCHES = /(^|\s)--watch(All)?(?=\s|$)|\bvitest\s+(watch|dev)\b|\bnodemon\b/
/** Changes files instead of judging them. */
const REPAIRS = /(^|\s)--(fix|write)(?=\s|$)/

/** package.json: the scripts are the checks, the lockfile or `packageManager` says who runs them. */
export function findNode(folder: Folder): Finding | null {
  const text = folder.text('package.json')
  if (text === null) return null
  const manifest = parse(text)
  if (manifest === null) {
    return {
      type: 'node',
      evidence: 'package.json',
      gates: {},
      setup: [],
      programs: [],
      artefacts: [],
      notes: ['package.json is not valid JSON, so its scripts are not known.'],
    }
  }
  const manager = managerOf(folder, manifest)
  const notes: string[] = []
  const gates: Partial<Record<GateName, string>> = {}
  for (const gate of Object.keys(SCRIPTS) as GateName[]) {
    const script = scriptFor(gate, manifest, notes)
    if (script !== null) gates[gate] = runScript(manager, script)
  }
  const setup = installs(folder, manifest, manager)
  return {
    type: 'node',
    evidence: 'package.json',
    gates,
    setup,
    programs: Object.keys(gates).length + setup.length > 0 ? [manager] : [],
    // Yarn's Plug'n'Play makes none.
    artefacts: setup.length > 0 && !setup.includes(YARN_BERRY) ? ['node_modules'] : [],
    notes,
  }
}

/** Each part is taken as it is usable: one wrong field must not hide the rest. (By hand: a schema would take longer.) */
function parse(text: string): Manifest | null {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!isMapping(parsed)) return null
    const { packageManager, scripts, dependencies, devDependencies, optionalDependencies, workspaces } = parsed
    return {
      packageManager: typeof packageManager === 'string' ? packageManager : '',
      scripts: mapping(scripts),
      dependencies: mapping(dependencies),
      devDependencies: mapping(devDependencies),
      optionalDependencies: mapping(optionalDependencies),
      workspaces,
    }
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mapping(value: unknown): Mapping {
  return isMapping(value) ? value : {}
}

function managerOf(folder: Folder, { packageManager }: Manifest): Manager {
  const managers = Object.keys(LOCKFILES) as Manager[]
  return (
    managers.find((manager) => packageManager.startsWith(`${manager}@`)) ??
    managers.find((manager) => firstOf(folder, LOCKFILES[manager]) !== undefined) ??
    'npm'
  )
}

function scriptFor(gate: GateName, { scripts }: Manifest, notes: string[]): string | null {
  const real = SCRIPTS[gate].filter((name) => {
    const script = scripts[name]
    return typeof script === 'string' && script.trim() !== '' && !PLACEHOLDER.test(script)
  })
  const text = (name: string) => String(scripts[name])
  const ending = real.filter((name) => !WATCHES.test(text(name)))
  if (real[0] !== undefined && ending.length === 0) {
    notes.push(`The script "${real[0]}" watches and never ends, so it is no gate; add one that runs once.`)
  }
  return ending.find((name) => !REPAIRS.test(text(name))) ?? ending[0] ?? null
}

function runScript(manager: Manager, script: string): string {
  // `bun test` is bun's own runner, not the script.
  return script === 'test' && manager !== 'bun' ? `${manager} test` : `${manager} run ${script}`
}

function installs(folder: Folder, manifest: Manifest, manager: Manager): string[] {
  const needs =
    [manifest.dependencies, manifest.devDependencies, manifest.optionalDependencies].some(
      (part) => Object.keys(part).length > 0,
    ) ||
    (typeof manifest.workspaces === 'object' && manifest.workspaces !== null) ||
    folder.has('pnpm-workspace.yaml')
  if (!needs) return []
  const locked = firstOf(folder, LOCKFILES[manager]) !== undefined
  // Without a lockfile none is written either: a new one would end up in an agent's commit.
  switch (manager) {
    case 'npm':
      return [locked ? 'npm ci' : 'npm install --no-package-lock']
    case 'pnpm':
      return [locked ? 'pnpm install --frozen-lockfile' : 'pnpm install --no-lockfile']
    case 'yarn': {
      const berry = folder.has('.yarnrc.yml') || /^yarn@[2-9]/.test(manifest.packageManager)
      if (berry) return [YARN_BERRY]
      return [locked ? 'yarn install --frozen-lockfile' : 'yarn install --no-lockfile']
    }
    case 'bun':
      return [locked ? 'bun install --frozen-lockfile' : 'bun install --no-save']
  }
}
