import { trainRef } from '../merge/track.ts'
import { commitOf, isAncestor } from '../os/git.ts'
import { canonicalBranch, type Project } from '../project.ts'

/** The commit a new agent begins at: the newest green one, which may not have landed yet. Changes nothing. */
export async function startingPoint(project: Project): Promise<string> {
  const branch = await canonicalBranch(project)
  const canonical = `refs/heads/${branch}`
  const train = await commitOf(project.git, trainRef(branch))
  return train !== null && (await isAncestor(project.git, canonical, train)) ? train : canonical
}
