import { trainFacts } from '../merge/store.ts'
import { readTrack, unlanded } from '../merge/track.ts'
import { canonicalBranch, type Project } from '../project.ts'

/** The commit a new agent begins at: the newest green one, which may not have landed yet. Changes nothing. */
export async function startingPoint(project: Project): Promise<string> {
  const track = await readTrack(project, await canonicalBranch(project))
  const waiting = await unlanded(project, track, await trainFacts(project.db, track.branch))
  return waiting.is === 'ahead' && track.train !== null ? track.train.sha : track.canonical.sha
}
