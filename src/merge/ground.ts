import { ownsLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { commitTree, mergeTree } from '../os/git.ts'
import { swapRefs } from '../os/refs.ts'
import type { Driver, Ground } from './attempt.ts'
import { checkCommit } from './check.ts'
import { type Block, settleBlocked } from './settle.ts'
import { intendedCommits, noteTrain, type TrainFacts, trainFacts, UNBLOCKED } from './store.ts'
import { groundOf, readTrack, rewrittenNotice, swapOf, type Track, trainRef, unlanded } from './track.ts'

export type FoundGround =
  | { readonly is: 'ground'; readonly ground: Ground }
  /** The train was rebuilt, or the branch moved: look again. */
  | { readonly is: 'moved' }
  | { readonly is: 'blocked'; readonly block: Block }
  /** Another train has taken over. */
  | { readonly is: 'lost' }

/**
 * What the next merge is built on. When the human committed to the branch while merges wait to land, the train is
 * first rebuilt on top of that. A rebuild that conflicts or is red is nobody's fault: it blocks the train, and the
 * human is told once.
 *
 * @param again try also what blocked it before
 */
export async function findGround(driver: Driver, again: boolean): Promise<FoundGround> {
  const { project, branch } = driver
  const track = await readTrack(project, branch)
  const facts = await trainFacts(project.db, branch)
  const waiting = await unlanded(project, track, facts)
  const { canonical, train } = track
  switch (waiting.is) {
    case 'nothing':
    case 'ahead': {
      await clearRebuild(driver, facts)
      const isCanonical = waiting.is === 'nothing' || train === null
      return { is: 'ground', ground: { track, isCanonical, ...(isCanonical ? canonical : train) } }
    }
    case 'diverged':
      return rebuild(driver, track, train?.sha ?? '', groundOf(track, waiting), again ? undefined : facts)
    case 'rewritten':
      return blocked(driver, {
        on: groundOf(track, waiting),
        why: rewrittenNotice(track),
        hint: `To have them back: git merge ${trainRef(branch)}. To give up what is merged and not landed: git update-ref -d ${trainRef(branch)}`,
      })
  }
}

/** Merges what waits to land on top of the human's new commits; with gates, like any other merge. */
async function rebuild(
  driver: Driver,
  track: Track,
  train: string,
  on: string,
  known: TrainFacts | undefined,
): Promise<FoundGround> {
  const { project, branch } = driver
  const { git, db, clock } = project
  const ref = trainRef(branch)
  const hint = `Merge it yourself: git merge ${ref}. Or give it up: git update-ref -d ${ref}`
  if (known?.blocked_on === on) return blocked(driver, { on, why: known.blocked_why ?? '', hint })
  const merged = await mergeTree(git, track.canonical.sha, train)
  if (!merged.clean) {
    const why = `What is merged but not landed conflicts with new commits on ${branch} in ${merged.files.join(', ')}.`
    return blocked(driver, { on, why, hint })
  }
  const commit = await commitTree(git, merged.tree, [track.canonical.sha, train], `Merge ${ref} into ${branch}\n`)
  const checked = await checkCommit(project, commit, { gone: driver.gone })
  if (!checked.green) {
    const why = `What is merged but not landed turns the gate ${checked.gate} red together with new commits on ${branch}.\n${checked.output}`
    return blocked(driver, { on, why, hint })
  }
  const owns = await write(db, async (tx) => {
    if (!(await ownsLease(tx, driver.lease))) return false
    await noteTrain(tx, branch, { base_sha: track.canonical.sha }, clock.now())
    return true
  })
  if (!owns) return { is: 'lost' }
  if (await swapRefs(git, swapOf(track, commit), `ov: rebuild on ${branch}`, () => intendedCommits(db))) {
    const landed = track.checkout === null ? { landed_sha: train } : {}
    const facts = { tip_sha: commit, green_sha: commit, ...UNBLOCKED, ...landed }
    await write(db, (tx) => noteTrain(tx, branch, facts, clock.now()))
  }
  return { is: 'moved' }
}

async function blocked(driver: Driver, block: Block): Promise<FoundGround> {
  await settleBlocked(driver.project, driver.branch, block)
  return { is: 'blocked', block }
}

/** A human has solved what kept the train from being rebuilt. (A branch that is red by itself is solved by a merge.) */
async function clearRebuild({ project, branch }: Driver, facts: TrainFacts | undefined): Promise<void> {
  if (!facts?.blocked_on?.includes(' ')) return
  await write(project.db, (tx) => noteTrain(tx, branch, UNBLOCKED, project.clock.now()))
}
