import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { ignoreFolder } from '../config/local.ts'
import { OvError } from '../errors.ts'
import { isWithin } from '../os/files.ts'
import { addWorktree, commitOf, type Git, GitFailure, gitInWorktree, removeWorktree, uncommitted } from '../os/git.ts'
import { adminDirOf, commonDirAt, headOf } from '../os/git-folder.ts'
import { run } from '../os/process.ts'
import { forgetWorktree, isStub } from '../os/worktree-record.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'

/** Absolute path of an agent's worktree. */
export function worktreePath(project: Pick<Project, 'root' | 'config'>, worktree: string): string {
  const base = project.config.worktrees.baseDir
  return join(isAbsolute(base) ? base : resolve(project.root, base), worktree)
}

/**
 * Makes an agent's worktree, on a branch of its own that begins at `base`. With `resumed` it also takes up what a killed
 * start of the same agent left: as no turn has run in that, what is not whole is made anew. With `worked` a turn has: it is
 * taken up as it lies, whatever branch it is on, less the lock of a git that was killed.
 *
 * @throws {OvError} `worktree.taken`, `worktree.branch-taken` when its path or branch is somebody else's
 */
export async function prepareWorktree(
  project: Project,
  {
    path,
    branch,
    base,
    resumed,
    worked = false,
    pooled,
  }: {
    path: string
    branch: string
    base: string
    resumed: boolean
    worked?: boolean
    /** Makes one of the pool's the agent's; false when there is none. */
    pooled?: () => Promise<boolean>
  },
): Promise<void> {
  const common = commonDirAt(project.root)
  const admin = adminDirOf(path, common)
  if (admin !== null && existsSync(path)) {
    if (worked) return rmSync(join(admin, 'index.lock'), { force: true })
    if (!resumed || !isBegun(admin, branch, base)) throw taken(path)
    if (await isWhole(project, path, admin, branch)) return
    await removeWorktree(project.git, path, { force: true })
  }
  if (resumed && admin !== null && !existsSync(path)) forgetWorktree(path, common)
  else if (admin !== null) await project.git.raw('worktree', 'prune')
  if (resumed && isStub(path, common)) rmSync(path, { recursive: true })
  if (existsSync(path)) throw taken(path)
  const exists = (await commitOf(project.git, `refs/heads/${branch}`)) !== null
  if (exists && !resumed) throw branchTaken(branch)
  await ignoreFolder(project, dirname(path))
  mkdirSync(dirname(path), { recursive: true })
  if (!exists && !resumed && (await pooled?.())) return
  step('worktree.announced')
  await addWorktree(project.git, path, exists ? { existing: branch } : { branch, base })
  step('worktree.added')
}

/** What a start that was killed leaves is on its branch, or was not brought onto it yet. */
function isBegun(admin: string, branch: string, base: string): boolean {
  const head = headOf(admin)
  return head !== null && ('branch' in head ? head.branch === branch : head.commit === base)
}

/** Checked out to the end: nothing is missing, and no dead git holds its index. */
async function isWhole(project: Project, path: string, admin: string, branch: string): Promise<boolean> {
  const head = headOf(admin)
  if (head === null || !('branch' in head) || head.branch !== branch) return false
  if (existsSync(join(admin, 'index.lock'))) return false
  try {
    return (await uncommitted(gitIn(project, path))).length === 0
  } catch (error) {
    // Git was killed before there was a HEAD or an index.
    if (error instanceof GitFailure) return false
    throw error
  }
}

function branchTaken(branch: string): OvError {
  return new OvError('failed', 'worktree.branch-taken', `The branch ${branch} exists and is not this agent's.`, {
    hint: 'It is left as it is. Sling the task again, and its agent gets another name.',
  })
}

export function taken(path: string): OvError {
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

/**
 * The folders outside a worktree that a commit on its branch writes to, for CLIs that confine what they run. Git makes
 * folders of refs and their logs when it needs them, and takes empty ones away; here they are made beforehand.
 */
export function commitFolders(project: Pick<Project, 'root'>, path: string, branch: string): string[] {
  const common = commonDirAt(project.root)
  const admin = adminDirOf(path, common)
  const refs = ['', 'logs'].map((part) => dirname(join(common, part, 'refs', 'heads', branch)))
  for (const folder of refs) mkdirSync(folder, { recursive: true })
  const reftable = join(common, 'reftable')
  return [
    join(common, 'objects'),
    ...refs,
    ...(existsSync(reftable) ? [reftable] : []),
    ...(admin === null ? [] : [admin]),
  ]
}

/** Git in an agent's worktree, which is not asked what repository it belongs to: the agent could have changed that. */
export function gitIn(project: Pick<Project, 'root'>, path: string): Git {
  return gitInWorktree(path, commonDirAt(project.root))
}
