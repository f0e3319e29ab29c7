import type { ChildProcess } from 'node:child_process'
import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { OvError } from '../errors.ts'
import { sha256 } from './digest.ts'
import { findProgram } from './files.ts'
import { adminDirOf, commonDirAt, commonDirOf, gitDirOf } from './git-folder.ts'
import type { Identities } from './objects.ts'
import { spawnPiped } from './process.ts'
import { type RefFiles, refFilesIn } from './ref-files.ts'
import { remembered } from './remembered.ts'
import type { Expected } from './scrub.ts'
import { removeAll } from './scrub.ts'
import { forgetWorktree, recordsPlainly, recordWorktree } from './worktree-record.ts'

/**
 * Host git, the only caller of it. Hooks and fsmonitor are off and the environment is clean, so that nothing
 * a repository or an agent configured runs on the host; what is written is fsynced.
 */
export interface Git {
  readonly directory: string
  /** Runs git; a non-zero exit is a `GitFailure`. Returns stdout. */
  raw(...args: string[]): Promise<string>
  /** The same with text for git's standard input. */
  feed(input: string, ...args: string[]): Promise<string>
  /** Starts a git that lives on and is spoken to by its pipes. */
  open(...args: string[]): ChildProcess
  /** The same git with more environment. */
  with(environment: Readonly<Record<string, string>>): Git
  /** The refs of the repository, where they can be read without git; else null. */
  readonly refs: RefFiles | null
}

/** Git ended with a non-zero exit. */
export class GitFailure extends Error {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string

  constructor(exitCode: number, stdout: string, stderr: string) {
    super(stderr.trim() || stdout.trim() || `git ended with ${exitCode}`)
    this.name = 'GitFailure'
    this.exitCode = exitCode
    this.stdout = stdout
    this.stderr = stderr
  }
}

const SAFE_CONFIG = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.fsync=committed,loose-object,reference',
  'commit.gpgSign=false',
  'log.showSignature=false',
  'submodule.recurse=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'advice.detachedHead=false',
]

/** Variables of git's own that we set on purpose; all others of its kind are kept out. */
const OWN_VARIABLES = [
  'GIT_TERMINAL_PROMPT',
  'GIT_OPTIONAL_LOCKS',
  'GIT_DIR',
  'GIT_COMMON_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
]

function cleanEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0' }
  for (const name of ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'USER', 'LOGNAME']) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  return env
}

/** Git in a directory, which must exist. For an agent's worktree see `gitInWorktree`. */
export function gitAt(directory: string, environment: Readonly<Record<string, string>> = {}): Git {
  const env = { ...cleanEnvironment(), ...environment }
  return {
    directory,
    raw: (...args) => pastHalfMade(args, () => runGit(directory, env, args)),
    feed: (input, ...args) => pastHalfMade(args, () => runGit(directory, env, args, input)),
    open: (...args) =>
      spawnPiped(['git', ...SAFE_CONFIG.flatMap((setting) => ['-c', setting]), ...args], { cwd: directory, env }),
    with: (more) => gitAt(directory, { ...environment, ...more }),
    get refs() {
      const gitDir = environment.GIT_COMMON_DIR ?? environment.GIT_DIR ?? gitDirOf(directory)
      return gitDir === null ? null : refFilesIn(commonDirOf(gitDir))
    },
  }
}

/**
 * Git reads the records of all worktrees, and dies of one that another process is just making or removing. It does so
 * before it has changed anything, and the record is whole or gone in a moment: so once more. (Only `worktree add` may
 * have made its branch by then; `addWorktree` looks after that.)
 */
async function pastHalfMade(args: readonly string[], work: () => Promise<string>): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const isHalfMade = error instanceof GitFailure && /failed to read .*\/worktrees\/.*\/commondir/.test(error.stderr)
      const isAdd = args.includes('worktree') && args.includes('add')
      if (!isHalfMade || attempt === 40 || isAdd) throw error
      await delay(10 + Math.random() * 40)
    }
  }
}

/**
 * On a full disk `git checkout` leaves files out, or empty, says so, and ends with 0 all the same. Whoever worked in such a
 * worktree would commit that they are gone.
 */
const UNWRITTEN = /^error: (unable to (create|write|stat just-written|read) |failed to (create|write) )/m

async function runGit(
  directory: string,
  env: Readonly<Record<string, string>>,
  args: string[],
  input?: string,
): Promise<string> {
  const { GitError, simpleGit } = await import('simple-git')
  /** simple-git wraps and flattens every error that is none of its own. */
  class Carrier extends GitError {
    readonly failure: GitFailure

    constructor(failure: GitFailure) {
      super(undefined, failure.message)
      this.failure = failure
    }
  }
  const git = simpleGit({
    baseDir: directory,
    config: SAFE_CONFIG,
    unsafe: { allowUnsafeHooksPath: true, allowUnsafeFsMonitor: true },
    allowEnvironment: OWN_VARIABLES,
    // The end of its pipes is the end of git: going by its exit, output would be cut off on a busy machine.
    completion: { onClose: true, onExit: false },
    ...(input === undefined ? {} : { input: () => input }),
    // Every failure is ours to explain: simple-git's own error for it has no exit code. Killed by a signal, git has none
    // either, and what it printed until then is no answer.
    errors: (_error, { exitCode, stdOut, stdErr }) => {
      const said = Buffer.concat(stdErr).toString()
      const out = Buffer.concat(stdOut).toString()
      if (exitCode !== 0) return new Carrier(new GitFailure(exitCode ?? -1, out, said))
      if (!UNWRITTEN.test(said)) return undefined
      return new Carrier(new GitFailure(-1, out, `git could not write all files. Is the disk full?\n${said}`))
    },
  })
  try {
    return await git
      .env(env)
      .outputHandler((_command, stdout) => {
        // simple-git waits 50 ms for late output of a command that printed nothing. An empty chunk says there is none.
        stdout.once('end', () => stdout.emit('data', Buffer.alloc(0)))
      })
      .raw(args)
  } catch (error) {
    throw explained(error instanceof Carrier ? error.failure : error)
  }
}

/** What only a transfer from elsewhere needs: the human's ssh agent, proxies and certificates. */
const TRANSFER = [
  'SSH_AUTH_SOCK',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
]

/** Clones a repository into a new folder. Its submodules are not followed. What `url` may be is the caller's to check. */
export async function cloneRepository(url: string, folder: string): Promise<void> {
  const transfer = TRANSFER.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  })
  const git = gitAt(dirname(folder), Object.fromEntries(transfer))
  await git.raw('clone', '--quiet', '--no-recurse-submodules', '--', url, folder)
}

/** The version of the git on PATH, as `2.39.5`, or null when there is none. */
export async function gitVersion(): Promise<string | null> {
  if (findProgram('git') === null) return null
  return /\d+(\.\d+)+/.exec(await gitAt(tmpdir()).raw('version'))?.[0] ?? null
}

/**
 * The same as when this very program was asked last, by whichever process: a version does not change without the file,
 * and asking costs as much as starting to work.
 */
export async function rememberedGitVersion(): Promise<string | null> {
  const path = findProgram('git')
  if (path === null) return null
  const { size, mtimeMs } = statSync(path)
  return remembered('git-version', `${path} ${size} ${mtimeMs}`, gitVersion)
}

/** What a person can mend gets its sentence; everything else stays what it is. */
function explained(error: unknown): unknown {
  if (!(error instanceof GitFailure)) return error
  if (/No space left on device|Disk quota exceeded/i.test(error.stderr)) {
    return new OvError('failed', 'git.disk-full', 'The disk is full: git could not write.', {
      hint: 'Free some space, then run the same command again. Nothing was lost.',
      cause: error,
    })
  }
  // Node says the same of a folder that went meanwhile.
  if (/spawn git ENOENT/.test(error.stderr) && findProgram('git') === null) {
    return new OvError('failed', 'git.missing', 'There is no git on PATH.', {
      hint: 'Install git 2.38 or newer, then run: ov doctor',
      cause: error,
    })
  }
  return error
}

/**
 * Git in an agent's worktree. The agent can write what names the repository there (`.git`, the admin folder's
 * `commondir`), and a repository's configuration can name programs; so nothing there is asked where the repository is.
 *
 * @param common the repository's own git folder
 * @throws {OvError} `worktree.unknown` when the repository has no worktree at this path
 */
export function gitInWorktree(path: string, common: string): Git {
  const admin = adminDirOf(path, common)
  if (admin === null) {
    throw new OvError('failed', 'worktree.unknown', `The repository has no worktree at ${path}.`, {
      hint: 'ov worktree list',
    })
  }
  return gitAt(path, { GIT_DIR: admin, GIT_COMMON_DIR: common, GIT_WORK_TREE: path })
}

/** Runs git and gives null instead of failing with one of `codes`. */
async function unless(codes: readonly number[], work: Promise<string>): Promise<string | null> {
  try {
    return await work
  } catch (error) {
    if (error instanceof GitFailure && codes.includes(error.exitCode)) return null
    throw error
  }
}

/** The commit a name stands for, or null. */
export async function commitOf(git: Git, name: string): Promise<string | null> {
  // Branches, and refs that nobody but `ov` makes, hold nothing but commits.
  const known = /^refs\/(heads|ov)\//.test(name) ? git.refs?.read(name) : undefined
  if (known !== undefined) return known
  const text = await unless(
    [1, 128],
    git.raw('rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`),
  )
  return text?.trim() || null
}

/** Names of the branch `prefix` and of all below it. */
export async function branchesUnder(git: Git, prefix: string): Promise<string[]> {
  const known = prefix === '' ? undefined : git.refs?.under(`refs/heads/${prefix}`)
  if (known !== undefined) return known.map((ref) => ref.replace(/^refs\/heads\//, ''))
  const refs = await git.raw('for-each-ref', '--format=%(refname:lstrip=2)', `refs/heads/${prefix}`)
  return refs.split('\n').filter(Boolean)
}

/** The branch HEAD is on, or null when detached. */
export async function currentBranch(git: Git): Promise<string | null> {
  return (await unless([1, 128], git.raw('symbolic-ref', '--quiet', '--short', 'HEAD')))?.trim() ?? null
}

/** False also when there is no such commit (any more). */
export async function isAncestor(git: Git, ancestor: string, descendant: string): Promise<boolean> {
  return (await unless([1, 128], git.raw('merge-base', '--is-ancestor', ancestor, descendant))) !== null
}

export interface WorktreeInfo {
  readonly path: string
  readonly head: string | null
  /** Short branch name, null when detached or bare. */
  readonly branch: string | null
  readonly bare: boolean
  readonly prunable: boolean
}

/** All worktrees of the repository, the main one first. */
export async function listWorktrees(git: Git): Promise<WorktreeInfo[]> {
  const text = await git.raw('worktree', 'list', '--porcelain', '-z')
  return text
    .split('\0\0')
    .filter((block) => block !== '')
    .map((block) => {
      const fields = new Map(
        block.split('\0').map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]),
      )
      return {
        path: fields.get('worktree') ?? '',
        head: fields.get('HEAD') ?? null,
        branch: fields.get('branch')?.replace(/^refs\/heads\//, '') ?? null,
        bare: fields.has('bare'),
        prunable: fields.has('prunable'),
      }
    })
}

export type MergeTree =
  | { readonly clean: true; readonly tree: string }
  | { readonly clean: false; readonly files: readonly string[]; readonly messages: string }

/** Merges two commits without any checkout. */
export async function mergeTree(git: Git, ours: string, theirs: string): Promise<MergeTree> {
  try {
    const text = await git.raw('merge-tree', '--write-tree', '--name-only', '-z', ours, theirs)
    return { clean: true, tree: text.split('\0')[0]?.trim() ?? '' }
  } catch (error) {
    if (!(error instanceof GitFailure) || error.exitCode !== 1) throw error
    // The tree, the files, an empty field; then for each message the number of its paths, those, its type, its text.
    const fields = error.stdout.split('\0')
    const end = fields.indexOf('', 1)
    const messages: string[] = []
    for (let at = end + 1; at < fields.length && fields[at] !== ''; ) {
      at += 1 + Number(fields[at])
      if (fields[at]?.startsWith('CONFLICT')) messages.push(fields[at + 1]?.trim() ?? '')
      at += 2
    }
    return { clean: false, files: fields.slice(1, end), messages: messages.slice(0, 50).join('\n') }
  }
}

/**
 * The merge that brought a head into `tip`'s history, which holds it.
 *
 * @param intended the merge that was about to be made for it, if that was written down
 */
export async function mergeOf(git: Git, head: string, tip: string, intended: string | null): Promise<string> {
  if (intended !== null && (await isAncestor(git, intended, tip))) return intended
  const log = await git.raw('rev-list', '--merges', '--ancestry-path', '--parents', `${head}..${tip}`)
  const merges = log.split('\n').map((line) => line.split(' '))
  return merges.findLast(([, , ...others]) => others.includes(head))?.[0] ?? merges.findLast(([sha]) => sha)?.[0] ?? tip
}

/**
 * Who commits are by at present, to be written by `writeCommit`. Null where that takes more than a name: none is
 * configured, or commits are not written in UTF-8.
 */
export async function identitiesOf(git: Git): Promise<Identities | null> {
  const text = await unless([1, 128], git.raw('-c', 'user.useConfigOnly=true', 'var', '-l'))
  if (text === null || /^i18n\.commitencoding=/im.test(text)) return null
  const found = (name: string) => new RegExp(`^${name}=(.+ <.*>) \\d+ ([+-]\\d{4})$`, 'm').exec(text)
  const [author, committer] = [found('GIT_AUTHOR_IDENT'), found('GIT_COMMITTER_IDENT')]
  if (author?.[1] === undefined || committer?.[1] === undefined || committer[2] === undefined) return null
  return { author: author[1], committer: committer[1], zone: committer[2] }
}

/** By whom a commit made here would be; null where nobody is configured. */
export async function authorOf(git: Git): Promise<{ name: string; email: string } | null> {
  const text = await unless([1, 128], git.raw('-c', 'user.useConfigOnly=true', 'var', 'GIT_AUTHOR_IDENT'))
  const [, name, email] = /^(.*) <(.*)> \d+ [+-]\d{4}$/m.exec(text ?? '') ?? []
  return name === undefined || email === undefined ? null : { name, email }
}

/** Writes a text as an object; gives its name. */
export async function writeBlob(git: Git, text: string): Promise<string> {
  return (await git.feed(text, 'hash-object', '-w', '--stdin')).trim()
}

/** Makes a commit object; moves nothing. */
export async function commitTree(git: Git, tree: string, parents: readonly string[], message: string): Promise<string> {
  const parentArgs = parents.flatMap((parent) => ['-p', parent])
  // By standard input: a title that looks like an option is no option.
  const commit = (config: readonly string[]) =>
    git.feed(message, ...config, 'commit-tree', tree, ...parentArgs, '-F', '-')
  return (await committing(git, commit)).trim()
}

/**
 * Commits as the human, else as a stand-in for what of a name and an address is not configured, so that a machine
 * without an identity still works. Git's own guess from the host's name is never used.
 */
async function committing(git: Git, commit: (config: readonly string[]) => Promise<string>): Promise<string> {
  const configured = ['-c', 'user.useConfigOnly=true']
  try {
    return await commit(configured)
  } catch (error) {
    if (!(error instanceof GitFailure) || !/auto-detection is disabled|empty ident/i.test(error.stderr)) throw error
    const name = await unless([1, 128], git.raw('config', '--get', 'user.name'))
    const email = await unless([1, 128], git.raw('config', '--get', 'user.email'))
    return commit([
      ...configured,
      ...(name?.trim() ? [] : ['-c', 'user.name=ov']),
      ...(email?.trim() ? [] : ['-c', 'user.email=ov@localhost']),
    ])
  }
}

/** How many commits each of two has that the other has not. */
export async function aheadBehind(git: Git, left: string, right: string): Promise<{ left: number; right: number }> {
  const [l, r] = (await git.raw('rev-list', '--left-right', '--count', `${left}...${right}`)).trim().split('\t')
  return { left: Number(l), right: Number(r) }
}

/** Tracked files that differ from HEAD, in index or working tree. Empty: landing is safe. */
export async function trackedChanges(git: Git): Promise<string[]> {
  const text = await git.raw('status', '--porcelain', '-z', '--untracked-files=no', '--ignore-submodules=all')
  return text.split('\0').filter((entry) => entry !== '')
}

/** Everything uncommitted, untracked files included, ignored ones not. */
export async function uncommitted(git: Git): Promise<string[]> {
  const text = await git.raw('status', '--porcelain', '-z', '--untracked-files=all', '--ignore-submodules=all')
  return text.split('\0').filter((entry) => entry !== '')
}

/** What could keep git from looking at every file: settings by which it believes an index. */
const LOOK_AT_ALL = [
  'core.ignoreStat=false',
  'core.trustctime=true',
  'core.checkStat=default',
  'core.sparseCheckout=false',
  'core.untrackedCache=false',
  'core.splitIndex=false',
  'index.sparse=false',
].flatMap((setting) => ['-c', setting])

/** All that differs from HEAD in a worktree, untracked and ignored files and submodules included; empty: nothing. */
export function statusOfAll(git: Git): Promise<string> {
  const all = ['--untracked-files=all', '--ignored=traditional', '--ignore-submodules=none']
  return git.raw(...LOOK_AT_ALL, 'status', '--porcelain', '-z', ...all)
}

/**
 * Makes the tracked files of a worktree without an index those of a commit. Each that is there is compared by its
 * content, whatever its times say; what differs or is missing is written.
 */
export async function resetWhole(git: Git, commit: string): Promise<void> {
  await git.raw(...LOOK_AT_ALL, 'read-tree', commit)
  // Ends with 1 when files are missing or differ.
  await unless([1], git.raw(...LOOK_AT_ALL, 'update-index', '-q', '--really-refresh'))
  await git.raw(...LOOK_AT_ALL, ...SIDE_BY_SIDE, 'reset', '--quiet', '--hard', commit)
}

/**
 * Has git look at every file of a worktree once more and note what it saw. Files as young as its index are not trusted,
 * and read each time; a second later none is.
 */
export async function refreshIndex(git: Git): Promise<void> {
  await git.with({ GIT_OPTIONAL_LOCKS: '1' }).raw(...LOOK_AT_ALL, 'update-index', '-q', '--really-refresh')
}

/** The files of a commit, by path. Null when there are submodules among them, or names that are no UTF-8. */
export async function contentsOf(git: Git, commit: string): Promise<Map<string, Expected> | null> {
  const found = new Map<string, Expected>()
  for (const entry of (await git.raw('ls-tree', '-r', '-l', '-z', commit)).split('\0')) {
    if (entry === '') continue
    const [mode = '', , , size] = entry.slice(0, entry.indexOf('\t')).split(/ +/)
    const path = entry.slice(entry.indexOf('\t') + 1)
    const kind = KINDS[mode]
    if (kind === undefined || path.includes('\ufffd')) return null
    found.set(path, { kind, size: Number(size) })
  }
  return found
}

const KINDS: Readonly<Record<string, Expected['kind']>> = { '100644': 'file', '100755': 'program', '120000': 'link' }

/** Number of commits reachable from `tip` and not from `base`. */
export async function commitsBetween(git: Git, base: string, tip: string): Promise<number> {
  return Number(await git.raw('rev-list', '--count', `${base}..${tip}`))
}

/** Files that `tip` changed since it left `base`, and that lie under none of these paths, which are taken literally. */
export async function changedOutside(git: Git, base: string, tip: string, paths: readonly string[]): Promise<string[]> {
  const excluded = paths.map((path) => `:(exclude,literal)${path}`)
  const text = await git.raw('diff', '--name-only', '--no-renames', '-z', `${base}...${tip}`, '--', '.', ...excluded)
  return text.split('\0').filter((file) => file !== '')
}

/** A large tree (10,000 files) is checked out in a third to a half of the time by all cores, a small one by one. */
const SIDE_BY_SIDE = ['-c', 'checkout.workers=0', '-c', 'checkout.thresholdForParallelism=500']

/** What a new worktree is on: a new branch, one that exists, or none. `base` and `detach` are full names of commits. */
export type WorktreeOn = { branch: string; base: string } | { existing: string } | { detach: string }

/** Adds a worktree at `path`, which must not exist. */
export async function addWorktree(git: Git, path: string, on: WorktreeOn): Promise<void> {
  const common = commonDirAt(git.directory)
  const start = 'existing' in on ? `refs/heads/${on.existing}` : 'detach' in on ? on.detach : on.base
  const commit = /^[0-9a-f]{40,64}$/.test(start) ? start : await commitOf(git, start)
  if (commit === null || !recordsPlainly(common)) return addByGit(git, path, on)
  recordWorktree(path, common, commit)
  try {
    await switchTo(gitInWorktree(path, common), on)
  } catch (error) {
    forgetWorktree(path, common)
    throw error
  }
}

/** Brings a worktree, which has nothing uncommitted, onto a branch or a commit; a branch made for it follows no other. */
export async function switchTo(git: Git, on: WorktreeOn): Promise<void> {
  const to =
    'detach' in on
      ? ['--detach', on.detach]
      : 'existing' in on
        ? [on.existing, '--']
        : ['--no-track', '-b', on.branch, on.base]
  await git.raw(...SIDE_BY_SIDE, 'checkout', '--quiet', ...to)
}

/**
 * The same by git's own command. Parallel adds collide inside git, so a collision is tried again; it can come after the
 * branch was made.
 */
async function addByGit(git: Git, path: string, on: WorktreeOn): Promise<void> {
  const onto = (branch: string) => ['worktree', 'add', '--quiet', path, branch]
  let args =
    'detach' in on
      ? ['worktree', 'add', '--quiet', '--detach', path, on.detach]
      : 'existing' in on
        ? onto(on.existing)
        : ['worktree', 'add', '--quiet', '--no-track', '-b', on.branch, path, on.base]
  for (let attempt = 0; ; attempt++) {
    try {
      await git.raw(...SIDE_BY_SIDE, ...args)
      return
    } catch (error) {
      const racing =
        error instanceof GitFailure && /commondir|config\.lock|could not lock|File exists/.test(error.stderr)
      if (!racing || attempt >= 10) throw error
      await delay(20 + Math.random() * 60)
      if ('branch' in on && (await commitOf(git, `refs/heads/${on.branch}`)) === on.base) args = onto(on.branch)
    }
  }
}

/**
 * Removes a worktree folder and its record. `git` refuses a dirty one unless `force`. To see that, it runs another git
 * in the worktree, which is told where the repository is, as `gitInWorktree` is.
 */
export async function removeWorktree(git: Git, path: string, { force = false } = {}): Promise<void> {
  const common = commonDirAt(git.directory)
  try {
    await git.with({ GIT_COMMON_DIR: common }).raw('worktree', 'remove', ...(force ? ['--force', '--force'] : []), path)
  } catch (error) {
    // It has let go of the worktree, and could not empty a folder that its owner may not write to.
    if (!(error instanceof GitFailure) || !/failed to delete/.test(error.stderr) || adminDirOf(path, common) !== null)
      throw error
    removeAll(path)
  }
}

/**
 * Commits everything that is uncommitted in a worktree, submodules aside, and gives the new head. To see whether a
 * submodule has changed, `git add` would run the filters that the submodule's own configuration names.
 */
export async function commitAll(git: Git, message: string): Promise<string> {
  await stageAll(git)
  await committing(git, (config) => git.feed(message, ...config, 'commit', '--quiet', '--no-verify', '--file=-'))
  return (await git.raw('rev-parse', 'HEAD')).trim()
}

/** The tree of everything in a worktree that git does not ignore; submodules are as in the index. It is staged by this. */
export async function treeOfAll(git: Git): Promise<string> {
  await stageAll(git)
  return (await git.raw('write-tree')).trim()
}

/**
 * Makes a worktree what it was: all its files those of a tree, HEAD on the branch (or on none) and at the commit that it
 * was at. A merge or the like that was begun is forgotten.
 *
 * @param index an index in which everything in the worktree is staged as it is now
 */
export async function putBackWhole(
  git: Git,
  index: string,
  { tree, base, branch }: { readonly tree: string; readonly base: string; readonly branch: string | null },
): Promise<void> {
  await git.with({ GIT_INDEX_FILE: index }).raw('read-tree', '--reset', '-u', tree)
  if (branch === null) await git.raw('update-ref', '--no-deref', 'HEAD', base)
  else await git.raw('symbolic-ref', 'HEAD', `refs/heads/${branch}`)
  await git.raw('reset', '--quiet', '--mixed', base)
}

async function stageAll(git: Git): Promise<void> {
  const staged = (await git.raw('ls-files', '--stage', '-z')).split('\0')
  const submodules = staged
    .filter((entry) => entry.startsWith('160000 '))
    .map((entry) => entry.slice(entry.indexOf('\t') + 1))
  const paths = ['.', ...submodules.map((path) => `:(exclude,literal)${path}`)]
  await git.feed(`${paths.join('\0')}\0`, 'add', '--all', '--pathspec-from-file=-', '--pathspec-file-nul')
}

/** A short, stable name for a path, for places where paths are too long. */
export function pathDigest(path: string): string {
  return sha256(path).slice(0, 12)
}

/** Those of the paths (relative to the checkout) that git ignores. Git quotes what holds quotes or control characters. */
export async function ignoredAmong(git: Git, paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return []
  const text = await unless([1], git.raw('-c', 'core.quotePath=false', 'check-ignore', '--', ...paths))
  return (text ?? '').split('\n').filter((path) => path !== '')
}

/** The tracked files under a path, at most as many as asked for. */
export async function trackedUnder(git: Git, path: string, most = 5): Promise<string[]> {
  const text = await git.raw('ls-files', '-z', '--', `:(top,literal)${path}`)
  return text
    .split('\0')
    .filter((file) => file !== '')
    .slice(0, most)
}
