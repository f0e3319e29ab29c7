import { OvError } from '../errors.ts'
import { agentAbove } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { getAgent } from './store.ts'

/**
 * Makes sure that the human speaks: a process that one of this project's agents has started does not become the
 * human's by a cleared environment. (One of another project's may be at work on `ov` itself.)
 *
 * @throws {OvError} `broker.missing`
 */
export async function refuseAgents(project: Pick<Project, 'db'>): Promise<void> {
  const id = agentAbove()
  const agent = id === null ? undefined : await getAgent(project.db, id)
  if (agent === undefined) return
  throw new OvError(
    'user',
    'broker.missing',
    `This process belongs to ${agent.name}, but its environment was changed.`,
    {
      hint: 'Leave the environment of an agent as it is: it tells who speaks.',
    },
  )
}
