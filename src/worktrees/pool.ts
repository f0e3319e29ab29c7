import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { assertOwned, type Ownership } from '../agents/store.ts'
import { ignoreFolder } from '../config/local.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { isAllowed } from '../load/mode.ts'
import { listFolder } from '../os/files.ts'
import {
  addWorktree,
  contentsOf,
  GitFailure,
  refreshIndex,
  resetWhole,
  statusOfAll,
  switchTo,
  uncommitted,
} from '../os/git.ts'
import { adminDirOf, commonDirAt, headOf } from '../os/git-folder.ts'
import { liveness, ownIdentity } from '../os/process.ts'
import { removeFolder, scrub } from '../os/scrub.ts'
import { processesIn } from '../os/tree.ts'
import { forgetFolder, moveWorktree, recordsPlainly, renewRecord } from '../os/worktree-record.ts'
import type { Project } from '../project.ts'
import { step } from '../steps.ts'
import { startingPoint } from './base.ts'
import { allSlots, beginSlot, claimSlot, endSlot, offerSlot, type PoolSlot, seizeSlot } from './pool-store.ts'
import { gitIn, worktreePath } from './prepare.ts'

/*
 * Worktrees prepared ahead, so that in a large repository an agent needn't wait for a checkout: it gets one that is
 * there, and brings it onto its branch. Those of agents that are done are used again, once nothing of their task is
 * left in them for certain. What can't be proved clean is removed instead.
 */

/** Where prepared worktrees lie: among those of agents, under a name that no agent can have. */
function poolFolder(project: Project): string {
  return worktreePath(project, '.pool')
}

function slotPath(project: Project, slot: Pick<PoolSlot, 'id'>): string {
  return join(poolFolder(project), slot.id)
}

/** Git takes the age of files in whole seconds. */
const INDEX_TICK_MS = 1_100

/** Prepares worktrees until there are as many as are wanted. Call it when there is nothing better to do. */
export async function fillPool(project: Project): Promise<void> {
  const size = project.config.worktrees.pool
  if (size === 0 || !recordsPlainly(commonDirAt(project.root))) return
  for (;;) {
    if (!(await isAllowed(project, 'pool'))) return
    const slot = await write(project.db, (tx) => beginSlot(tx, size, ownIdentity(), project.clock.now()))
    if (slot === null) return
    const path = slotPath(project, slot)
    try {
      step('pool.begun')
      const base = await startingPoint(project)
      await ignoreFolder(project, dirname(poolFolder(project)))
      mkdirSync(poolFolder(project), { recursive: true })
      await addWorktree(project.git, path, { detach: base })
      step('pool.added')
      await delay(INDEX_TICK_MS)
      await refreshIndex(gitIn(project, path))
      await write(project.db, (tx) => offerSlot(tx, slot.id, base))
      step('pool.offered')
    } catch (error) {
      await drop(project, slot)
      throw error
    }
  }
}

/**
 * Makes a prepared worktree an agent's own, at `path` and on its new branch. False when there is none, or none that is
 * as it was prepared: then one has to be made.
 *
 * @throws {OvError} `agent.fenced`
 */
export async function takePooled(
  project: Project,
  agent: Ownership,
  { path, branch, base }: { path: string; branch: string; base: string },
): Promise<boolean> {
  if (project.config.worktrees.pool === 0) return false
  const common = commonDirAt(project.root)
  for (;;) {
    const slot = await write(project.db, async (tx) => {
      await assertOwned(tx, agent)
      return claimSlot(tx, ownIdentity(), base)
    })
    if (slot === null) return false
    step('pool.claimed')
    const from = slotPath(project, slot)
    try {
      if (!(await isPristine(project, from, slot.base_sha))) continue
      // On its branch before it is at its place: what is found there after a kill can be told to be the agent's.
      try {
        await switchTo(gitIn(project, from), { branch, base })
      } catch (error) {
        if (!(error instanceof GitFailure)) throw error
        return false
      }
      step('pool.switched')
      moveWorktree(from, path, common)
      step('pool.moved')
      return true
    } finally {
      await drop(project, slot)
    }
  }
}

/**
 * Takes the clean worktree of an agent that is done into the pool, if it still has room. Its commits are kept by then,
 * and all in it is committed. False: it was left as it is.
 */
export async function recycle(project: Project, path: string): Promise<boolean> {
  const common = commonDirAt(project.root)
  const size = project.config.worktrees.pool
  const admin = adminDirOf(path, common)
  if (size === 0 || admin === null || !recordsPlainly(common) || processesIn(path).length > 0) return false
  // Repositories of submodules lie in there, perhaps with commits of their own; a human's lock is a human's.
  if (['modules', 'locked'].some((name) => existsSync(join(admin, name)))) return false
  const base = await startingPoint(project)
  const expected = await contentsOf(project.git, base)
  if (expected === null) return false
  const slot = await write(project.db, (tx) => beginSlot(tx, size, ownIdentity(), project.clock.now()))
  if (slot === null) return false
  step('recycle.begun')
  const to = slotPath(project, slot)
  mkdirSync(poolFolder(project), { recursive: true })
  moveWorktree(path, to, common)
  step('recycle.moved')
  // Asked where nobody looks for it any more: what is there now stays as it is.
  if (!(await isCommitted(project, to))) {
    moveWorktree(to, path, common)
    await write(project.db, (tx) => endSlot(tx, slot.id))
    return false
  }
  try {
    renewRecord(to, common, base)
    scrub(to, expected)
    step('recycle.scrubbed')
    await resetWhole(gitIn(project, to), base)
    step('recycle.reset')
    if (!(await isPristine(project, to, base))) throw new Error('it could not be made clean')
    await write(project.db, (tx) => offerSlot(tx, slot.id, base))
  } catch (error) {
    await drop(project, slot)
    const data = { why: messageOf(error) }
    await recordEvent(project.db, { at: project.clock.now(), type: 'pool.removed', data })
  }
  return true
}

async function isCommitted(project: Project, path: string): Promise<boolean> {
  try {
    return (await uncommitted(gitIn(project, path))).length === 0
  } catch (error) {
    if (!(error instanceof GitFailure || error instanceof OvError)) throw error
    return false
  }
}

/** Nothing in it but what the commit has, ignored files included, and nothing under way. */
async function isPristine(project: Project, path: string, base: string | null): Promise<boolean> {
  const admin = adminDirOf(path, commonDirAt(project.root))
  const head = admin === null ? null : headOf(admin)
  if (admin === null || head === null || !('commit' in head) || head.commit !== base) return false
  const known = ['HEAD', 'ORIG_HEAD', 'commondir', 'gitdir', 'index', 'logs']
  if (listFolder(admin).some((name) => !known.includes(name))) return false
  try {
    return (await statusOfAll(gitIn(project, path))) === ''
  } catch (error) {
    if (error instanceof GitFailure) return false
    throw error
  }
}

/** Removes what of a slot is still at its place, then the slot. */
async function drop(project: Project, slot: PoolSlot): Promise<void> {
  const path = slotPath(project, slot)
  if (existsSync(path)) {
    forgetFolder(path, commonDirAt(project.root))
    removeFolder(path)
  }
  await write(project.db, (tx) => endSlot(tx, slot.id))
}

/** Removes slots whose owner died, whose folder is gone, or that are more than wanted. Whoever looks after the fleet calls this. */
export async function sweepPool(project: Project): Promise<void> {
  let ready = 0
  for (const slot of await allSlots(project.db)) {
    if (slot.state === 'ready' && existsSync(slotPath(project, slot))) {
      ready += 1
      if (ready <= project.config.worktrees.pool) continue
    }
    if (slot.state !== 'ready' && !isOwnerGone(slot)) continue
    if (await write(project.db, (tx) => seizeSlot(tx, slot, ownIdentity()))) await drop(project, slot)
  }
}

function isOwnerGone({ owner_pid: pid, owner_start: start, owner_boot: boot }: PoolSlot): boolean {
  return pid === null || start === null || boot === null || liveness({ pid, start, boot }) === 'gone'
}

/** Folders in the pool that are no slots: of a database that was lost. */
export async function strangersInPool(project: Project): Promise<string[]> {
  const known = new Set((await allSlots(project.db)).map(({ id }) => id))
  return listFolder(poolFolder(project))
    .filter((name) => !known.has(name))
    .map((name) => join(poolFolder(project), name))
}

/** Removes such a folder, and its record. */
export function removeStranger(project: Project, path: string): void {
  forgetFolder(path, commonDirAt(project.root))
  removeFolder(path)
}

export interface PoolFacts {
  /** Worktrees that are prepared. */
  readonly ready: number
  /** What `worktrees.pool` says. */
  readonly wanted: number
}

export async function poolFacts(project: Project): Promise<PoolFacts> {
  const ready = (await allSlots(project.db)).filter(({ state }) => state === 'ready').length
  return { ready, wanted: project.config.worktrees.pool }
}
