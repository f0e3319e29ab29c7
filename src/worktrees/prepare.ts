import { copyFileSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { ignoreFolder } from '../config/local.ts'
import { OvError } from '../errors.ts'
import { isWithin } from '../os/files.ts'
import { addWorktree, commitOf, type Git, gitInWorktree, listWorktrees } from '../os/git.ts'
import { commonDirAt } from '../os/git-folder.ts'
import { run } from '../os/process.ts'
import type { Project } from '../project.ts'

/** Absolute path of an agent's worktree. */
export function worktreePath(project: Pick<Project, 'root' | 'config'>, worktree: string): string {
  const base = project.config.worktrees.baseDir
  return join(isAbsolute(base) ? base : resolve(project.root, base), worktree)
}

/**
 * Makes an agent's worktree on its branch, or takes up the one that a killed start left. Gives the commit it began at.
 *
 * @throws {OvError} `worktree.taken` when something else lies at its path
 */
export async function prepareWorktree(project: Project, path: string, branch: string, base: string): Promise<string> {
  // Git knows a worktree by its real path, which the configured one may reach by a symbolic link.
  const real = existsSync(path) ? realpathSync(path) : path
  const known = (await listWorktrees(project.git)).find((tree) => tree.path === real)
  if (known && existsSync(path)) {
    if (known.branch !== branch) throw taken(path)
    return (await project.git.raw('merge-base', `refs/heads/${branch}`, base)).trim()
  }
  if (known) await project.git.raw('worktree', 'prune')
  if (existsSync(path)) throw taken(path)
  await ignoreFolder(project, dirname(path))
  mkdirSync(dirname(path), { recursive: true })
  const tip = await commitOf(project.git, `refs/heads/${branch}`)
  if (tip === null) await addWorktree(project.git, path, { branch, base })
  else await project.git.raw('worktree', 'add', '--quiet', path, branch)
  return (await project.git.raw('merge-base', `refs/heads/${branch}`, base)).trim()
}

function taken(path: string): OvError {
  return new OvError('failed', 'worktree.taken', `${path} exists and is not this agent's worktree.`, {
    hint: 'Look what it is, move it aside, then sling again: ov worktree list',
  })
}

/**
 * Makes a worktree fit to run in: copies the ignored files that were declared (`worktrees.copy`), then runs the
 * set-up commands (`worktrees.setup`) in it. Gives null when all went well, else what failed with its output.
 *
 * @param job the job of which nothing the set-up starts outlives it
 */
export async function setUpWorktree(
  project: Project,
  path: string,
  env: Readonly<Record<string, string>>,
  job?: string,
): Promise<string | null> {
  for (const file of project.config.worktrees.copy) {
    const from = join(project.root, file)
    const to = join(path, file)
    if (!isWithin(project.root, from) || !isWithin(path, to))
      return `worktrees.copy names a file outside the project: ${file}`
    if (!existsSync(from)) continue
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(from, to)
  }
  for (const command of project.config.worktrees.setup) {
    const outcome = await run(['/bin/sh', '-c', command], {
      cwd: path,
      env,
      timeoutMs: project.config.merge.gateTimeout,
      ...(job === undefined ? {} : { job }),
    })
    if (!outcome.ok) return `Set-up failed: ${command}\n${outcome.output.trim().slice(-4000)}`
  }
  return null
}

/** Git in an agent's worktree, which is not asked what repository it belongs to: the agent could have changed that. */
export function gitIn(project: Pick<Project, 'root'>, path: string): Git {
  return gitInWorktree(path, commonDirAt(project.root))
}
