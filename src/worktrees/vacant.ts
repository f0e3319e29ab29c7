import { existsSync } from 'node:fs'
import { branchesUnder } from '../os/git.ts'
import type { Project } from '../project.ts'
import { worktreePath } from './prepare.ts'

/** Agents' branches are called `ov/<run>/<agent>`. */
const PREFIX = 'ov'

/** What is in the way of a new agent: it can't have this name, or, with `anyName`, none can be had before it is gone. */
export interface Obstacle {
  readonly what: string
  /** A branch that lies across the names of all of a run's branches; null when another name will do. */
  readonly anyName: string | null
}

/**
 * Tells whether an agent of a run can get a name: its branch and its worktree must not be somebody else's. What lies
 * there is asked of git and the disk, for the human makes branches and folders too.
 */
export async function vacancies(project: Project): Promise<(run: string, name: string) => Obstacle | null> {
  const branches = await branchesUnder(project.git, PREFIX)
  return (run, name) => {
    const wanted = branchOf(run, name)
    for (const branch of branches) {
      // A ref is a file: no ref can have the name of another one's folder.
      if (wanted.startsWith(`${branch}/`)) return { what: `the branch "${branch}"`, anyName: branch }
      if (branch === wanted || branch.startsWith(`${wanted}/`)) return { what: `the branch "${branch}"`, anyName: null }
    }
    const folder = worktreePath(project, name)
    return existsSync(folder) ? { what: folder, anyName: null } : null
  }
}

export function branchOf(run: string, name: string): string {
  return `${PREFIX}/${run}/${name}`
}
