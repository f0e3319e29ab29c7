import type { WaitingOn } from '../contract/states.ts'
import { write } from '../db/open.ts'
import type { Project } from '../project.ts'
import { type Agent, getAgent, setAgentState } from './store.ts'

/**
 * Has an agent's row say that it waits, while `work` blocks it in the middle of its turn. Afterwards it works again,
 * unless its state was changed meanwhile. An agent that isn't at work is left as it is.
 */
export async function whileWaiting<T>(
  project: Pick<Project, 'db' | 'clock'>,
  agent: Agent,
  on: WaitingOn,
  work: () => Promise<T>,
): Promise<T> {
  const since = project.clock.now()
  const began = await write(project.db, async (tx) => {
    if ((await getAgent(tx, agent.id))?.state !== 'working') return false
    await setAgentState(tx, agent, { name: 'waiting', on }, since)
    return true
  })
  try {
    return await work()
  } finally {
    if (began) {
      await write(project.db, async (tx) => {
        const now = await getAgent(tx, agent.id)
        if (now?.state !== 'waiting' || now.waiting_on !== on || now.state_since !== since) return
        if (now.fence === agent.fence) await setAgentState(tx, agent, { name: 'working' }, project.clock.now())
      })
    }
  }
}
