import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { GitError, type SimpleGit, simpleGit } from 'simple-git'
import { findProgram } from './files.ts'

/**
 * Host git, the only caller of it. Hooks and fsmonitor are off and the environment is clean, so that nothing
 * a repository or an agent configured runs on the host; what is written is fsynced.
 */
export interface Git {
  readonly directory: string
  /** Runs git; a non-zero exit is a `GitFailure`. Returns stdout. */
  raw(...args: string[]): Promise<string>
}

/** Git ended with a non-zero exit. (A subclass of simple-git's own error, which it would otherwise wrap and flatten.) */
export class GitFailure extends GitError {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string

  constructor(exitCode: number, stdout: string, stderr: string) {
    super(undefined, stderr.trim() || stdout.trim() || `git ended with ${exitCode}`)
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
  'submodule.recurse=false',
  'gc.auto=0',
  'advice.detachedHead=false',
]

function cleanEnvironment(): Record<string, string> {
  const env: Record<string, string> = { LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0' }
  for (const name of ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'TMPDIR', 'USER', 'LOGNAME']) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  return env
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

/** Git in a directory, which must exist. */
export function gitAt(directory: string): Git {
  return gitWith(directory, cleanEnvironment())
}

/** Clones a repository into a new folder. Its submodules are not followed. What `url` may be is the caller's to check. */
export async function cloneRepository(url: string, folder: string): Promise<void> {
  const env = cleanEnvironment()
  for (const name of TRANSFER) {
    const value = process.env[name]
    if (value !== undefined) env[name] = value
  }
  await gitWith(dirname(folder), env).raw('clone', '--quiet', '--no-recurse-submodules', '--', url, folder)
}

/** The version of the git on PATH, as `2.39.5`, or null when there is none. */
export async function gitVersion(): Promise<string | null> {
  if (findProgram('git') === null) return null
  return /\d+(\.\d+)+/.exec(await gitAt(tmpdir()).raw('version'))?.[0] ?? null
}

function gitWith(directory: string, env: Record<string, string>): Git {
  const git: SimpleGit = simpleGit({
    baseDir: directory,
    config: SAFE_CONFIG,
    maxConcurrentProcesses: 4,
    unsafe: { allowUnsafeHooksPath: true, allowUnsafeFsMonitor: true },
    allowEnvironment: ['GIT_TERMINAL_PROMPT', 'GIT_OPTIONAL_LOCKS'],
    errors: (error, result) => {
      if (result.exitCode === 0) return undefined
      if (result.exitCode === undefined || result.exitCode < 0) return error
      return new GitFailure(
        result.exitCode,
        Buffer.concat(result.stdOut).toString(),
        Buffer.concat(result.stdErr).toString(),
      )
    },
  } as Parameters<typeof simpleGit>[0] & object).env(env)
  return { directory, raw: (...args) => git.raw(...args) }
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
  const text = await unless(
    [1, 128],
    git.raw('rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`),
  )
  return text?.trim() || null
}

/** The branch HEAD is on, or null when detached. */
export async function currentBranch(git: Git): Promise<string | null> {
  return (await unless([1, 128], git.raw('symbolic-ref', '--quiet', '--short', 'HEAD')))?.trim() ?? null
}

export async function isAncestor(git: Git, ancestor: string, descendant: string): Promise<boolean> {
  return (await unless([1], git.raw('merge-base', '--is-ancestor', ancestor, descendant))) !== null
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
    const parts = error.stdout.split('\0')
    const end = parts.indexOf('', 1)
    return {
      clean: false,
      files: parts.slice(1, end),
      messages: parts
        .slice(end + 1)
        .join(' ')
        .trim(),
    }
  }
}

/** Makes a commit object; moves nothing. */
export async function commitTree(git: Git, tree: string, parents: readonly string[], message: string): Promise<string> {
  const who = await committerConfig(git)
  const text = await git.raw(...who, 'commit-tree', tree, ...parents.flatMap((parent) => ['-p', parent]), '-m', message)
  return text.trim()
}

/** Identity for commits `ov` makes itself: the human's own, else a stand-in, so that a machine without one still works. */
async function committerConfig(git: Git): Promise<string[]> {
  const email = await unless([1, 128], git.raw('config', '--get', 'user.email'))
  const name = await unless([1, 128], git.raw('config', '--get', 'user.name'))
  return [...(name?.trim() ? [] : ['-c', 'user.name=ov']), ...(email?.trim() ? [] : ['-c', 'user.email=ov@localhost'])]
}

const ABSENT = '0000000000000000000000000000000000000000'

/** Moves a ref from `from` (null: it must not exist) to `to`, or does nothing and says false. */
export async function compareAndSwapRef(
  git: Git,
  ref: string,
  to: string,
  from: string | null,
  reason: string,
): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      await git.raw('update-ref', '-m', reason, ref, to, from ?? ABSENT)
      return true
    } catch (error) {
      if (!(error instanceof GitFailure)) throw error
      if ((await commitOf(git, ref)) === to) return true
      // A lock left by a killed git would stop every later move of this ref; a live one is gone in a moment.
      if (!/Unable to create|cannot lock ref.*File exists/i.test(error.stderr) || attempt >= 20) {
        if (/but expected|reference already exists|is at/.test(error.stderr)) return false
        throw error
      }
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

/** Points a ref at a commit, whatever it was. */
export async function setRef(git: Git, ref: string, to: string): Promise<void> {
  await git.raw('update-ref', ref, to)
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

/** Adds a worktree on a new branch. Parallel adds collide inside git, so a collision is tried again. */
export async function addWorktree(
  git: Git,
  path: string,
  options: { branch: string; base: string } | { detach: string },
): Promise<void> {
  const args =
    'detach' in options
      ? ['worktree', 'add', '--quiet', '--detach', path, options.detach]
      : ['worktree', 'add', '--quiet', '--no-track', '-b', options.branch, path, options.base]
  for (let attempt = 0; ; attempt++) {
    try {
      await git.raw(...args)
      return
    } catch (error) {
      const racing =
        error instanceof GitFailure && /commondir|config\.lock|could not lock|File exists/.test(error.stderr)
      if (!racing || attempt >= 10) throw error
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 60))
    }
  }
}

/** Removes a worktree folder and its record. `git` refuses a dirty one unless `force`. */
export async function removeWorktree(git: Git, path: string, { force = false } = {}): Promise<void> {
  await git.raw('worktree', 'remove', ...(force ? ['--force', '--force'] : []), path)
}

/** Commits everything that is uncommitted in a worktree, and gives the new head. */
export async function commitAll(git: Git, message: string): Promise<string> {
  await git.raw('add', '--all')
  const who = await committerConfig(git)
  await git.raw(...who, 'commit', '--quiet', '--no-verify', '-m', message)
  return (await git.raw('rev-parse', 'HEAD')).trim()
}

/** A short, stable name for a path, for places where paths are too long. */
export function pathDigest(path: string): string {
  return createHash('sha256').update(path).digest('hex').slice(0, 12)
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
