import { messageOf } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import type { Project } from '../project.ts'
import { keepCommits } from '../worktrees/keep.ts'
import { worktreePath } from '../worktrees/prepare.ts'
import type { Agent } from './store.ts'

/**
 * Keeps the commits of an agent of which nothing runs any more; gives those that have a ref of their own by that. Its branch
 * keeps the last commit in any case: a worktree that git can't read is recorded, and keeps neither this agent from its end nor
 * the rest of the fleet waiting.
 */
export async function keepWork(project: Project, agent: Agent): Promise<string[]> {
  try {
    return await keepCommits(project, agent.id, worktreePath(project, agent.worktree), agent.base_sha)
  } catch (error) {
    const facts = { runId: agent.run_id, agentId: agent.id, taskId: agent.task_id }
    const data = { why: messageOf(error) }
    await recordEvent(project.db, { at: project.clock.now(), type: 'agent.keep-failed', ...facts, data })
    return []
  }
}
