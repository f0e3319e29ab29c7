import { existsSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import type { Kysely } from 'kysely'
import type { Roles } from './capabilities/manifest.ts'
import { type Clock, systemClock } from './clock.ts'
import type { Loaded } from './config/load.ts'
import { invalidConfig, type Problem, sayProblem } from './config/problem.ts'
import { recallSettings, rememberSettings, type Settings, textsOf } from './config/remembered.ts'
import type { Config } from './config/schema.ts'
import { openDatabase, openDatabaseToRead } from './db/open.ts'
import type { Schema } from './db/schema.ts'
import { codeOf, OvError } from './errors.ts'
import { nearest } from './nearest.ts'
import { isPrivateFolder } from './os/files.ts'
import {
  branchesUnder,
  commitOf,
  currentBranch,
  type Git,
  GitFailure,
  gitAt,
  listWorktrees,
  pathDigest,
} from './os/git.ts'
import { plainCheckoutAround } from './os/git-folder.ts'
import { type Tmux, tmuxAt } from './os/tmux.ts'
import { lookForOwn, wantOwn } from './runtimes/own-runtimes.ts'
import { databaseOf, stateDirOf } from './state-dir.ts'

/** The socket of a project's own tmux server, among those of its agents. */
export const TMUX_SOCKET = 'tmux.sock'

/** A project that is open: where it is, what it wants, its state and the means to act on it. */
export interface Project {
  /** The main checkout, or the repository itself when bare. */
  readonly root: string
  readonly bare: boolean
  /** The folder whose `overstory.yaml` holds: the root, unless `project.root` named another repository. */
  readonly configRoot: string
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
  /** What the human should know about the configuration, one line each. */
  readonly notes: readonly string[]
  /**
   * What is wrong with the configuration; null when nothing is. With something wrong the defaults hold in its place, and
   * no agent is started.
   */
  readonly misconfigured: OvError | null
  close(): Promise<void>
}

/**
 * Finds the repository a folder belongs to: the main checkout even from a linked worktree, the submodule
 * itself inside a submodule, the repository when bare.
 *
 * @throws {OvError} `project.no-git` outside any repository.
 */
export async function findRoot(cwd: string): Promise<{ root: string; bare: boolean }> {
  const plain = existsSync(cwd) ? plainCheckoutAround(realpathSync(cwd)) : null
  if (plain !== null) return { root: plain, bare: false }
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
    if (error instanceof GitFailure && /must be run in a work tree/i.test(error.stderr)) {
      throw new OvError('user', 'project.inside-git', `${cwd} belongs to git itself.`, {
        hint: 'Go to the checkout and try again: cd ..',
        cause: error,
      })
    }
    if (error instanceof GitFailure && /dubious ownership/i.test(error.stderr)) {
      throw new OvError('blocked', 'project.not-yours', `${cwd} belongs to another user, so git does not trust it.`, {
        hint: `If you do: git config --global --add safe.directory '${cwd}'`,
        cause: error,
      })
    }
    throw error
  }
}

export interface Location {
  readonly root: string
  readonly bare: boolean
  readonly configRoot: string
  readonly loaded: Loaded
  readonly warnings: readonly Problem[]
}

/**
 * Where the project around `cwd` is, and what is configured for it: the repository `cwd` lies in, or the one that
 * `project.root` of its configuration names. A `project.root` that is not here (somebody else's path) is a warning.
 *
 * @throws {OvError} `project.no-git`, `config.invalid`
 */
export async function locateProject(cwd: string): Promise<Location> {
  const here = await findRoot(cwd)
  const { loadConfig } = await import('./config/load.ts')
  return followRoot(here, await loadConfig(here.root))
}

/** The location a repository's configuration leads to. */
export async function followRoot(here: { root: string; bare: boolean }, loaded: Loaded): Promise<Location> {
  const found = { ...here, configRoot: here.root, loaded, warnings: loaded.warnings }
  const wanted = loaded.config.project.root
  if (wanted === undefined) return found
  const folder = resolve(here.root, wanted)
  if (existsSync(folder) && realpathSync(folder) === realpathSync(here.root)) return found
  const named = await repositoryAt(folder)
  if (named !== null) return { ...found, ...named }
  const { placeOf } = await import('./config/load.ts')
  const { file, place } = placeOf(loaded.layers, ['project', 'root'])
  const message = `project.root names ${wanted}, which is no git repository here; ${here.root} is used`
  return { ...found, warnings: [...loaded.warnings, { file, place, key: 'project.root', message }] }
}

/** The repository that a folder itself is, not merely lies in: a home folder may be one too. */
async function repositoryAt(folder: string): Promise<{ root: string; bare: boolean } | null> {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return null
  try {
    const found = await findRoot(folder)
    const itself = found.bare ? realpathSync(found.root) === realpathSync(folder) : existsSync(join(folder, '.git'))
    return itself ? found : null
  } catch (error) {
    if (error instanceof OvError && error.code === 'project.no-git') return null
    throw error
  }
}

/**
 * Opens the project around `cwd`. `ov init` must have been here.
 *
 * @param options.evenMisconfigured what is wrong with the configuration is told by the project instead of thrown
 * @param options.toRead nothing can be written by it, and nothing is made or upgraded
 * @throws {OvError} what `locateProject` and `openDatabase` throw, `project.not-initialised`, `project.socket-dir`
 */
export async function openProject(
  cwd: string,
  {
    clock = systemClock,
    evenMisconfigured = false,
    toRead = false,
  }: { clock?: Clock; evenMisconfigured?: boolean; toRead?: boolean } = {},
): Promise<Project> {
  const here = await findRoot(cwd)
  lookForOwn(stateDirOf(here.root))
  const known = recallSettings(here.root, stateDirOf(here.root))
  if (known !== null) {
    wantOwn(known.config.runtime.own)
    return projectAt({ ...here, configRoot: here.root }, known, { clock, notes: [], misconfigured: null, toRead })
  }
  const { loadConfig, loadWhatIsValid } = await import('./config/load.ts')
  const before = textsOf(here.root, null)
  const { loaded, invalid } = evenMisconfigured
    ? await loadWhatIsValid(here.root)
    : { loaded: await loadConfig(here.root), invalid: null }
  const location = await followRoot(here, loaded)
  const { root, configRoot, warnings } = location
  const { config } = loaded
  refuseUninitialised(root, configRoot)
  const between = textsOf(configRoot, config.agents.manifest)
  const { readManifest } = await import('./capabilities/manifest.ts')
  const { roles, problems } = await readManifest(configRoot, config.agents.manifest)
  const misconfigured = invalid ?? (problems.length > 0 ? invalidConfig(problems) : null)
  if (misconfigured !== null && !evenMisconfigured) throw misconfigured
  const notes = warnings.map(sayProblem)
  const project = projectAt(location, { config, roles }, { clock, notes, misconfigured, toRead })
  if (misconfigured === null && notes.length === 0 && !toRead)
    rememberSettings(project, { config, roles }, [before, between])
  return project
}

function refuseUninitialised(root: string, configRoot: string): void {
  try {
    lstatSync(stateDirOf(root))
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    throw new OvError('user', 'project.not-initialised', `${root} is not set up for ov yet.`, {
      hint: root === configRoot ? 'ov init' : `cd '${root}' && ov init`,
    })
  }
}

function projectAt(
  { root, bare, configRoot }: Pick<Location, 'root' | 'bare' | 'configRoot'>,
  { config, roles }: Settings,
  { clock, notes, misconfigured, toRead }: Pick<Project, 'clock' | 'notes' | 'misconfigured'> & { toRead: boolean },
): Project {
  const stateDir = stateDirOf(root)
  const databasePath = databaseOf(root)
  const db = toRead ? openDatabaseToRead(databasePath) : openDatabase(databasePath)
  let socketDir: string | undefined
  let tmux: Tmux | null | undefined
  return {
    root,
    bare,
    configRoot,
    stateDir,
    get socketDir() {
      socketDir ??= openSocketFolder(root, { make: !toRead })
      return socketDir
    },
    databasePath,
    config,
    roles,
    db,
    git: gitAt(root),
    clock,
    get tmux() {
      if (tmux === undefined) tmux = tmuxAt(join(this.socketDir, TMUX_SOCKET))
      return tmux
    },
    name: config.project.name ?? basename(root),
    notes,
    misconfigured,
    close: () => db.destroy(),
  }
}

/**
 * The private folders of a project's sockets, the one all projects share first. Unix socket paths end at about 107
 * bytes, so they lie in the runtime or temp folder, under a digest of the root.
 */
export function socketFolders(root: string): readonly [shared: string, own: string] {
  const shared = join(process.env.XDG_RUNTIME_DIR || tmpdir(), `ov-${process.getuid?.() ?? 0}`)
  return [shared, join(shared, pathDigest(root))]
}

/** The socket folder of a project. A folder of that name that is not ours, or not private, is refused. */
function openSocketFolder(root: string, { make }: { make: boolean }): string {
  const folders = socketFolders(root)
  if (make) mkdirSync(folders[1], { recursive: true, mode: 0o700 })
  for (const folder of folders) {
    if (!make && !existsSync(folder)) continue
    if (isPrivateFolder(folder)) continue
    throw new OvError(
      'blocked',
      'project.socket-dir',
      `${folder} is not a private folder of yours (wanted: owner you, mode 0700).`,
      { hint: `Remove it, or set XDG_RUNTIME_DIR to a private folder: ls -ld ${folder}` },
    )
  }
  return folders[1]
}

/** The branch that must stay green: configured, else the default branch of origin, else main or master, else the one HEAD is on. */
export async function canonicalBranch(project: Pick<Project, 'git' | 'config'>): Promise<string> {
  const wanted = project.config.project.canonicalBranch
  if (wanted !== undefined) {
    if ((await commitOf(project.git, `refs/heads/${wanted}`)) !== null) return wanted
    const branches = await branchesUnder(project.git, '')
    if (branches.length === 0 && (await commitOf(project.git, 'HEAD')) === null) throw noCommits()
    throw noBranch(wanted, branches)
  }
  const guess = await guessCanonicalBranch(project.git)
  if (guess === null) throw noCommits()
  return guess
}

function noBranch(wanted: string, branches: readonly string[]): OvError {
  const meant = nearest(wanted, branches)
  return new OvError('user', 'project.no-branch', `The canonical branch "${wanted}" does not exist.`, {
    hint:
      meant === null
        ? `Make it (git branch ${wanted}), or set project.canonicalBranch in overstory.yaml to one that is there.`
        : `Did you mean ${meant}? Set project.canonicalBranch in overstory.yaml.`,
  })
}

function noCommits(): OvError {
  const message = 'The repository has no commit yet, so there is nothing to build on.'
  return new OvError('user', 'project.no-commits', message, {
    hint: 'git add -A && git commit -m "First commit", then try again',
  })
}

/** The likely default branch, or null when no branch has a commit. One git call where it is called as most are. */
export async function guessCanonicalBranch(git: Git): Promise<string | null> {
  const names = ['refs/remotes/origin/HEAD', 'refs/heads/main', 'refs/heads/master']
  const found = namedRefs(git, names) ?? (await askForRefs(git, names))
  const remote = found.get('refs/remotes/origin/HEAD')?.replace(/^refs\/remotes\/origin\//, '')
  const known = [remote, 'main', 'master'].find((name) => name && found.has(`refs/heads/${name}`))
  if (known !== undefined && (remote === undefined || known === remote)) return known
  for (const name of [remote, known, await currentBranch(git)])
    if (name && (await commitOf(git, `refs/heads/${name}`)) !== null) return name
  return null
}

/** Which of these refs exist, and of which ref each is another name (empty: of none). Null when git has to be asked. */
function namedRefs(git: Git, names: readonly string[]): Map<string, string> | null {
  const { refs } = git
  const found = new Map<string, string>()
  for (const name of names) {
    const sha = refs?.read(name)
    const symbolic = refs?.symbolic(name)
    if (sha === undefined || symbolic === undefined) return null
    if (sha !== null) found.set(name, symbolic ?? '')
  }
  return found
}

async function askForRefs(git: Git, names: readonly string[]): Promise<Map<string, string>> {
  const lines = (await git.raw('for-each-ref', '--format=%(refname) %(symref)', ...names)).split('\n')
  return new Map(lines.map((line) => line.split(' ', 2) as [string, string]))
}
