import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { recordEvent } from '../events/store.ts'
import { commitOf, commitsBetween, GitFailure, gitAt, isAncestor, trackedChanges } from '../os/git.ts'
import type { Project } from '../project.ts'
import { trackOf, trainRef } from './track.ts'

export type Landing =
  | { readonly landed: true; readonly branch: string; readonly commit: string; readonly commits: number }
  | {
      readonly landed: false
      readonly branch: string
      readonly behind: number
      readonly why: 'up-to-date' | 'dirty' | 'busy' | 'diverged' | 'refused'
      readonly detail: string
    }

/**
 * Brings the human's checkout along: branch, index and files together, by a fast-forward, when no tracked file is
 * changed there and nothing is in progress. Otherwise the checkout is left alone.
 */
export async function landTrain(project: Project): Promise<Landing> {
  const track = await trackOf(project)
  const train = await commitOf(project.git, trainRef(track.branch))
  const canonical = await commitOf(project.git, `refs/heads/${track.branch}`)
  if (train === null || canonical === null || (await isAncestor(project.git, train, canonical)))
    return { landed: false, branch: track.branch, behind: 0, why: 'up-to-date', detail: 'Nothing waits to land.' }
  const behind = await commitsBetween(project.git, canonical, train)
  const no = (why: 'dirty' | 'busy' | 'diverged' | 'refused', detail: string): Landing => ({
    landed: false,
    branch: track.branch,
    behind,
    why,
    detail,
  })
  if (!(await isAncestor(project.git, canonical, train)))
    return no('diverged', `${track.branch} has commits of its own; the next merge builds on top of them.`)
  if (track.checkout === null) {
    await project.git.raw('update-ref', '-m', 'ov: land', `refs/heads/${track.branch}`, train, canonical)
    return { landed: true, branch: track.branch, commit: train, commits: behind }
  }
  const git = gitAt(track.checkout)
  const doing = await inProgress(track.checkout)
  if (doing !== null) return no('busy', `A ${doing} is in progress in ${track.checkout}.`)
  const changed = await trackedChanges(git)
  if (changed.length > 0)
    return no(
      'dirty',
      `${changed.length} tracked file${changed.length === 1 ? ' is' : 's are'} changed in ${track.checkout}.`,
    )
  try {
    await git.raw('merge', '--ff-only', '--quiet', train)
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error
    return no('refused', error.message)
  }
  await recordEvent(project.db, {
    at: project.clock.now(),
    type: 'merge.landed',
    data: { branch: track.branch, commit: train, commits: behind },
  })
  return { landed: true, branch: track.branch, commit: train, commits: behind }
}

/** What the human is in the middle of in a checkout, or null. */
async function inProgress(checkout: string): Promise<string | null> {
  const git = gitAt(checkout)
  const marks = {
    MERGE_HEAD: 'merge',
    'rebase-merge': 'rebase',
    'rebase-apply': 'rebase',
    CHERRY_PICK_HEAD: 'cherry-pick',
    REVERT_HEAD: 'revert',
    BISECT_LOG: 'bisect',
    'index.lock': 'git command',
  }
  for (const [file, name] of Object.entries(marks)) {
    const path = (await git.raw('rev-parse', '--git-path', file)).trim()
    if (existsSync(resolve(checkout, path))) return name
  }
  return null
}
