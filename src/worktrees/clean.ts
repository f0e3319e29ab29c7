import { join } from 'node:path'
import { type Agent, allAgents, isOpen } from '../agents/store.ts'
import { recordEvent } from '../events/store.ts'
import { trainRef } from '../merge/track.ts'
import { changedAt, listFolder } from '../os/files.ts'
import { commitOf, GitFailure, isAncestor, listWorktrees, removeWorktree, uncommitted } from '../os/git.ts'
import { removeAll } from '../os/scrub.ts'
import { deadSocketsIn } from '../os/sockets.ts'
import { processesIn } from '../os/tree.ts'
import { canonicalBranch, type Project, TMUX_SOCKET } from '../project.ts'
import { step } from '../steps.ts'
import { keepCommits, keepPrefix } from './keep.ts'
import { gitIn } from './prepare.ts'
import { type Surveyed, surveyWorktrees } from './survey.ts'

export type LitterKind = 'worktree' | 'branch' | 'folder' | 'log' | 'socket'

/** Something that nobody needs any more. */
export interface Litter {
  readonly kind: LitterKind
  /** A path, or the name of a branch. */
  readonly what: string
  /** Name of the agent it belonged to; null where none is known. */
  readonly agent: string | null
  readonly why: string
}

/** Something that stays though its agent has ended. */
export interface Spared {
  readonly kind: LitterKind
  readonly what: string
  readonly agent: string | null
  readonly why: string
  /** How to look at it, or what to do about it. */
  readonly hint: string
}

export interface CleanPlan {
  readonly litter: readonly Litter[]
  readonly spared: readonly Spared[]
}

const DAY_MS = 86_400_000

/**
 * What could be removed, and what stays for what reason. Looks only.
 *
 * @param options.kinds what to look for
 * @param options.logDays logs of agents that ended more than so many days ago are litter
 */
export async function planClean(
  project: Project,
  { kinds, logDays }: { kinds: readonly LitterKind[]; logDays: number },
): Promise<CleanPlan> {
  const agents = await allAgents(project.db)
  const looks: Record<LitterKind, () => Promise<CleanPlan>> = {
    worktree: async () => planWorktrees(await surveyWorktrees(project)),
    branch: () => planBranches(project, agents),
    folder: async () => ({ litter: folders(project, agents), spared: [] }),
    log: async () => ({ litter: logs(project, agents, logDays), spared: [] }),
    socket: async () => ({
      litter: (await deadSocketsIn(project.socketDir, [TMUX_SOCKET])).map((what) => {
        return { kind: 'socket', what, agent: null, why: 'nobody listens on it' }
      }),
      spared: [],
    }),
  }
  const plans = await Promise.all(kinds.map((kind) => looks[kind]()))
  return { litter: plans.flatMap((plan) => plan.litter), spared: plans.flatMap((plan) => plan.spared) }
}

/** A worktree goes when its agent has ended, git has everything in it, and nobody works there. */
function planWorktrees(trees: readonly Surveyed[]): CleanPlan {
  const litter: Litter[] = []
  const spared: Spared[] = []
  for (const { path, agent, uncommitted: dirty, processes } of trees) {
    if (isOpen(agent)) continue
    const facts = { kind: 'worktree', what: path, agent: agent.name } as const
    const [process] = processes
    if (dirty.length > 0) {
      const why = `${dirty.length} uncommitted file${dirty.length === 1 ? '' : 's'}`
      spared.push({ ...facts, why, hint: `git -C ${path} status` })
    } else if (process !== undefined) {
      spared.push({ ...facts, why: 'somebody works in it', hint: `ps -p ${process.pid}` })
    } else {
      litter.push({ ...facts, why: `${agent.state}, everything committed` })
    }
  }
  return { litter, spared }
}

/** A branch goes when its agent has ended and all of it is in the canonical branch, or on its way there, or it is empty. */
async function planBranches(project: Project, agents: readonly Agent[]): Promise<CleanPlan> {
  const litter: Litter[] = []
  const spared: Spared[] = []
  for (const agent of agents) {
    if (isOpen(agent)) continue
    const head = await commitOf(project.git, `refs/heads/${agent.branch}`)
    if (head === null) continue
    const facts = { kind: 'branch', what: agent.branch, agent: agent.name } as const
    if (head === agent.base_sha) litter.push({ ...facts, why: 'nothing was committed on it' })
    else if (await isMerged(project, head)) litter.push({ ...facts, why: 'merged' })
    else spared.push({ ...facts, why: 'has commits that are not merged', hint: `git log ${agent.branch}` })
  }
  return { litter, spared }
}

async function isMerged(project: Project, head: string): Promise<boolean> {
  const branch = await canonicalBranch(project)
  for (const ref of [`refs/heads/${branch}`, trainRef(branch)]) {
    if ((await commitOf(project.git, ref)) !== null && (await isAncestor(project.git, head, ref))) return true
  }
  return false
}

/** Private folders of agents that have ended or that nobody knows. What a persistent agent knows may lie in its own. */
function folders(project: Project, agents: readonly Agent[]): Litter[] {
  const needed = agents.filter((agent) => isOpen(agent) || agent.persistent === 1)
  const open = new Set(needed.map(({ id }) => id))
  const names = new Map(agents.map((agent) => [agent.id, agent.name]))
  return listFolder(join(project.stateDir, 'agents'))
    .filter((id) => !open.has(id))
    .map((id) => ({
      kind: 'folder' as const,
      what: join(project.stateDir, 'agents', id),
      agent: names.get(id) ?? null,
      why: 'its agent has ended',
    }))
}

function logs(project: Project, agents: readonly Agent[], days: number): Litter[] {
  const known = new Map(agents.map((agent) => [agent.id, agent]))
  const before = project.clock.now() - days * DAY_MS
  return listFolder(join(project.stateDir, 'logs')).flatMap((id) => {
    const what = join(project.stateDir, 'logs', id)
    const agent = known.get(id)
    const ended = agent === undefined ? changedAt(what) : isOpen(agent) ? null : agent.ended_at
    if (ended === null || ended > before) return []
    return [{ kind: 'log' as const, what, agent: agent?.name ?? null, why: `ended more than ${days} days ago` }]
  })
}

/** What became of a plan. */
export interface Cleaned {
  readonly removed: readonly Litter[]
  /** What was spared from the beginning, and what turned out at the last moment not to be litter. */
  readonly spared: readonly Spared[]
}

/** Removes what a plan found, each only if it still is what the plan says. Every commit is kept by a ref before. */
export async function carryOut(project: Project, plan: CleanPlan): Promise<Cleaned> {
  const agents = new Map((await allAgents(project.db)).map((agent) => [agent.name, agent]))
  const removed: Litter[] = []
  const spared = [...plan.spared]
  for (const litter of plan.litter) {
    const agent = litter.agent === null ? undefined : agents.get(litter.agent)
    const kept = await remove(project, litter, agent)
    if (kept === null) removed.push(litter)
    else spared.push({ ...litter, why: kept, hint: 'Look at it, then: ov clean' })
  }
  if (removed.length > 0) {
    const data = { removed: removed.map(({ kind, what }) => `${kind} ${what}`) }
    await recordEvent(project.db, { at: project.clock.now(), type: 'clean.removed', data })
  }
  return { removed, spared }
}

/** Gives null when it is gone, else why it was left. */
async function remove(project: Project, litter: Litter, agent: Agent | undefined): Promise<string | null> {
  switch (litter.kind) {
    case 'worktree':
      return agent === undefined ? 'its agent is not known' : takeDown(project, litter.what, agent)
    case 'branch':
      return agent === undefined ? 'its agent is not known' : dropBranch(project, agent)
    case 'folder':
    case 'log':
    case 'socket':
      removeAll(litter.what)
      return null
  }
}

async function takeDown(project: Project, path: string, agent: Agent): Promise<string | null> {
  await keepCommits(project, agent.id, path, agent.base_sha)
  step('clean.kept')
  if ((await uncommitted(gitIn(project, path))).length > 0) return 'has uncommitted files by now'
  if (processesIn(path).length > 0) return 'somebody works in it by now'
  try {
    // Without force: git itself refuses a worktree that has become dirty, or is locked.
    await removeWorktree(project.git, path)
    step('clean.worktree-gone')
    return null
  } catch (error) {
    if (error instanceof GitFailure) return error.message
    throw error
  }
}

/** The ref that keeps its head comes first; then the branch goes, if it still is where it was. */
async function dropBranch(project: Project, agent: Agent): Promise<string | null> {
  const ref = `refs/heads/${agent.branch}`
  const head = await commitOf(project.git, ref)
  if (head === null) return null
  const checkedOut = (await listWorktrees(project.git)).find(({ branch }) => branch === agent.branch)
  if (checkedOut) return `is checked out in ${checkedOut.path}`
  if (head !== agent.base_sha) await project.git.raw('update-ref', keepPrefix(agent.id) + head, head)
  try {
    step('clean.branch-kept')
    await project.git.raw('update-ref', '-d', ref, head)
    step('clean.branch-gone')
    return null
  } catch (error) {
    if (error instanceof GitFailure) return error.message
    throw error
  }
}
