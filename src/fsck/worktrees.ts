import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { isOpen } from '../agents/store.ts'
import { listFolder } from '../os/files.ts'
import { GitFailure } from '../os/git.ts'
import { adminDirOf, commonDirAt } from '../os/git-folder.ts'
import { isStub } from '../os/worktree-record.ts'
import { strangersInPool } from '../worktrees/pool.ts'
import { gitIn, worktreePath } from '../worktrees/prepare.ts'
import { type Breach, hasLivingOwner, type Invariant, type Look } from './invariant.ts'
import { gitAtWork, locksOf, lostWorktrees, realFolder, scratchLeft } from './left.ts'

/** Where agents work, and where merges are tried. */
export const WORKTREE_INVARIANTS: readonly Invariant[] = [
  {
    name: 'worktrees-owned',
    promise: 'Every worktree of the fleet is an agent’s, one that is prepared, or one that is being checked.',
    async check(look) {
      const { project, rows, trees } = look
      const base = dirname(worktreePath(project, 'x'))
      const common = commonDirAt(project.root)
      const agents = new Map(rows.agents.map((agent) => [realFolder(worktreePath(project, agent.worktree)), agent]))
      const slots = rows.pool.map(({ id }) => realFolder(worktreePath(project, join('.pool', id))))
      const scratch = realFolder(join(project.stateDir, 'scratch'))
      const isKnown = (path: string) => agents.has(path) || slots.includes(path) || dirname(path) === scratch
      const ours = (path: string) => [realFolder(base), realFolder(join(base, '.pool'))].includes(dirname(path))
      const lost = await lostWorktrees(project)
      const stubs = listFolder(base)
        // Empty until one is prepared.
        .filter((name) => name !== '.pool')
        .map((name) => join(base, name))
        .filter((path) => isStub(path, common))
        // Its agent is just being given it.
        .filter((path) => ![...agents].some(([of, agent]) => of === realFolder(path) && hasLivingOwner(agent)))
      return [
        ...trees
          .filter(({ path, prunable }) => ours(path) && !prunable && !isKnown(path))
          .map(({ path }) => ({ what: `The worktree ${path} belongs to no agent.`, hint: `git -C ${path} status` })),
        ...(await strangersInPool(project)).map((path) => {
          return { what: `The prepared worktree ${path} is known to nobody.`, hint: 'ov doctor --fix' }
        }),
        ...lost
          .filter(
            ({ path }) => ![...agents].some(([of, agent]) => of === path && isOpen(agent) && hasLivingOwner(agent)),
          )
          .map(({ path }) => ({ what: `The folder of the worktree ${path} is gone.`, hint: 'ov doctor --fix' })),
        ...stubs.map((path) => ({
          what: `${path} is half a worktree: git has no record of it.`,
          hint: `rm -r ${path}`,
        })),
      ]
    },
  },
  {
    name: 'worktrees-whole',
    promise: 'The worktree of an agent that has worked is there while it is at work, and git can read those there are.',
    async check({ project, rows }) {
      const common = commonDirAt(project.root)
      const breaches: Breach[] = []
      for (const agent of rows.agents) {
        const path = worktreePath(project, agent.worktree)
        const admin = adminDirOf(path, common)
        const hasWorked = isOpen(agent) && agent.turns > 0
        if (admin === null || !existsSync(path)) {
          if (hasWorked)
            breaches.push({ what: `The worktree of ${agent.name} is gone: ${path}`, hint: `ov inspect ${agent.name}` })
          continue
        }
        // Its agent is being given it: that it is whole is made sure of then.
        if (isOpen(agent) && agent.turns === 0) continue
        const why = await unreadable(project, path)
        if (why !== null)
          breaches.push({ what: `Git can't read the worktree of ${agent.name}: ${why}`, hint: `git -C ${path} status` })
      }
      return breaches
    },
  },
  {
    name: 'scratch-in-use',
    promise: 'A worktree in which a merge is checked has a live process that checks it.',
    check: ({ project, rows }) =>
      scratchLeft(project, rows.leases).map((id) => ({
        what: `The scratch worktree ${id} was left by a check that was killed.`,
        hint: 'ov up',
      })),
  },
  {
    name: 'pool-whole',
    promise: 'A worktree that is said to be prepared is there, and one that is being prepared has somebody who does.',
    check: ({ project, rows }) =>
      rows.pool.flatMap((slot): Breach[] => {
        const path = worktreePath(project, join('.pool', slot.id))
        if (slot.state === 'ready')
          return existsSync(path) ? [] : [{ what: `The prepared worktree ${slot.id} is gone.`, hint: 'ov up' }]
        if (hasLivingOwner(slot)) return []
        return [{ what: `The prepared worktree ${slot.id} was left in the middle (${slot.state}).`, hint: 'ov up' }]
      }),
  },
  {
    name: 'locks',
    promise: 'A lock of git’s is held by a live git.',
    async check(look) {
      if (gitAtWork(look.project, look.trees, look.processes)) return []
      const landings = look.rows.landings.length
      return (await locksOf(look.project)).map(({ path, ours }) => ({
        what: `No git is at work here, but ${path} is there.`,
        hint: landings > 0 && basename(path) === 'index.lock' ? 'ov land' : ours ? 'ov doctor --fix' : `rm '${path}'`,
      }))
    },
  },
]

async function unreadable(project: Look['project'], path: string): Promise<string | null> {
  try {
    const git = gitIn(project, path)
    await git.raw('rev-parse', '--quiet', '--verify', 'HEAD^{tree}')
    await git.raw('ls-files', '--stage')
    return null
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    return error.message.split('\n')[0] ?? ''
  }
}
