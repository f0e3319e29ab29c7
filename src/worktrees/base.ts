import { trainFacts } from '../merge/store.ts'
import { readTrack, type Tips, trainRef, unlanded } from '../merge/track.ts'
import { canonicalBranch, type Project } from '../project.ts'

/** The commit a new agent begins at: the newest green one, which may not have landed yet. Changes nothing. */
export async function startingPoint(project: Project): Promise<string> {
  const branch = await canonicalBranch(project)
  const tips = plainTips(project, branch) ?? (await readTrack(project, branch))
  const waiting = await unlanded(project, tips, await trainFacts(project.db, branch))
  return waiting.is === 'ahead' && tips.train !== null ? tips.train.sha : tips.canonical.sha
}

/** Where the branch and its train are, without asking git; null where that has to be asked, or there is no branch. */
function plainTips({ git: { refs } }: Project, branch: string): Tips | null {
  const canonical = refs?.read(`refs/heads/${branch}`)
  const train = refs?.read(trainRef(branch))
  if (canonical === undefined || canonical === null || train === undefined) return null
  return { canonical: { sha: canonical }, train: train === null ? null : { sha: train } }
}
