import { relative, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { isAllowed } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import {
  type Act,
  bringAlong,
  changesBetween,
  checkoutFacts,
  filesInTheWay,
  indexIs,
  lockIndex,
  readyIndex,
  takeBack,
  unlockIndex,
} from '../os/checkout.ts'
import { aheadBehind, type Git, GitFailure, gitInWorktree, isAncestor } from '../os/git.ts'
import { adminDirOf, commonDirAt, gitDirOf, inProgress } from '../os/git-folder.ts'
import { liveness, ownIdentity, processesMarked } from '../os/process.ts'
import { swapRefs } from '../os/refs.ts'
import type { Project } from '../project.ts'
import { canonicalBranch } from '../project.ts'
import { step } from '../steps.ts'
import {
  abandonLanding,
  adoptLanding,
  beginLanding,
  endLanding,
  forgetLanding,
  type LandingEntry,
  noteTrain,
  openLanding,
  openLandings,
  trainFacts,
} from './store.ts'
import { readTrack, rewrittenNotice, type Track, trainRef, unlanded } from './track.ts'

/** Why a checkout was left alone. */
export type LeftAlone =
  /** Nothing waits. */
  | 'up-to-date'
  /** Tracked files are changed there. */
  | 'dirty'
  /** Files that git doesn't track lie where the merge has files. */
  | 'untracked'
  /** The human is in the middle of something, or a git command holds the index. */
  | 'in-progress'
  /** Another landing is under way. */
  | 'busy'
  /** The branch has commits of its own; the train is rebuilt on them first. */
  | 'diverged'
  /** The branch has lost commits that the train stands on. */
  | 'rewritten'
  /** Git refused, or could not write. */
  | 'refused'
  /** The fleet lands nothing just now. */
  | 'held'

export type Landing =
  | { readonly landed: true; readonly branch: string; readonly from: string; readonly commit: string }
  | {
      readonly landed: false
      readonly branch: string
      /** Commits that are merged and not on the branch yet. */
      readonly behind: number
      readonly why: LeftAlone
      /** One sentence for a person. */
      readonly detail: string
      /** What to do about it; empty when there is nothing to do. */
      readonly hint: string
    }

/** By this variable a git that outlived its `ov` is known. */
const LANDING_MARKER = 'OV_LANDING'
/** So long another landing is waited for, and the git of a killed one. */
const PATIENCE_MS = 2_000

/**
 * Brings the human's checkout along: branch, index and files together, when no tracked file is changed there and
 * nothing is in progress. Otherwise the checkout is left alone. With no checkout the branch itself moves.
 *
 * Safe to kill at any point: what it is about to do is written down first, and the next landing finishes it or takes
 * it back.
 *
 * @param ahead how the branch stood a moment ago, when the caller knows, and knows that the train lies on top of it
 */
export async function landTrain(project: Project, ahead?: Track): Promise<Landing> {
  const now = ahead ?? (await readTrack(project, await canonicalBranch(project)))
  if (!(await isAllowed(project, 'land'))) return leftAlone(now, 'held', 'The fleet lands nothing just now.', 'ov mode')
  if (now.checkout !== null) {
    const mended = await mendCheckout(project, now.branch, now.checkout)
    if (mended === 'busy') return leftAlone(now, 'busy', 'Another landing is under way.', 'ov status')
    if (mended === 'mended') return landTrain(project)
  }
  if (ahead?.checkout != null) return landIn(project, ahead, ahead.checkout)
  const waiting = await unlanded(project, now, await trainFacts(project.db, now.branch))
  const left = (why: LeftAlone, detail: string, hint = '') =>
    leftAlone(now, why, detail, hint, 'commits' in waiting ? waiting.commits : 0)
  switch (waiting.is) {
    case 'nothing':
      return left('up-to-date', 'Nothing waits to land.')
    case 'diverged':
      return left('diverged', `${now.branch} has commits of its own by now.`, 'ov land')
    case 'rewritten':
      return left('rewritten', rewrittenNotice(now), `git merge --ff-only ${trainRef(now.branch)}`)
    case 'ahead':
      return now.checkout === null ? moveBranch(project, now) : landIn(project, now, now.checkout)
  }
}

function leftAlone(track: Track, why: LeftAlone, detail: string, hint: string, behind = 0): Landing {
  return { landed: false, branch: track.branch, behind, why, detail, hint }
}

/** Nobody looks: the branch itself moves. */
async function moveBranch(project: Project, track: Track): Promise<Landing> {
  const to = track.train?.sha ?? track.canonical.sha
  const move = { ref: `refs/heads/${track.branch}`, from: track.canonical.sha, to }
  if (!(await swapRefs(project.git, [move], 'ov: land'))) return landTrain(project)
  step('land.branch-moved')
  await recordLanded(project, track, to)
  return { landed: true, branch: track.branch, from: track.canonical.sha, commit: to }
}

async function landIn(project: Project, track: Track, checkout: string): Promise<Landing> {
  const from = track.canonical.sha
  const to = track.train?.sha ?? from
  const left = async ({ why, detail, hint }: Obstacle) =>
    leftAlone(track, why, detail, hint, (await aheadBehind(project.git, from, to)).right)
  const gitDir = gitDirFor(project, checkout)
  const doing = inProgress(gitDir)
  if (doing !== null) {
    return left({
      why: 'in-progress',
      detail: `A ${doing} is in progress in ${checkout}.`,
      hint: 'Finish it, then: ov land',
    })
  }
  const entry = await write(project.db, async (tx) => {
    const facts = { branch: track.branch, checkout: nameOf(project, checkout), from_sha: from, to_sha: to }
    return (await openLanding(tx, facts.checkout)) === undefined
      ? beginLanding(tx, facts, ownIdentity(), project.clock.now())
      : null
  })
  if (entry === null) return left({ why: 'busy', detail: 'Another landing is under way.', hint: 'ov status' })
  step('land.begun')
  const act = actOn(project, checkout, gitDir, entry.id)
  try {
    const met = await bringCheckout(act, track, from, to)
    step('land.through')
    unlockIndex(act)
    if (met === null) {
      step('land.unlocked')
      await recordLanded(project, track, to, entry)
      step('land.recorded')
      return { landed: true, branch: track.branch, from, commit: to }
    }
    await write(project.db, (tx) => forgetLanding(tx, entry.id))
    return met === 'changed' ? landTrain(project) : left(met)
  } catch (error) {
    // Where it stands is not known. The next landing finds out, as after a kill.
    await write(project.db, (tx) => abandonLanding(tx, entry.id, project.clock.now()))
    throw error
  }
}

/** What keeps a checkout from being brought along. */
interface Obstacle {
  readonly why: LeftAlone
  readonly detail: string
  readonly hint: string
}

/** Locks, looks, brings files, index and branch along. Null when it did; `changed` when the branch moved meanwhile. */
async function bringCheckout(act: Act, track: Track, from: string, to: string): Promise<Obstacle | 'changed' | null> {
  if (!lockIndex(act)) {
    return {
      why: 'in-progress',
      detail: `A git command is at work in ${act.folder}, or has died there and left ${act.gitDir}/index.lock.`,
      hint: 'When none is at work, remove that file, then: ov land',
    }
  }
  step('land.locked')
  const [found, changes] = await Promise.all([readyIndex(act), changesBetween(act.git, from, to)])
  if (found.branch !== track.branch || found.head !== from) return 'changed'
  const changed = [...new Set([...found.staged, ...found.unstaged])]
  if (changed.length > 0) {
    return {
      why: 'dirty',
      detail: `${sayFiles(changed)} changed in ${act.folder}.`,
      hint: 'Commit or stash it, then: ov land',
    }
  }
  const inTheWay = filesInTheWay(act.folder, changes)
  if (inTheWay.length > 0) {
    return {
      why: 'untracked',
      detail: `${sayFiles(inTheWay)} in the way in ${act.folder}: git doesn't track it, and what is merged has a file there.`,
      hint: 'Move it away, then: ov land',
    }
  }
  try {
    await bringAlong(act, from, to)
  } catch (error) {
    if (!(error instanceof GitFailure || error instanceof OvError)) throw error
    // Git looks at everything before it touches anything. A disk that ran full after that shows in what it wrote.
    await takeBack(act, from, to)
    const detail = `${act.folder} could not be brought along: ${oneLine(messageOf(error), 300)}`
    return { why: 'refused', detail, hint: 'ov land' }
  }
  step('land.brought')
  if (await swapRefs(act.git, [{ ref: `refs/heads/${track.branch}`, from, to }], 'ov: land')) return null
  await bringBack(act, from, to)
  return 'changed'
}

/** The branch moved between the look at it and its swap, by a command that asks for no index lock. */
async function bringBack(act: Act, from: string, to: string): Promise<void> {
  await readyIndex(act)
  await bringAlong(act, to, from)
}

async function recordLanded(project: Project, track: Track, to: string, entry?: LandingEntry): Promise<void> {
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    if (entry !== undefined) await endLanding(tx, entry.id, 'landed', now)
    await noteTrain(tx, track.branch, { landed_sha: to }, now)
    await recordEvent(tx, {
      at: now,
      type: 'merge.landed',
      data: { branch: track.branch, from: track.canonical.sha, commit: to },
    })
  })
}

/**
 * Ends what killed landings left, wherever it is. Whoever looks after the fleet calls this: until then the index of
 * that checkout is locked.
 */
export async function mendLandings(project: Project): Promise<void> {
  for (const entry of await openLandings(project.db)) {
    const checkout = resolve(project.root, entry.checkout)
    if (isOwnerGone(entry) && gitDirOf(checkout) !== null) await mendCheckout(project, entry.branch, checkout)
  }
}

/**
 * Ends what a killed landing left in a checkout: finished when branch or index are through, else taken back. Nothing
 * of the human's is touched.
 */
async function mendCheckout(project: Project, branch: string, checkout: string): Promise<'clean' | 'mended' | 'busy'> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const entry = await openLanding(project.db, nameOf(project, checkout))
    if (entry === undefined) return 'clean'
    if (isOwnerGone(entry) && processesMarked(LANDING_MARKER, entry.id).length === 0) {
      const mine = await write(project.db, (tx) => adoptLanding(tx, entry, ownIdentity(), project.clock.now()))
      if (mine) {
        step('mend.adopted')
        await mend(project, entry, branch, checkout)
        return 'mended'
      }
    }
    if (performance.now() > deadline) return 'busy'
    await delay(25)
  }
}

function isOwnerGone(entry: LandingEntry): boolean {
  const { owner_pid: pid, owner_start: start, owner_boot: boot } = entry
  return pid === null || start === null || boot === null || liveness({ pid, start, boot }) === 'gone'
}

async function mend(project: Project, entry: LandingEntry, branch: string, checkout: string): Promise<void> {
  const { from_sha: from, to_sha: to } = entry
  const act = actOn(project, checkout, gitDirFor(project, checkout), entry.id)
  const found = await checkoutFacts(act)
  let state: 'landed' | 'undone' | 'left' = 'left'
  let left: string[] = []
  if (found.branch === entry.branch && found.head === to) state = 'landed'
  else if (found.branch === entry.branch && found.head === from) {
    if (await indexIs(act, to)) {
      const move = { ref: `refs/heads/${entry.branch}`, from, to }
      state = (await swapRefs(act.git, [move], 'ov: land')) ? 'landed' : 'left'
    } else {
      left = await takeBack(act, from, to)
      state = 'undone'
    }
  } else if (await isAncestor(project.git, to, `refs/heads/${entry.branch}`)) state = 'landed'
  step('mend.undone')
  unlockIndex(act)
  step('mend.unlocked')
  await write(project.db, async (tx) => {
    const now = project.clock.now()
    await endLanding(tx, entry.id, state, now)
    if (state === 'landed') await noteTrain(tx, branch, { landed_sha: to }, now)
    await recordEvent(tx, { at: now, type: 'merge.landing-mended', data: { state, from, to, left: left.slice(0, 20) } })
  })
}

function actOn(project: Project, checkout: string, gitDir: string, id: string): Act {
  return { git: checkoutGit(project, checkout).with({ [LANDING_MARKER]: id }), folder: checkout, gitDir, id }
}

/** Git in a checkout. Of a linked worktree the repository is asked, not the worktree: an agent may have made it. */
export function checkoutGit(project: Project, checkout: string): Git {
  return checkout === project.root ? project.git : gitInWorktree(checkout, commonDirAt(project.root))
}

function gitDirFor(project: Project, checkout: string): string {
  const own = checkout === project.root ? gitDirOf(checkout) : adminDirOf(checkout, commonDirAt(project.root))
  if (own === null) throw new Error(`${checkout} is no checkout of the repository`)
  return own
}

/** How a checkout is named in the database: from the root, so that the project can be moved. */
function nameOf(project: Project, checkout: string): string {
  return relative(project.root, resolve(checkout)) || '.'
}

function sayFiles(files: readonly string[]): string {
  const shown = files
    .slice(0, 3)
    .map((file) => oneLine(file, 80))
    .join(', ')
  const more = files.length > 3 ? ` and ${files.length - 3} more` : ''
  return `${shown}${more} ${files.length === 1 ? 'is' : 'are'}`
}
