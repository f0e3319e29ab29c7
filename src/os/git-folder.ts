import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf } from '../errors.ts'

/**
 * Where git keeps what (gitrepository-layout(5)), read from the files themselves: these questions come often, and a
 * process for each would cost more than all else.
 */

/** The git folder of a checkout or of a bare repository: what `.git` is or names. Null when there is none. */
export function gitDirOf(directory: string): string | null {
  const dotGit = join(directory, '.git')
  try {
    if (lstatSync(dotGit).isDirectory()) return dotGit
    const named = /^gitdir: (.+)$/m.exec(readFileSync(dotGit, 'utf8'))?.[1]
    return named === undefined ? null : resolve(directory, named)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error
    return existsSync(join(directory, 'HEAD')) && existsSync(join(directory, 'objects')) ? directory : null
  }
}

/**
 * The checkout that a folder lies in, where that is plain to see: an ordinary repository of this user's with nothing
 * in its configuration that says otherwise. Null where git has to be asked: a linked worktree, a submodule, a bare
 * repository, somebody else's, none at all.
 *
 * @param folder absolute, links resolved
 */
export function plainCheckoutAround(folder: string): string | null {
  const device = statSync(folder, { throwIfNoEntry: false })?.dev
  for (let at = folder; ; at = dirname(at)) {
    const info = statSync(at, { throwIfNoEntry: false })
    // Git does not look beyond a file system, and a folder may be a git folder itself.
    if (info === undefined || info.dev !== device || existsSync(join(at, 'HEAD'))) return null
    const found = lstatSync(join(at, '.git'), { throwIfNoEntry: false })
    if (found !== undefined) return isPlain(join(at, '.git'), found, info) ? at : null
    if (dirname(at) === at) return null
  }
}

/** Whether a git folder belongs to us, as its checkout does, and is what its place says. */
function isPlain(gitDir: string, info: Stats, checkout: Stats): boolean {
  const user = process.geteuid?.()
  if (!info.isDirectory() || info.uid !== user || checkout.uid !== user) return false
  const config = readOptional(join(gitDir, 'config'))
  if (config === undefined || /worktree|include|extensions/i.test(config)) return false
  if (/^\s*bare\b(?!\s*=\s*false\s*$)/im.test(config)) return false
  return ['HEAD', 'objects', 'refs'].every((name) => existsSync(join(gitDir, name)))
}

/** The git folder that all worktrees of a repository share. */
export function commonDirOf(gitDir: string): string {
  const named = readOptional(join(gitDir, 'commondir'))?.trim()
  return named === undefined ? gitDir : resolve(gitDir, named)
}

/** The admin folder of the linked worktree at `path`, as the repository knows it, or null. */
export function adminDirOf(path: string, common: string): string | null {
  const folder = join(common, 'worktrees')
  const wanted = new Set([join(path, '.git'), join(realPath(path), '.git')])
  const isIt = (name: string) => {
    const named = readOptional(join(folder, name, 'gitdir'))?.trim()
    return named !== undefined && wanted.has(resolve(folder, name, named))
  }
  const first = basename(path)
  if (isIt(first)) return join(folder, first)
  const name = names(folder).find(isIt)
  return name === undefined ? null : join(folder, name)
}

/** What HEAD of a git folder says: the branch it is on, or the commit; null when it says neither. */
export function headOf(gitDir: string): { readonly branch: string } | { readonly commit: string } | null {
  const text = readOptional(join(gitDir, 'HEAD'))?.trim() ?? ''
  const branch = /^ref: refs\/heads\/(.+)$/.exec(text)?.[1]
  if (branch !== undefined) return { branch }
  return /^[0-9a-f]{40,64}$/.test(text) ? { commit: text } : null
}

/**
 * The checkout that a rebase or bisect of a branch goes on in, or null: `HEAD` is detached there meanwhile, but the
 * branch belongs to it, and moving it would break its end.
 *
 * @param main the checkout whose git folder is `common`, null when bare
 */
export function checkoutInTheMiddleOf(branch: string, common: string, main: string | null): string | null {
  const linked = names(join(common, 'worktrees')).map((name) => join(common, 'worktrees', name))
  for (const gitDir of [common, ...linked]) {
    const busyWith = [
      readOptional(join(gitDir, 'rebase-merge', 'head-name'))?.trim(),
      readOptional(join(gitDir, 'rebase-apply', 'head-name'))?.trim(),
      `refs/heads/${readOptional(join(gitDir, 'BISECT_START'))?.trim()}`,
    ]
    if (!busyWith.includes(`refs/heads/${branch}`)) continue
    if (gitDir === common) return main
    const dotGit = readOptional(join(gitDir, 'gitdir'))?.trim()
    if (dotGit !== undefined) return dirname(resolve(gitDir, dotGit))
  }
  return null
}

const IN_PROGRESS: Readonly<Record<string, string>> = {
  MERGE_HEAD: 'merge',
  'rebase-merge': 'rebase',
  'rebase-apply': 'rebase',
  CHERRY_PICK_HEAD: 'cherry-pick',
  REVERT_HEAD: 'revert',
  BISECT_LOG: 'bisect',
}

/** What the human is in the middle of in a checkout (`merge`, `rebase`, …), or null. */
export function inProgress(gitDir: string): string | null {
  return Object.entries(IN_PROGRESS).find(([file]) => existsSync(join(gitDir, file)))?.[1] ?? null
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return path
    throw error
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    throw error
  }
}

/** The git folder shared by all worktrees of the repository at `directory`, a checkout or a bare repository. */
export function commonDirAt(directory: string): string {
  const gitDir = gitDirOf(directory)
  if (gitDir === null) throw new Error(`${directory} holds no git repository`)
  return commonDirOf(gitDir)
}
