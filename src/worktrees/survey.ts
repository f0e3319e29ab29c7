import { existsSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { type Agent, allAgents } from '../agents/store.ts'
import type { AgentStateName } from '../contract/states.ts'
import { isWithin } from '../os/files.ts'
import { gitAt, listWorktrees, uncommitted } from '../os/git.ts'
import { argumentsOf } from '../os/process.ts'
import { processesIn } from '../os/tree.ts'
import type { Project } from '../project.ts'
import { worktreePath } from './prepare.ts'

/** A worktree in the folder for agents' worktrees. */
export interface Surveyed {
  readonly path: string
  /** Null: no agent of this project's has or had it. */
  readonly agent: string | null
  readonly state: AgentStateName | null
  readonly branch: string | null
  readonly head: string | null
  /** Of `git status`: two letters and a path. */
  readonly uncommitted: readonly string[]
  /** Live processes that work in it, whoever started them. */
  readonly processes: readonly { readonly pid: number; readonly command: string }[]
}

/** The worktrees agents work or worked in, with what lies in them that git does not have. */
export async function surveyWorktrees(project: Project): Promise<Surveyed[]> {
  const base = worktreesDir(project)
  const owners = new Map((await allAgents(project.db)).map((agent) => [worktreePath(project, agent.worktree), agent]))
  const trees = (await listWorktrees(project.git)).filter((tree) => isWithin(base, tree.path) && existsSync(tree.path))
  return Promise.all(
    trees.map(async (tree) => {
      const owner = owners.get(tree.path)
      return {
        path: tree.path,
        agent: owner?.name ?? null,
        state: owner?.state ?? null,
        branch: tree.branch,
        head: tree.head,
        uncommitted: await uncommitted(gitAt(tree.path)),
        processes: processesIn(tree.path).map(({ pid }) => ({ pid, command: argumentsOf(pid).join(' ') })),
      }
    }),
  )
}
