import { existsSync, readdirSync, realpathSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { codeOf } from '../errors.ts'
import { scratchLease } from '../merge/scratch.ts'
import { isWithin, listFolder, readText } from '../os/files.ts'
import { listWorktrees, type WorktreeInfo } from '../os/git.ts'
import { commonDirAt } from '../os/git-folder.ts'
import { argumentsOf, environmentOf, type Stat, workingFolderOf } from '../os/process.ts'
import { processesIn } from '../os/tree.ts'
import { guessCanonicalBranch, type Project } from '../project.ts'
import { hasLivingOwner, type Owned } from './invariant.ts'

/*
 * What killed processes can leave in a repository. `ov fsck` tells of it, `ov doctor --fix` removes it.
 */

/** Folders in which all worktrees are `ov`'s. */
export function ownFolders(project: Project): string[] {
  const base = project.config.worktrees.baseDir
  return [isAbsolute(base) ? base : resolve(project.root, base), join(project.stateDir, 'scratch')]
}

/**
 * Worktrees of ours whose folder is gone while git still has a record. Only ours: `git worktree prune` would also forget
 * the human's that lie on a disk which is not mounted now.
 */
export async function lostWorktrees(project: Project): Promise<WorktreeInfo[]> {
  const folders = ownFolders(project).map(realFolder)
  return (await listWorktrees(project.git)).filter(
    (tree) => tree.prunable && folders.some((folder) => tree.path !== folder && isWithin(folder, tree.path)),
  )
}

/** Where git keeps the record of each linked worktree, by the path of the worktree. */
export function recordsOf(project: Project): Map<string, string> {
  const records = join(commonDirAt(project.root), 'worktrees')
  return new Map(
    listFolder(records).flatMap((name) => {
      const path = readText(join(records, name, 'gitdir'))
        ?.trim()
        .replace(/\/\.git$/, '')
      return path === undefined ? [] : [[path, join(records, name)] as const]
    }),
  )
}

export interface Lock {
  readonly path: string
  /** Of `ov` or an agent for certain; the others may be the human's. */
  readonly ours: boolean
}

/** Locks on what only `ov` and its agents write, on the canonical branch, and those of the human's checkout. */
export async function locksOf(project: Project): Promise<Lock[]> {
  const git = commonDirAt(project.root)
  const branch = project.config.project.canonicalBranch ?? (await guessCanonicalBranch(project.git))
  const own = ['refs/ov', 'refs/heads/ov'].flatMap((folder) =>
    filesBelow(join(git, folder)).filter((path) => path.endsWith('.lock')),
  )
  const folders = ownFolders(project).map(realFolder)
  const trees = [...recordsOf(project)]
    .filter(([path]) => folders.some((folder) => isWithin(folder, path)) && processesIn(path).length === 0)
    .flatMap(([, record]) => ['index.lock', 'HEAD.lock'].map((name) => join(record, name)))
  const canonical = branch === null ? [] : [`refs/heads/${branch}.lock`]
  const human = ['index.lock', 'HEAD.lock', 'config.lock', 'packed-refs.lock', ...canonical].map((name) =>
    join(git, name),
  )
  return [
    ...[...own, ...trees].map((path) => ({ path, ours: true })),
    ...human.map((path) => ({ path, ours: false })),
  ].filter((lock) => existsSync(lock.path))
}

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return []
    throw error
  }
}

/** Whether a git, of whomever, may be at work in this repository: by where it works, or by what it was given. */
export function gitAtWork(
  project: Pick<Project, 'root'>,
  trees: readonly { readonly path: string }[],
  processes: readonly Stat[],
): boolean {
  const folders = [project.root, commonDirAt(project.root), ...trees.map(({ path }) => path)].map(realFolder)
  return processes.some(({ name, pid, parent }) => {
    // What this process itself runs meanwhile only reads.
    if (!/^git(-|$)/.test(name) || parent === process.pid) return false
    const cwd = workingFolderOf(pid)
    const given = [...argumentsOf(pid), ...environmentOf(pid)]
    return folders.some(
      (folder) => (cwd !== undefined && isWithin(folder, cwd)) || given.some((word) => word.includes(folder)),
    )
  })
}

/** Ids of the scratch worktrees that no live process checks anything in. */
export function scratchLeft(
  { stateDir }: Pick<Project, 'stateDir'>,
  leases: readonly (Owned & { readonly resource: string })[],
): string[] {
  const held = new Set(leases.filter(hasLivingOwner).map(({ resource }) => resource))
  return listFolder(join(stateDir, 'scratch')).filter((id) => !held.has(scratchLease(id)))
}

/** Git names worktrees by their real path, which the configured one may reach by a link. */
export function realFolder(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // It is not there: then it is reached by no link.
    return path
  }
}
