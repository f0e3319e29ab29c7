import { realpathSync } from 'node:fs'
import { type Agent, allAgents } from '../agents/store.ts'
import { listWorktrees, uncommitted } from '../os/git.ts'
import { argumentsOf } from '../os/process.ts'
import { processesIn } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { gitIn, worktreePath } from './prepare.ts'

/** An agent's worktree that is there, and what in it git does not have. */
export interface Surveyed {
  readonly path: string
  readonly agent: Agent
  /** Short name; null when its HEAD is on no branch. */
  readonly branch: string | null
  readonly head: string | null
  /** Of `git status`: two letters and a path. */
  readonly uncommitted: readonly string[]
  /** Live processes that work in it, whoever started them. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[]
}

/** The worktrees of all agents, those that have ended too. Git is asked for them, not the folder. */
export async function surveyWorktrees(project: Project): Promise<Surveyed[]> {
  const trees = new Map(
    (await listWorktrees(project.git)).filter((tree) => !tree.prunable).map((tree) => [tree.path, tree]),
  )
  const surveyed: Surveyed[] = []
  for (const agent of await allAgents(project.db)) {
    const path = worktreePath(project, agent.worktree)
    const tree = trees.get(realPath(path))
    if (tree === undefined) continue
    surveyed.push({
      path,
      agent,
      branch: tree.branch,
      head: tree.head,
      uncommitted: await uncommitted(gitIn(project, path)),
      processes: processesIn(path).map(({ pid }) => ({ pid, command: argumentsOf(pid).join(' ') })),
    })
  }
  return surveyed
}

/** Git knows a worktree by its real path, which the configured one may reach by a symbolic link. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    // It is not there: then git doesn't list it either.
    return path
  }
}
