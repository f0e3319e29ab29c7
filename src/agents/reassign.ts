import { requireLogin } from '../preflight/login.ts'
import type { Project } from '../project.ts'
import { chooseRuntime, type RuntimeChoice } from '../runtimes/routing.ts'
import { recover } from './recover.ts'
import type { Agent } from './store.ts'

/** Whom an agent's work is given to. */
interface Successor {
  readonly runtime: string
  /** Absent: as configured for that runtime. */
  readonly model?: string
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

/** What an agent's row says of the runtime it has. */
export function asAgent({ runtime, model, mode, protection, account }: RuntimeChoice) {
  return { runtime: runtime.id, model, mode, protection, account } satisfies Partial<Agent>
}

/** What is recorded of an agent whose task another runtime goes on with. */
export function reassignedTo({ runtime: from }: Pick<Agent, 'runtime'>, { runtime }: RuntimeChoice) {
  return { type: 'agent.reassigned', data: { from, to: runtime.id } }
}

/**
 * Puts an agent of which nothing runs any more back into the queue as one of another runtime. It keeps its name, branch, worktree
 * and commits, what lies uncommitted too, and begins a conversation of its own, told from the records what was done. False when
 * somebody else took it meanwhile.
 *
 * @param agent as the caller owns it
 */
export function giveTo(project: Project, agent: Agent, choice: RuntimeChoice, why: string): Promise<boolean> {
  return recover(project, agent, why, { choice, fresh: true, event: reassignedTo(agent, choice) })
}
