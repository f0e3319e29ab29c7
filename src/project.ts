import { lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Kysely } from 'kysely'
import { BUILT_IN_ROLES, type Roles } from './agents/manifest.ts'
import { type Clock, systemClock } from './clock.ts'
import { loadConfig } from './config/load.ts'
import type { Config } from './config/schema.ts'
import { openDatabase } from './db/open.ts'
import type { Schema } from './db/schema.ts'
import { codeOf, OvError } from './errors.ts'
import { commitOf, currentBranch, type Git, GitFailure, gitAt, listWorktrees, pathDigest } from './os/git.ts'
import { type Tmux, tmuxAt } from './os/tmux.ts'

/** A project that is open: where it is, what it wants, its state and the means to act on it. */
export interface Project {
  /** The main checkout, or the repository itself when bare. */
  readonly root: string
  readonly bare: boolean
  readonly stateDir: string
  /** Private folder (0700) for sockets, short enough for their path limit. */
  readonly socketDir: string
  readonly databasePath: string
  readonly config: Config
  /** What each capability is and may do, from the agent manifest over the built-in roles. */
  readonly roles: Roles
  readonly db: Kysely<Schema>
  readonly git: Git
  readonly clock: Clock
  readonly tmux: Tmux | null
  readonly name: string
  close(): Promise<void>
}

/** Where a project's state lives. */
export function stateDirOf(root: string): string {
  return join(root, '.overstory')
}

/**
 * Finds the repository a folder belongs to: the main checkout even from a linked worktree, the submodule
 * itself inside a submodule, the repository when bare.
 *
 * @throws {OvError} `project.no-git` outside any repository.
 */
export async function findRoot(cwd: string): Promise<{ root: string; bare: boolean }> {
  const git = gitAt(cwd)
  try {
    const facts = await git.raw('rev-parse', '--is-bare-repository', '--git-dir', '--git-common-dir')
    const [isBare, gitDir = '.', common = '.'] = facts.replace(/\n$/, '').split('\n')
    if (isBare === 'true') return { root: resolve(cwd, common), bare: true }
    if (resolve(cwd, gitDir) === resolve(cwd, common)) {
      return { root: (await git.raw('rev-parse', '--show-toplevel')).replace(/\n$/, ''), bare: false }
    }
    const main = (await listWorktrees(git))[0]
    return { root: main?.path ?? resolve(cwd, common), bare: main?.bare ?? false }
  } catch (error) {
    if (error instanceof GitFailure && /not a git repository/i.test(error.stderr)) {
      throw new OvError('user', 'project.no-git', `${cwd} is not inside a git repository.`, {
        hint: 'Go to your repository, or make one: git init && ov init',
        cause: error,
      })
    }
    throw error
  }
}

/** Opens the project around `cwd`. `ov init` must have been here. */
export async function openProject(cwd: string, { clock = systemClock }: { clock?: Clock } = {}): Promise<Project> {
  const { root, bare } = await findRoot(cwd)
  const stateDir = stateDirOf(root)
  const databasePath = join(stateDir, 'state.db')
  const config = loadConfig(root)
  try {
    lstatSync(stateDir)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    throw new OvError('user', 'project.not-initialised', `${root} is not set up for ov yet.`, { hint: 'ov init' })
  }
  const socketDir = socketDirOf(root)
  const db = openDatabase(databasePath)
  return {
    root,
    bare,
    stateDir,
    socketDir,
    databasePath,
    config,
    roles: BUILT_IN_ROLES,
    db,
    git: gitAt(root),
    clock,
    tmux: tmuxAt(join(socketDir, 'tmux.sock')),
    name: config.project.name ?? basename(root),
    close: () => db.destroy(),
  }
}

/**
 * The private socket folder of a project. Unix socket paths end at about 107 bytes, so it lies in the runtime or
 * temp folder under a digest of the root. A folder of that name that is not ours is refused.
 */
function socketDirOf(root: string): string {
  const uid = process.getuid?.() ?? 0
  const base = join(process.env.XDG_RUNTIME_DIR || tmpdir(), `ov-${uid}`)
  const path = join(base, pathDigest(root))
  mkdirSync(path, { recursive: true, mode: 0o700 })
  for (const folder of [base, path]) {
    const info = lstatSync(folder)
    if (!info.isDirectory() || info.uid !== uid || (info.mode & 0o077) !== 0) {
      throw new OvError(
        'blocked',
        'project.socket-dir',
        `${folder} is not a private folder of yours (wanted: owner you, mode 0700).`,
        {
          hint: `Remove it, or set XDG_RUNTIME_DIR to a private folder: ls -ld ${folder}`,
        },
      )
    }
  }
  return path
}

/** The branch that must stay green: configured, else the default branch of origin, else main or master, else the one HEAD is on. */
export async function canonicalBranch(project: Pick<Project, 'git' | 'config'>): Promise<string> {
  const wanted = project.config.project.canonicalBranch
  if (wanted !== undefined) {
    if ((await commitOf(project.git, `refs/heads/${wanted}`)) !== null) return wanted
    throw new OvError(
      'user',
      'project.no-branch',
      `The canonical branch "${wanted}" does not exist or has no commit.`,
      {
        hint: `Make it (git switch -c ${wanted} && git commit), or set project.canonicalBranch in overstory.yaml.`,
      },
    )
  }
  const guess = await guessCanonicalBranch(project.git)
  if (guess !== null) return guess
  throw new OvError(
    'user',
    'project.no-commits',
    'The repository has no commit yet, so there is nothing to build on.',
    {
      hint: 'git add -A && git commit -m "First commit", then try again',
    },
  )
}

/** The likely default branch, or null when no branch has a commit. */
export async function guessCanonicalBranch(git: Git): Promise<string | null> {
  const remote =
    (await commitOf(git, 'refs/remotes/origin/HEAD')) === null
      ? null
      : await git.raw('symbolic-ref', '--short', 'refs/remotes/origin/HEAD')
  const candidates = [remote?.trim().replace(/^origin\//, ''), 'main', 'master', await currentBranch(git)]
  for (const name of candidates) if (name && (await commitOf(git, `refs/heads/${name}`)) !== null) return name
  return null
}
