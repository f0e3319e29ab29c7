import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { claimLease, deadLeases, dropLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { newId } from '../ids.ts'
import { listFolder } from '../os/files.ts'
import { addWorktree } from '../os/git.ts'
import { adminDirOf, commonDirAt } from '../os/git-folder.ts'
import { killJob, ownIdentity } from '../os/process.ts'
import { removeAll } from '../os/scrub.ts'
import { sweepDrafts } from '../os/worktree-record.ts'
import type { Project } from '../project.ts'
import { keepCommits } from '../worktrees/keep.ts'

/** The owner's death frees a scratch worktree; time alone would have to be longer than any gate. */
const LEASE_MS = 7 * 24 * 3_600_000

/** A worktree at one commit, made for checking it and nothing else. */
export interface Scratch {
  /** Also the id of the job under which everything runs that runs in it. */
  readonly id: string
  readonly path: string
}

function scratchDir(project: Pick<Project, 'stateDir'>): string {
  return join(project.stateDir, 'scratch')
}

/** Makes a scratch worktree at a commit, lends it to `work`, and removes it with whatever still runs in it. */
export async function inScratch<T>(
  project: Project,
  commit: string,
  work: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  const id = newId()
  const path = join(scratchDir(project), id)
  const lease = await write(project.db, (tx) =>
    claimLease(tx, scratchLease(id), ownIdentity(), project.clock, LEASE_MS),
  )
  if (lease === null) throw new Error(`scratch ${id} belongs to somebody else`)
  try {
    mkdirSync(scratchDir(project), { recursive: true })
    await addWorktree(project.git, path, { detach: commit })
    return await work({ id, path })
  } finally {
    await discard(project, id, commit)
    await write(project.db, (tx) => dropLease(tx, lease))
  }
}

/**
 * Removes scratch worktrees whose process is gone, with what it left running, and the leases of those that it had removed
 * already. Gives how many.
 */
export async function sweepScratch(project: Project): Promise<number> {
  let removed = 0
  sweepDrafts(commonDirAt(project.root))
  const leased = (await deadLeases(project.db)).map(({ resource }) => resource.replace(/^scratch:/, ''))
  const ids = new Set([...listFolder(scratchDir(project)), ...leased].filter((name) => UUID.test(name)))
  for (const id of ids) {
    const lease = await write(project.db, (tx) =>
      claimLease(tx, scratchLease(id), ownIdentity(), project.clock, LEASE_MS),
    )
    if (lease === null) continue
    await discard(project, id, null)
    await write(project.db, (tx) => dropLease(tx, lease))
    removed += 1
  }
  return removed
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The lease of whoever checks something in a scratch worktree. */
export function scratchLease(id: string): string {
  return `scratch:${id}`
}

/** @param commit what it was made at, null when that is not known */
async function discard(project: Project, id: string, commit: string | null): Promise<void> {
  const path = join(scratchDir(project), id)
  await killJob(id)
  const admin = adminDirOf(path, commonDirAt(project.root))
  // A gate may have committed there. Nobody needs that commit, but it is not for us to say so.
  if (admin !== null && existsSync(path)) await keepCommits(project, `scratch-${id}`, path, commit)
  removeAll(path)
  if (admin !== null) removeAll(admin)
}
