import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { OvError } from '../errors.ts'
import { commitOf, uncommitted } from '../os/git.ts'
import type { Project } from '../project.ts'
import { gitIn, worktreePath } from './prepare.ts'

export interface Commit {
  readonly sha: string
  readonly subject: string
  /** ms since the epoch. */
  readonly at: number
}

export interface FileChange {
  readonly path: string
  /** Lines; null for a binary file. */
  readonly added: number | null
  readonly removed: number | null
}

/** What was done on a branch since its base, and what lies uncommitted in its worktree. */
export interface Changes {
  /** Newest first, at most 50. */
  readonly commits: readonly Commit[]
  readonly files: readonly FileChange[]
  /** Of `git status`: two letters and a path. Empty when clean or when there is no worktree. */
  readonly uncommitted: readonly string[]
}

const MAX_COMMITS = 50

/** @param worktree absolute path, which need not exist */
export async function changesOn(
  project: Pick<Project, 'git' | 'root'>,
  { branch, base, worktree }: { branch: string; base: string | null; worktree: string },
): Promise<Changes> {
  const tip = await commitOf(project.git, `refs/heads/${branch}`)
  const range = base === null || tip === null ? null : `${base}..${tip}`
  const [commits, files, uncommitted] = await Promise.all([
    range === null ? [] : commitsIn(project, range),
    range === null ? [] : filesIn(project, range),
    existsSync(worktree) ? uncommittedIn(project, worktree) : [],
  ])
  return { commits, files, uncommitted }
}

/** What an agent with a task has done since `base`; null for a persistent one, which has no branch. */
export async function changesOf(
  project: Pick<Project, 'git' | 'root' | 'config'>,
  agent: { readonly branch: string; readonly worktree: string; readonly persistent: number },
  base: string | null,
): Promise<Changes | null> {
  if (agent.persistent === 1) return null
  return changesOn(project, { branch: agent.branch, base, worktree: worktreePath(project, agent.worktree) })
}

/** A folder that is no worktree (any more), or went while git looked at it, has nothing that git could tell. */
async function uncommittedIn(project: Pick<Project, 'root'>, worktree: string): Promise<string[]> {
  try {
    return await uncommitted(gitIn(project, worktree))
  } catch (error) {
    const isUnknown = error instanceof OvError && error.code === 'worktree.unknown'
    if (isUnknown || !existsSync(join(worktree, '.git'))) return []
    throw error
  }
}

async function commitsIn({ git }: Pick<Project, 'git'>, range: string): Promise<Commit[]> {
  const text = await git.raw('log', `--max-count=${MAX_COMMITS}`, '-z', '--format=%H %ct %s', range, '--')
  return text
    .split('\0')
    .filter(Boolean)
    .map((line) => {
      const [sha = '', seconds = '0', ...subject] = line.split(' ')
      return { sha, subject: subject.join(' '), at: Number(seconds) * 1000 }
    })
}

async function filesIn({ git }: Pick<Project, 'git'>, range: string): Promise<FileChange[]> {
  const text = await git.raw('diff', '--numstat', '-z', '--no-renames', '--no-ext-diff', '--no-textconv', range, '--')
  const count = (word: string) => (word === '-' ? null : Number(word))
  return text
    .split('\0')
    .filter(Boolean)
    .map((line) => {
      const [added = '', removed = '', ...path] = line.split('\t')
      return { path: path.join('\t'), added: count(added), removed: count(removed) }
    })
}
