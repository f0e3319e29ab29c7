import { existsSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type Agent, findAgent, getAgent, isOpen, openAgents } from '../../agents/store.ts'
import { claimLease, deadLeases, heldLeases, releaseLease } from '../../db/lease.ts'
import { write } from '../../db/open.ts'
import { hasLivingOwner } from '../../fsck/invariant.ts'
import { gitAtWork, locksOf, lostWorktrees, recordsOf, scratchLeft } from '../../fsck/left.ts'
import { modeNow } from '../../load/mode.ts'
import { scratchLease, sweepScratch } from '../../merge/scratch.ts'
import { openMerges, TRAIN_LEASE } from '../../merge/store.ts'
import { driveTrain } from '../../merge/train.ts'
import { fileMark, isWithin, listFolder } from '../../os/files.ts'
import { listWorktrees, removeWorktree } from '../../os/git.ts'
import { allProcesses, ownIdentity, processesHolding } from '../../os/process.ts'
import { deadSocketsIn, sweepSockets } from '../../os/sockets.ts'
import { agentsWithProcesses, processesOf, runnersOf, stopProcessesOf } from '../../os/tree.ts'
import { type Project, TMUX_SOCKET } from '../../project.ts'
import { lackOf } from '../../runtimes/lack.ts'
import { loadedRuntime } from '../../runtimes/registry.ts'
import { isOrphaned, reconcile } from '../../watchdog/reconcile.ts'
import { keepFromRecord } from '../../worktrees/keep.ts'
import { removeStranger, strangersInPool } from '../../worktrees/pool.ts'
import type { Check, Found } from '../diagnosis.ts'

/** Git holds a ref lock for milliseconds; what is this old and open in no process was left by a killed one. */
const LOCK_AGE_MS = 2 * 60_000
/** Nothing that is written whole, or checked in a scratch worktree without any process in it, takes this long. */
const LEFTOVER_AGE_MS = 10 * 60_000
/** A start is in good hands for this long. */
const START_GRACE_MS = 10_000
/** So many names are told, the rest is a number. */
const NAMED = 5

/** Agents whose owner is gone, and work that waits although it need not. */
export async function checkAgents(project: Project): Promise<Check> {
  const agents = await openAgents(project.db)
  const settled = (since: number) => project.clock.now() - since > START_GRACE_MS
  const orphans = agents.filter((agent) => isOrphaned(project, agent))
  const queued = agents.filter((agent) => agent.state === 'queued' && settled(agent.state_since))
  const places = project.config.agents.maxConcurrent - agents.filter((agent) => agent.state !== 'queued').length
  const { holds } = await modeNow(project)
  const found: Found[] = []
  const converge = async () => {
    const ended = await reconcile(project, { asked: true })
    return `What lost its runner goes on, ${countOf(ended.length, 'agent')} that could not ended, their commits kept; what was queued is started where there is a place.`
  }
  if (orphans.length > 0) {
    found.push({
      severity: 'warning',
      code: 'agent.orphaned',
      message: `The runner of ${some(orphans.map((agent) => agent.name))} is gone.`,
      hint: 'Bring them back: ov up',
      fix: converge,
    })
  } else if (queued.length > 0 && places > 0 && holds === null) {
    const { here, elsewhere } = await startable(project, queued)
    if (here.length > 0) {
      found.push({
        severity: 'warning',
        code: 'agent.not-started',
        message: `${some(here)} is queued although a place is free.`,
        hint: 'Start what is queued: ov doctor --fix',
        fix: converge,
      })
    }
    for (const [text, { hint, names }] of elsewhere) {
      const message = `${some(names)} is queued although a place is free, and can't be started from here: ${text}`
      found.push({ severity: 'warning', code: 'agent.left', message, hint })
    }
  }
  const merges = (await openMerges(project.db)).filter((entry) => settled(entry.updated_at))
  if (merges.length > 0) {
    found.push({
      severity: 'info',
      code: 'merge.waiting',
      message: `${countOf(merges.length, 'branch', 'branches')} in the merge queue: ${some(merges.map((entry) => entry.branch))}.`,
      hint: 'ov merge --all',
    })
  }
  return { name: 'agents', summary: agents.length === 0 ? 'none open' : `${agents.length} open`, found }
}

/** Names of those that could be started here, and of those that could not, by what is missing. */
async function startable(project: Project, agents: readonly Agent[]) {
  const here: string[] = []
  const elsewhere = new Map<string, { hint: string; names: string[] }>()
  for (const agent of agents) {
    const runtime = await loadedRuntime(agent.runtime)
    const lack = runtime === null ? null : lackOf(project, runtime, agent, { asked: true })
    if (lack === null) here.push(agent.name)
    else elsewhere.set(lack.text, { hint: lack.hint, names: [...(elsewhere.get(lack.text)?.names ?? []), agent.name] })
  }
  return { here, elsewhere }
}

/** What killed processes left: processes of agents that have ended, records of worktrees that are gone, scratch worktrees, locks, drafts of files. */
export async function checkLeftovers(project: Project): Promise<Check> {
  const found = (
    await Promise.all([
      processesLeft(project),
      worktreesLeft(project),
      poolLeft(project),
      checksLeft(project),
      leasesLeft(project),
      socketsLeft(project),
      locksLeft(project),
      draftsLeft(project),
    ])
  ).flat()
  return { name: 'leftovers', summary: found.length === 0 ? 'none' : `${found.length} kinds`, found }
}

/** Processes of agents that have ended, where nobody is about to end them: by the marker that each of them carries. */
async function processesLeft(project: Project): Promise<Found[]> {
  const agents = await Promise.all([...agentsWithProcesses()].map((id) => getAgent(project.db, id)))
  const left = agents.filter((agent) => agent !== undefined).filter((agent) => !isOpen(agent) && !hasLivingOwner(agent))
  if (left.length === 0) return []
  const names = some(left.map(({ name }) => name))
  return [
    {
      severity: 'warning',
      code: 'process.left',
      message: `Processes of ${names} are left, though ${left.length === 1 ? 'it has' : 'they have'} ended.`,
      hint: 'End them: ov doctor --fix',
      fix: async () => {
        let ended = 0
        for (const { id } of left) {
          const before = processesOf(id).length
          ended += before - (await stopProcessesOf(id, runnersOf(id))).length
        }
        return `${countOf(ended, 'process', 'processes')} of ${names} ended.`
      },
    },
  ]
}

async function worktreesLeft(project: Project): Promise<Found[]> {
  const lost = await lostWorktrees(project)
  if (lost.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'worktree.gone',
      message: `The folder of ${countOf(lost.length, 'worktree')} is gone, but git still has a record: ${some(lost.map((tree) => tree.path))}.`,
      hint: 'Keep their commits and drop the records: ov doctor --fix',
      fix: async () => {
        const admin = recordsOf(project)
        let kept = 0
        for (const tree of lost) {
          const record = admin.get(tree.path)
          if (record !== undefined && !isWithin(join(project.stateDir, 'scratch'), tree.path)) {
            // Worktrees are named after their agents; one whose agent is forgotten keeps its commits by its name.
            const name = basename(tree.path)
            const agent = await findAgent(project.db, name)
            kept += (await keepFromRecord(project, agent?.id ?? name, record, agent?.base_sha ?? null)).length
          }
          if (!existsSync(tree.path)) await removeWorktree(project.git, tree.path, { force: true })
        }
        return `${countOf(lost.length, 'record')} of lost worktrees dropped, ${countOf(kept, 'commit')} kept by a ref.`
      },
    },
  ]
}

/** Prepared worktrees that the database knows nothing of: no agent has ever worked in one. */
async function poolLeft(project: Project): Promise<Found[]> {
  const left = await strangersInPool(project)
  if (left.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'pool.unknown',
      message: `${countOf(left.length, 'prepared worktree')} that nobody will use: ${some(left)}.`,
      hint: 'Remove them: ov doctor --fix',
      fix: async () => {
        for (const path of left) removeStranger(project, path)
        return `${countOf(left.length, 'prepared worktree')} removed.`
      },
    },
  ]
}

/** Scratch worktrees hold a commit to be checked and what its gates made, nothing else. */
async function checksLeft(project: Project): Promise<Found[]> {
  const left = scratchLeft(project, await heldLeases(project.db))
  if (left.length === 0) return []
  return [
    {
      severity: 'warning',
      code: 'scratch.left',
      message: `${countOf(left.length, 'scratch worktree')} of checks that were killed ${left.length === 1 ? 'takes' : 'take'} up space.`,
      hint: 'ov doctor --fix',
      fix: async () => `${countOf(await sweepScratch(project), 'scratch worktree')} removed.`,
    },
  ]
}

/** Rights that dead processes held. Each is taken over and given up, as its next holder would do. */
async function leasesLeft(project: Project): Promise<Found[]> {
  const left = (await deadLeases(project.db)).map(({ resource }) => resource)
  // What was checked there is another matter.
  const scratch = new Set(listFolder(join(project.stateDir, 'scratch')).map(scratchLease))
  const free = left.filter((resource) => !scratch.has(resource))
  if (free.length === 0) return []
  return [
    {
      severity: 'info',
      code: 'lease.left',
      message: `A process that is dead held ${some(free)}.`,
      hint: 'The next one takes it over. Give it up now: ov doctor --fix',
      fix: async () => {
        for (const resource of free) await giveUp(project, resource)
        return `${some(free)}: given up for a dead process.`
      },
    },
  ]
}

async function giveUp(project: Project, resource: string): Promise<void> {
  // A train may have been killed while its git was at work: it is shut out first, as by the next train.
  if (resource === TRAIN_LEASE) {
    await driveTrain(project, { asked: true, rebuildOnly: true, land: false })
    return
  }
  await write(project.db, async (tx) => {
    const lease = await claimLease(tx, resource, ownIdentity(), project.clock, LEFTOVER_AGE_MS)
    if (lease !== null) await releaseLease(tx, lease)
  })
}

/** Brokers' sockets of runners that were killed. */
async function socketsLeft(project: Project): Promise<Found[]> {
  const left = await deadSocketsIn(project.socketDir, [TMUX_SOCKET])
  if (left.length === 0) return []
  return [
    {
      severity: 'info',
      code: 'sockets.left',
      message: `Nobody listens on ${countOf(left.length, 'socket')} of agents.`,
      hint: 'ov doctor --fix',
      fix: async () => {
        const removed = await sweepSockets(project.socketDir, [TMUX_SOCKET])
        return `${countOf(removed, 'socket')} that nobody listens on removed.`
      },
    },
  ]
}

async function locksLeft(project: Project): Promise<Found[]> {
  const there = (await locksOf(project)).flatMap((lock) => {
    return existsSync(lock.path) ? [{ ...lock, mark: fileMark(lock.path) }] : []
  })
  // Git has no lock open while it holds it. What lay there before no git was at work is held by none.
  const isQuiet = !gitAtWork(project, await listWorktrees(project.git), allProcesses())
  const old = there.filter(({ path, ours }) => (isQuiet && ours) || isOlder(path, LOCK_AGE_MS))
  if (old.length === 0) return []
  const stale = old.filter((lock) => processesHolding([lock.path]).length === 0)
  const ours = stale.filter((lock) => lock.ours)
  const others = stale.filter((lock) => !lock.ours && isOlder(lock.path, LEFTOVER_AGE_MS)).map((lock) => lock.path)
  const found: Found[] = []
  if (ours.length > 0) {
    found.push({
      severity: 'warning',
      code: 'git.stale-lock',
      message: `A killed git left ${countOf(ours.length, 'lock')}: ${some(ours.map(({ path }) => path))}.`,
      hint: 'ov doctor --fix',
      fix: async () => {
        for (const { path, mark } of ours)
          if (existsSync(path) && fileMark(path) === mark) rmSync(path, { force: true })
        return `${countOf(ours.length, 'stale lock')} removed.`
      },
    })
  }
  if (others.length > 0) {
    found.push({
      severity: 'warning',
      code: 'git.old-lock',
      message: `A lock of git's is over ten minutes old and no process has it open: ${some(others)}.`,
      hint: `If no git runs here, remove it: rm '${others[0]}'`,
    })
  }
  return found
}

/** Drafts of files that were to be written whole; what they were to become was never there. */
async function draftsLeft(project: Project): Promise<Found[]> {
  const drafts = [project.stateDir, ...(project.bare ? [] : [project.root])].flatMap((folder) =>
    listFolder(folder)
      .filter((name) => /^(overstory\.|schema\.json|\.gitignore).*\.\d+\.[0-9a-f]{8}\.tmp$/.test(name))
      .map((name) => join(folder, name))
      .filter((path) => isOlder(path, LEFTOVER_AGE_MS)),
  )
  if (drafts.length === 0) return []
  return [
    {
      severity: 'info',
      code: 'files.drafts',
      message: `${countOf(drafts.length, 'half-written file')} lie about: ${some(drafts)}.`,
      hint: 'ov doctor --fix',
      fix: async () => {
        for (const path of drafts) rmSync(path, { force: true })
        return `${countOf(drafts.length, 'half-written file')} removed.`
      },
    },
  ]
}

/** By the file system's own clock, against this machine's. A file that is gone is not old. */
function isOlder(path: string, ageMs: number): boolean {
  const info = statSync(path, { throwIfNoEntry: false })
  return info !== undefined && Date.now() - info.mtimeMs > ageMs
}

function some(names: readonly string[]): string {
  const rest = names.length - NAMED
  return names.slice(0, NAMED).join(', ') + (rest > 0 ? ` and ${rest} more` : '')
}

function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
