import { existsSync, mkdirSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { ignoreFolder } from '../config/local.ts'
import { addWorktree, commitOf, GitFailure, listWorktrees } from '../os/git.ts'
import { adminDirOf, commonDirAt } from '../os/git-folder.ts'
import type { Project } from '../project.ts'
import { startingPoint } from './base.ts'
import { gitIn, taken } from './prepare.ts'

/*
 * A checkout to read: a worktree on no branch, for an agent that only looks at the code and lives longer than one state
 * of it. Its path stays the same for ever, for some runtimes find their sessions again by the folder.
 */

/**
 * Makes the checkout, or takes up the one that is there, at the newest green commit, which it gives. Untracked files in
 * it stay.
 *
 * @throws {OvError} `worktree.taken` when something else lies at its path
 */
export async function prepareReading(project: Project, path: string): Promise<string> {
  // Git knows a worktree by its real path, which the configured one may reach by a symbolic link.
  const real = existsSync(path) ? realpathSync(path) : path
  const known = (await listWorktrees(project.git)).find((tree) => tree.path === real)
  if (known && existsSync(path)) {
    if (known.branch !== null) throw taken(path)
    return freshenReading(project, path, { mend: true })
  }
  if (known) await project.git.raw('worktree', 'prune')
  if (existsSync(path)) throw taken(path)
  await ignoreFolder(project, dirname(path))
  mkdirSync(dirname(path), { recursive: true })
  const commit = await startingPoint(project)
  await addWorktree(project.git, path, { detach: commit })
  return commit
}

/**
 * Brings the checkout to the newest green commit, and gives the commit it is at then. Where changed files are in the
 * way it stays as it is.
 *
 * @param options.mend nobody works in it: what a git left that was killed in the middle is cleared away
 */
export async function freshenReading(project: Project, path: string, { mend = false } = {}): Promise<string> {
  const git = gitIn(project, path)
  const wanted = await startingPoint(project)
  const admin = adminDirOf(path, commonDirAt(project.root))
  const lock = admin === null ? null : join(admin, 'index.lock')
  const broken = mend && lock !== null && existsSync(lock)
  if (broken) rmSync(lock, { force: true })
  const head = await commitOf(git, 'HEAD')
  if (head === wanted && !broken) return wanted
  try {
    await git.raw('checkout', '--quiet', '--detach', ...(broken ? ['--force'] : []), wanted)
    return wanted
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    return head ?? wanted
  }
}
