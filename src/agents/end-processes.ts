import type { ProcessIdentity } from '../os/process.ts'
import { sweepSockets } from '../os/sockets.ts'
import { runnersOf, stopProcessesOf } from '../os/tree.ts'
import { type Project, TMUX_SOCKET } from '../project.ts'
import { loadedRuntime } from '../runtimes/registry.ts'
import type { Agent } from './store.ts'

/**
 * Ends all processes of an agent from outside, its runner too. The caller owns the agent. Gives those that are still there.
 */
export async function endProcesses(project: Project, agent: Agent): Promise<ProcessIdentity[]> {
  const polite = (await loadedRuntime(agent.runtime))?.stopSignal ?? 'SIGTERM'
  const left = await stopProcessesOf(agent.id, runnersOf(agent.id), { polite })
  // A runner that is killed can't take its socket down.
  await sweepSockets(project.socketDir, [TMUX_SOCKET])
  return left
}
