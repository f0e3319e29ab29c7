import { OvError } from '../errors.ts'
import { attachCommand, listSessions } from '../os/tmux.ts'
import type { Project } from '../project.ts'
import { type Agent, isOpen } from './store.ts'

/**
 * What to run to see an agent's screen. Read-only unless `write`: a Ctrl-C typed there would reach its runner.
 *
 * @throws {OvError} `attach.ended`, `attach.queued`, `attach.no-tmux`, `attach.no-screen`
 */
export async function screenOf(project: Project, agent: Agent, { write }: { write: boolean }): Promise<string[]> {
  const instead = `What it said: ov logs ${agent.name}`
  if (!isOpen(agent)) throw new OvError('user', 'attach.ended', `${agent.name} is ${agent.state}.`, { hint: instead })
  if (agent.state === 'queued') {
    throw new OvError('user', 'attach.queued', `${agent.name} waits for a place and has no screen yet.`, {
      hint: 'See who is at work: ov status',
    })
  }
  if (project.tmux === null) {
    throw new OvError('user', 'attach.no-tmux', 'Agents have a screen only where tmux is installed.', {
      hint: `${instead} -f`,
    })
  }
  if (!(await listSessions(project.tmux)).has(agent.name)) {
    throw new OvError(
      'user',
      'attach.no-screen',
      `${agent.name} has no screen: it runs without one, or its tmux was ended.`,
      {
        hint: `${instead} -f`,
      },
    )
  }
  return attachCommand(project.tmux, agent.name, { write })
}
