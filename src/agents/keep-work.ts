import { messageOf } from '../errors.ts'
import type { Project } from '../project.ts'
import { keepCommits } from '../worktrees/keep.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import { recordFor } from './record.ts'
import type { Agent } from './store.ts'

/**
 * Keeps the commits of an agent that says that it is done, or of which nothing runs any more; gives those that have a ref of
 * their own by that. Its branch keeps the last commit in any case: a worktree that git can't read, or a lock that a killed git
 * has left, is recorded, and keeps neither this agent from its end nor the rest of the fleet waiting.
 */
export async function keepWork(project: Project, agent: Agent): Promise<string[]> {
  try {
    return await keepCommits(project, agent.id, worktreePath(project, agent.worktree), agent.base_sha)
  } catch (error) {
    await recordFor(project.db, agent, project.clock.now(), 'agent.keep-failed', { why: messageOf(error) })
    return []
  }
}
