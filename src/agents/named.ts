import { NAME_PATTERN } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { nearest } from '../nearest.ts'
import type { Project } from '../project.ts'
import { type Agent, findAgent, usedNames } from './store.ts'

/**
 * The agent a person means by this name: the open one, else the last that had it.
 *
 * @throws {OvError} `agent.bad-name` for what can be no name, `agent.unknown` for one that nobody has or had
 */
export async function namedAgent(project: Pick<Project, 'db'>, name: string): Promise<Agent> {
  if (!NAME_PATTERN.test(name)) {
    throw new OvError('user', 'agent.bad-name', `"${oneLine(name, 60)}" is not the name of an agent.`, {
      hint: 'Names are lower-case letters, digits and dashes, such as builder-3. See who is there: ov status',
    })
  }
  const agent = await findAgent(project.db, name)
  if (agent) return agent
  const meant = nearest(name, [...(await usedNames(project.db))])
  throw new OvError('user', 'agent.unknown', `There is no agent "${name}".`, {
    hint: meant === null ? 'See who is there: ov status' : `Did you mean ${meant}? See who is there: ov status`,
  })
}
