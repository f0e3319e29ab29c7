import { write } from '../db/open.ts'
import { ownIdentity } from '../os/process.ts'
import { runnersOf, stopProcessesOf } from '../os/tree.ts'
import { requireLogin } from '../preflight/login.ts'
import type { Project } from '../project.ts'
import { keepCommits } from '../worktrees/keep.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import { recover } from './recover.ts'
import { chooseRuntime, type RuntimeChoice } from './routing.ts'
import { dispatchQueued } from './start.ts'
import { type Agent, takeOver } from './store.ts'

/** Whom an agent's work is given to. */
interface Successor {
  readonly runtime: string
  /** Absent: as configured for that runtime. */
  readonly model?: string
}

/**
 * Gives an agent's work to another runtime. The agent keeps its name, branch, worktree and commits, what lies uncommitted too;
 * whatever runs of it is ended, and it begins a conversation of its own, told from the records what was done. False when
 * somebody else took the agent meanwhile.
 *
 * @param choice as `successorOf` gives it
 * @param why in words, for the record
 */
export async function reassign(project: Project, agent: Agent, choice: RuntimeChoice, why: string): Promise<boolean> {
  const taken = await write(project.db, (tx) =>
    takeOver(tx, agent, [agent.state], ownIdentity(), agent.state, project.clock.now()),
  )
  if (taken === null) return false
  await stopProcessesOf(agent.id, runnersOf(agent.id))
  await keepCommits(project, agent.id, worktreePath(project, agent.worktree), agent.base_sha)
  const given = await giveTo(project, taken, choice, why)
  await dispatchQueued(project)
  return given
}

/**
 * The runtime that an agent's work is to be given to, checked as at a sling.
 * @throws {OvError} what `chooseRuntime` and `requireLogin` throw
 */
export async function successorOf(project: Project, agent: Agent, to: Successor): Promise<RuntimeChoice> {
  const { capability, mode, persistent } = agent
  const choice = await chooseRuntime(project, {
    ...to,
    capability,
    ...(mode === 'interactive' ? { interactive: true } : {}),
    ...(persistent === 1 ? { persistent: true } : {}),
  })
  requireLogin(project.config, choice.runtime, `ov retry ${agent.name} --runtime ${choice.runtime.id}`)
  return choice
}

/**
 * Puts an agent of which nothing runs any more back into the queue as one of another runtime.
 *
 * @param agent as the caller owns it
 */
export function giveTo(project: Project, agent: Agent, choice: RuntimeChoice, why: string): Promise<boolean> {
  const data = { from: agent.runtime, to: choice.runtime.id }
  return recover(project, agent, why, { choice, fresh: true, event: { type: 'agent.reassigned', data } })
}
