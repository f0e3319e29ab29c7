import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readText } from '../os/files.ts'
import { type Git, GitFailure, gitAt } from '../os/git.ts'
import { adminDirOf, commonDirAt, headOf } from '../os/git-folder.ts'
import { refFilesIn } from '../os/ref-files.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { gitIn } from './prepare.ts'

/** Where the refs of an agent's commits live. */
export function keepPrefix(agentId: string): string {
  return `refs/ov/keep/${agentId}/`
}

/** How the logs of a worktree and its keep-refs looked when all was kept, by agent: looking again costs a few stats. */
const keptAt = new WeakMap<Project, Map<string, { readonly traces: string; readonly tips: readonly string[] }>>()

/**
 * Keeps every commit an agent made reachable: those it has amended, reset or rebased away, made on a detached HEAD or
 * stashed as well. Its worktree's reflog names them, and each that no other reaches gets a ref. Call it often, and
 * before any clean-up; while nothing has changed it starts no process.
 *
 * @param base the commit its branch began at, which needs no keeping
 * @returns the commits that have a ref by this
 */
export async function keepCommits(
  project: Project,
  agentId: string,
  worktree: string,
  base: string | null,
): Promise<string[]> {
  const admin = adminDirOf(worktree, commonDirAt(project.root))
  if (admin === null || statSync(worktree, { throwIfNoEntry: false }) === undefined) return []
  startLog(admin)
  return keepLogged(project, agentId, admin, gitIn(project, worktree), base)
}

/** The same for a worktree whose folder is gone: git's own record of it (`record`) still has the reflog. */
export function keepFromRecord(
  project: Project,
  agentId: string,
  record: string,
  base: string | null,
): Promise<string[]> {
  const git = gitAt(record, { GIT_DIR: record, GIT_COMMON_DIR: commonDirAt(project.root) })
  return keepLogged(project, agentId, record, git, base)
}

/** @param admin where the worktree's own logs are */
async function keepLogged(
  project: Project,
  agentId: string,
  admin: string,
  git: Git,
  base: string | null,
): Promise<string[]> {
  const common = commonDirAt(project.root)
  const seen = keptAt.get(project) ?? new Map()
  keptAt.set(project, seen)
  const look = () => tracesOf(admin, common, agentId)
  const before = look()
  const known = seen.get(agentId)
  if (known?.traces === before) return [...known.tips]

  const stashLog = join(common, 'logs', 'refs', 'stash')
  const isAtBase = base !== null && hasOnlyBeenAt(admin, common, base) && !existsSync(stashLog)
  const made = isAtBase ? [] : await commitsMadeIn(git, stashLog, base)
  const tips = await independent(project.git, made)
  const changed = await keepExactly(project.git, keepPrefix(agentId), tips, made)
  // Our own refs are among the traces; what came meanwhile is not, and shows at the next look.
  seen.set(agentId, { traces: changed ? withRefsOf(before, look()) : before, tips })
  return tips
}

/** Git logs where HEAD has been when asked by configuration (it is, by default) or when there is a log already. */
function startLog(admin: string): void {
  const log = join(admin, 'logs', 'HEAD')
  if (statSync(log, { throwIfNoEntry: false }) !== undefined) return
  mkdirSync(dirname(log), { recursive: true })
  closeSync(openSync(log, 'a'))
}

/** Changes whenever HEAD of the worktree moved, somebody stashed, or a keep-ref came or went. The last line is of the refs. */
function tracesOf(admin: string, common: string, agentId: string): string {
  const files = [
    join(admin, 'HEAD'),
    join(admin, 'logs', 'HEAD'),
    join(admin, 'reftable', 'tables.list'),
    join(common, 'logs', 'refs', 'stash'),
    join(common, 'reftable', 'tables.list'),
  ]
  const refs = [join(common, keepPrefix(agentId)), join(common, 'packed-refs')]
  return `${files.map(traceOf).join(' ')}\n${refs.map(traceOf).join(' ')}`
}

function traceOf(path: string): string {
  const info = statSync(path, { throwIfNoEntry: false, bigint: true })
  return info === undefined ? '-' : `${info.ino}:${info.size}:${info.mtimeNs}`
}

function withRefsOf(logs: string, refs: string): string {
  return `${logs.split('\n')[0]}\n${refs.split('\n')[1]}`
}

/** True when HEAD has never left this commit, for all that git logged, on a branch that is at it: no process is needed to say so. */
function hasOnlyBeenAt(admin: string, common: string, commit: string): boolean {
  const head = headOf(admin)
  const at =
    head === null ? null : 'commit' in head ? head.commit : refFilesIn(common)?.read(`refs/heads/${head.branch}`)
  if (at !== commit) return false
  const log = readText(join(admin, 'logs', 'HEAD'))
  const moves = log?.split('\n').filter((line) => line !== '')
  return moves !== undefined && moves.length > 0 && moves.every((line) => line.split(' ', 2)[1] === commit)
}

/** Commits that HEAD of the worktree has been at, and stashes made there. */
async function commitsMadeIn(git: Git, stashLog: string, base: string | null): Promise<string[]> {
  const moves = (await reflog(git, 'HEAD', '%H%x00%gs')).map(([sha = '', subject = '']) => ({ sha, subject }))
  const shas = new Set(moves.map((move) => move.sha))
  if (shas.size === 0) for (const [sha = ''] of await reflog(git, null, '%H')) shas.add(sha)
  if (statSync(stashLog, { throwIfNoEntry: false }) !== undefined) {
    const branches = await branchesOf(git, moves)
    for (const [sha = '', parents = '', subject = ''] of await reflog(git, 'refs/stash', '%H%x00%P%x00%gs')) {
      // Stashes belong to the repository; the commit one lies on, and the branch its title names, say whose it is.
      const branch = /^(?:WIP on|On) (.+?):/.exec(subject)?.[1]
      const isOwn = branch === undefined || branch === '(no branch)' || branches.has(branch)
      if (isOwn && shas.has(parents.split(' ')[0] ?? '')) shas.add(sha)
    }
  }
  return [...shas].filter((sha) => sha !== '' && sha !== base)
}

/** Branches that the worktree is or has been on. */
async function branchesOf(git: Git, moves: readonly { subject: string }[]): Promise<Set<string>> {
  const now = (await git.raw('rev-parse', '--abbrev-ref', 'HEAD')).trim()
  const before = moves.flatMap(({ subject }) => /^checkout: moving from (\S+) to (\S+)$/.exec(subject)?.slice(1) ?? [])
  return new Set([now, ...before])
}

/** The reflog of a ref, newest first, in fields; of HEAD's commit alone for null. None when there is no such ref. */
async function reflog(git: Git, ref: string | null, format: string): Promise<string[][]> {
  const which = ref === null ? ['--max-count=1', 'HEAD'] : ['--walk-reflogs', ref]
  try {
    const text = await git.raw('log', '-z', `--format=tformat:${format}%x00`, ...which, '--')
    return text
      .split('\0\0')
      .filter((entry) => entry !== '')
      .map((entry) => entry.split('\0'))
  } catch (error) {
    if (error instanceof GitFailure && error.exitCode === 128) return []
    throw error
  }
}

/** So many commits are compared in one call: a command line has an end. */
const AT_ONCE = 500

/** Those of these commits that none of the others reaches. One that is gone already is left out. */
async function independent(git: Git, shas: readonly string[]): Promise<string[]> {
  let tips: string[] = []
  for (let at = 0; at < shas.length; at += AT_ONCE) {
    const some = [...tips, ...shas.slice(at, at + AT_ONCE)]
    tips = some.length === 1 ? some : await mergeBaseIndependent(git, some)
  }
  return tips
}

async function mergeBaseIndependent(git: Git, shas: readonly string[]): Promise<string[]> {
  const ask = async (some: readonly string[]) =>
    (await git.raw('merge-base', '--independent', ...some)).split('\n').filter((sha) => sha !== '')
  try {
    return await ask(shas)
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    const types = await git.feed(
      shas.map((sha) => `${sha}\n`).join(''),
      'cat-file',
      '--batch-check=%(objectname) %(objecttype)',
    )
    const found = types.split('\n').flatMap((line) => (line.endsWith(' commit') ? (line.split(' ')[0] ?? []) : []))
    return found.length < 2 ? found : ask(found)
  }
}

/** Gives each tip its ref, then drops refs of commits that a tip reaches by now. Tells whether anything changed. */
async function keepExactly(
  git: Git,
  prefix: string,
  tips: readonly string[],
  made: readonly string[],
): Promise<boolean> {
  const kept = new Set(await namesUnder(git, prefix))
  const missing = tips.filter((sha) => !kept.has(sha))
  const reached = [...kept].filter((sha) => !tips.includes(sha) && made.includes(sha))
  step('keep.found')
  if (missing.length > 0) {
    await git.feed(missing.map((sha) => `update ${prefix}${sha} ${sha}\n`).join(''), 'update-ref', '--stdin')
  }
  if (reached.length > 0) {
    try {
      await git.feed(reached.map((sha) => `delete ${prefix}${sha}\n`).join(''), 'update-ref', '--stdin')
    } catch (error) {
      // Somebody else keeps for the same agent just now and was faster; a ref too many does no harm.
      if (!(error instanceof GitFailure)) throw error
    }
  }
  step('keep.kept')
  return missing.length > 0 || reached.length > 0
}

/** The last parts of the names of all refs below a prefix, which ends with a slash. */
async function namesUnder(git: Git, prefix: string): Promise<string[]> {
  const refs =
    git.refs?.under(prefix.slice(0, -1)) ?? (await git.raw('for-each-ref', '--format=%(refname)', prefix)).split('\n')
  return refs.filter((ref) => ref.startsWith(prefix)).map((ref) => ref.slice(prefix.length))
}
