import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { CONFIG_FILE } from '../config/files.ts'
import { configJsonSchema, configSchema, loadConfig } from '../config/load.ts'
import { ignoreLocalConfig } from '../config/local.ts'
import type { Config } from '../config/schema.ts'
import { openDatabase } from '../db/open.ts'
import { codeOf, OvError } from '../errors.ts'
import { newId } from '../ids.ts'
import { createWhole, isPrivateFolder, readText, writeWhole } from '../os/files.ts'
import {
  addWorktree,
  commitOf,
  currentBranch,
  type Git,
  gitAt,
  ignoredAmong,
  removeWorktree,
  trackedUnder,
} from '../os/git.ts'
import { findRoot, guessCanonicalBranch } from '../project.ts'
import { stateDirOf } from '../state-dir.ts'
import { unignored } from './checks/intent.ts'
import { IGNORE_ALL } from './checks/places.ts'
import { type Detected, detectProject } from './detect.ts'
import { type RuntimeFacts, surveyRuntimes } from './runtimes.ts'
import { starterConfig } from './starter-config.ts'

export interface InitOptions {
  /** Rewrites an existing `overstory.yaml` when the human agrees; null: it stays as it is. */
  readonly rewrite: ((path: string) => Promise<boolean>) | null
}

export interface InitReport {
  readonly root: string
  readonly bare: boolean
  /** What was made or changed, relative to the root; empty when all was there. */
  readonly changed: readonly string[]
  /** Where the former `overstory.yaml` was kept, when it was rewritten. */
  readonly backup: string | null
  readonly canonicalBranch: string | null
  /** False in an empty repository: nothing can be slung before the first commit. */
  readonly hasCommits: boolean
  /** What lies in the repository, whatever `overstory.yaml` makes of it. */
  readonly project: Detected
  /** The gates in force, with their commands where the name resolves to one. */
  readonly gates: readonly { readonly name: string; readonly command: string | null }[]
  readonly setup: readonly string[]
  readonly copy: readonly string[]
  readonly runtime: string
  readonly runtimes: readonly RuntimeFacts[]
  /** What a person should know, one sentence each. */
  readonly notes: readonly string[]
}

const SCHEMA_FILE = 'schema.json'

/**
 * Sets up the repository around `cwd`, its main checkout when that is a linked worktree. Changes no tracked file, and
 * nothing at all that is there and right; two at once do no harm.
 *
 * @throws {OvError} `project.no-git`, `init.state-taken`, `init.read-only`, `config.invalid`, and what opening the database says
 */
export async function initProject(cwd: string, { rewrite }: InitOptions): Promise<InitReport> {
  const { root, bare } = await findRoot(cwd)
  const git = gitAt(root)
  const configPath = join(root, CONFIG_FILE)
  const rewriting = rewrite !== null && existsSync(configPath) && (await rewrite(configPath))
  // A broken configuration is said before anything is made; one that is to be rewritten may be broken.
  const before = rewriting ? configSchema().parse({}) : (await loadConfig(root)).config
  const changed: string[] = []
  try {
    await makeStateFolder(git, root, bare, changed)
    const branch = before.project.canonicalBranch ?? (await guessCanonicalBranch(git)) ?? (await currentBranch(git))
    const isThere = branch !== null && (await commitOf(git, `refs/heads/${branch}`)) !== null
    const hasCommits = isThere || (await commitOf(git, 'HEAD')) !== null
    const [runtimes, detected] = await Promise.all([
      surveyRuntimes(before),
      bare ? detectCommit(git, root, isThere ? branch : null) : detectProject(root),
    ])
    let backup: string | null = null
    if (rewriting || !existsSync(configPath)) {
      const text = starterConfig(
        {
          // A branch without a commit would be a promise; until there is one it is found out anew each time.
          branch: isThere ? branch : null,
          detected,
          copy: bare ? [] : await copiesNeeded(git, root),
          runtime: insteadOfDefault(before, runtimes),
        },
        `.overstory/${SCHEMA_FILE}`,
      )
      backup = rewriting ? writeOver(root, configPath, text, changed) : null
      if (!rewriting && createWhole(configPath, text)) changed.push(CONFIG_FILE)
    }
    const { config } = await loadConfig(root)
    return {
      root,
      bare,
      changed,
      backup,
      canonicalBranch: config.project.canonicalBranch ?? branch,
      hasCommits,
      project: detected,
      gates: config.project.qualityGates.map((gate) =>
        typeof gate === 'string'
          ? { name: gate, command: detected.gates[gate] ?? null }
          : { name: gate.name, command: gate.command },
      ),
      setup: config.worktrees.setup,
      copy: config.worktrees.copy,
      runtime: config.runtime.default,
      runtimes,
      notes: [
        ...(hasCommits && !isThere
          ? [`The branch ${branch} does not exist. Before anything is slung: git branch ${branch}`]
          : []),
        ...detected.notes,
        ...(bare ? [] : await unignored(git, detected)).map(
          (folder) => `${folder} is not ignored by git, so it could end up in an agent's commit.`,
        ),
      ],
    }
  } catch (error) {
    throw explained(error, root)
  }
}

/** `.overstory`, private and hidden from git by itself, with the database and the schema for editors. */
async function makeStateFolder(git: Git, root: string, bare: boolean, changed: string[]): Promise<void> {
  const folder = stateDirOf(root)
  if (!bare) {
    const tracked = await trackedUnder(git, '.overstory')
    if (tracked.length > 0) {
      throw new OvError(
        'blocked',
        'init.state-taken',
        `.overstory holds files that are tracked by git: ${tracked.join(', ')}.`,
        {
          hint: 'Move them: git mv .overstory overstory-old && git commit -m "Make room for ov", then: ov init',
        },
      )
    }
  }
  const made = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined
  if (!lstatSync(folder).isDirectory()) throw stateTaken(folder)
  if (!isPrivateFolder(folder)) {
    chmodSync(folder, 0o700)
    if (!made) changed.push('.overstory')
  }
  ensure(join(folder, '.gitignore'), IGNORE_ALL, '.overstory/.gitignore', changed)
  ensure(join(folder, SCHEMA_FILE), schemaText(), `.overstory/${SCHEMA_FILE}`, changed)
  const database = join(folder, 'state.db')
  const known = existsSync(database)
  await openDatabase(database).destroy()
  if (!known) changed.push('.overstory/state.db')
  if (!bare && (await ignoreLocalConfig(git))) changed.push('.git/info/exclude')
}

function stateTaken(folder: string): OvError {
  return new OvError(
    'blocked',
    'init.state-taken',
    `${folder} is in the way: ov keeps its state in a folder of that name.`,
    {
      hint: `Look what it is (ls -ld '${folder}'), move it aside, then: ov init`,
    },
  )
}

function ensure(path: string, content: string, name: string, changed: string[]): void {
  if (readText(path) === content) return
  writeWhole(path, content)
  changed.push(name)
}

/** What editors check `overstory.yaml` by while it is typed. */
function schemaText(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`
}

/** A bare repository has no files to look at, so its branch is checked out for a moment. */
async function detectCommit(git: Git, root: string, branch: string | null): Promise<Detected> {
  const path = join(stateDirOf(root), 'scratch', newId())
  if (branch === null) return detectProject(path)
  try {
    await addWorktree(git, path, { detach: `refs/heads/${branch}` })
    return detectProject(path)
  } finally {
    if (existsSync(path)) await removeWorktree(git, path, { force: true })
  }
}

/** Files with local settings that tests often need: there, plain, and ignored by git. Samples of them are tracked. */
async function copiesNeeded(git: Git, root: string): Promise<string[]> {
  const names = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isFile() && /^\.env(rc|\.[\w.-]+)?$|^local\.properties$/.test(entry.name))
    .map((entry) => entry.name)
    .filter((name) => !/\.(example|sample|template|dist|defaults)$/.test(name))
  return ignoredAmong(git, names.sort())
}

/** The runtime to write down when the configured one is not here: one that is, best with a login. */
function insteadOfDefault(config: Config, runtimes: readonly RuntimeFacts[]): string | null {
  const here = runtimes.filter((runtime) => runtime.program !== null)
  if (here.some((runtime) => runtime.id === config.runtime.default)) return null
  return (here.find((runtime) => runtime.login === 'seen') ?? here[0])?.id ?? null
}

/** Rewrites the configuration; the former one is kept beside the state. Gives where. */
function writeOver(root: string, path: string, text: string, changed: string[]): string | null {
  const former = readText(path)
  if (former === text) return null
  const name = join('.overstory', 'backups', `${CONFIG_FILE}.${new Date().toISOString().replace(/[:.]/g, '-')}`)
  if (former !== null) writeWhole(join(root, name), former, 0o600)
  writeWhole(path, text)
  changed.push(CONFIG_FILE)
  return former === null ? null : name
}

function explained(error: unknown, root: string): unknown {
  const code = codeOf(error)
  if (error instanceof OvError || code === undefined) return error
  if (code === 'EEXIST' || code === 'ENOTDIR') return stateTaken(stateDirOf(root))
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) {
    return new OvError('failed', 'init.read-only', `${root} can't be written to (${code}). Nothing is set up.`, {
      hint: `Make it writable for you: ls -ld '${root}'`,
      cause: error,
    })
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new OvError('failed', 'init.disk-full', `There is no room left to set up ${root} (${code}).`, {
      hint: 'Free some space, then run it again: ov init',
      cause: error,
    })
  }
  return error
}
