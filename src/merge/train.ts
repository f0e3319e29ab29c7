import { claimLease, leaseHolder, ownsLease, releaseLease, renewLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { isAllowed } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import { GitFailure, writeBlob } from '../os/git.ts'
import { ownIdentity } from '../os/process.ts'
import { swapRefs } from '../os/refs.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { step } from '../steps.ts'
import { getTask, type Task } from '../tasks/store.ts'
import { type Attempt, attemptMerge, type Driver, type Ground } from './attempt.ts'
import { checkCommit, interrupted, type Red } from './check.ts'
import { findGround } from './ground.ts'
import { type Landing, landTrain } from './land.ts'
import { sweepScratch } from './scratch.ts'
import {
  type Block,
  type Rejected,
  type Rejection,
  type Swapped,
  settleBlocked,
  settleMerged,
  settleRejected,
} from './settle.ts'
import {
  claimNextMerge,
  getMerge,
  type MergeEntry,
  noteTrain,
  openMerges,
  putBackMerge,
  TRAIN_LEASE,
  trainFacts,
} from './store.ts'
import { openTools } from './tools.ts'
import { fenceRef, readTrack, type Track } from './track.ts'

/** Whoever holds it drives the train. */
const LEASE_MS = 30_000
/** After trouble that is nobody's fault (a full disk) an entry is left in peace for this long. */
const TROUBLE_MS = 10_000

export interface Merged {
  readonly entry: MergeEntry
  readonly mergedAs: string
}

export interface TrainReport {
  /** False when there was nothing to do, or another process drives the train. */
  readonly drove: boolean
  readonly merged: readonly Merged[]
  readonly rejected: readonly Rejected[]
  /** What keeps the train from going on, or null. */
  readonly blocked: Block | null
  /** What became of the human's checkout; null when nothing was to be landed. */
  readonly landing: Landing | null
}

export interface TrainOptions {
  /** False: what is merged stays on the train's own ref. */
  readonly land?: boolean
  /** Only the entry of this branch. */
  readonly branch?: string
  /** Only what is merged already is brought onto the human's new commits; no entry is merged. */
  readonly rebuildOnly?: boolean
  /** A human asked: what was put back after trouble is tried again at once. */
  readonly asked?: boolean
  readonly onProgress?: (entry: MergeEntry, doing: string) => void
  /** Whoever asked has had enough: what is under way is put back. */
  readonly gone?: AbortSignal | undefined
}

/**
 * Drives the merge train until its queue is empty: one process at a time, by lease; whoever comes meanwhile leaves,
 * and its entry is taken along. The lease is given up in the transaction that finds the queue empty, so no entry
 * can fall between.
 */
export async function driveTrain(project: Project, options: TrainOptions = {}): Promise<TrainReport> {
  const nothing: TrainReport = { drove: false, merged: [], rejected: [], blocked: null, landing: null }
  // Asked of every runner at every tick: first a look that costs nothing.
  if (!options.asked && (await openMerges(project.db)).length === 0) return nothing
  if (!(await isAllowed(project, 'merge'))) return nothing
  if ((await leaseHolder(project.db, TRAIN_LEASE, project.clock)) !== null) return nothing
  const branch = await canonicalBranch(project)
  const lease = await write(project.db, (tx) => claimLease(tx, TRAIN_LEASE, ownIdentity(), project.clock, LEASE_MS))
  if (lease === null) return nothing
  step('merge.leased')
  const say = options.onProgress ?? (() => undefined)
  const tools = openTools(project.git)
  const drive = new Drive({ project, lease, tools, branch, gone: options.gone, say }, options)
  const renewal = setInterval(() => void drive.renew(), LEASE_MS / 3)
  try {
    return await drive.run()
  } finally {
    clearInterval(renewal)
    tools.close()
    await write(project.db, (tx) => releaseLease(tx, lease))
  }
}

/** Where the train stands after its own last swap, with no need to ask git, and the merges that are not recorded yet. */
interface Unrecorded {
  readonly ground: Ground
  readonly merges: readonly Swapped[]
  /** Tip of the canonical branch before the first of them. */
  readonly from: string
  /** Monotonic ms of the first of them. */
  readonly since: number
}

/** Merges without gates follow one another in milliseconds; so long they wait to be landed and recorded together. */
const TOGETHER_MS = 200

/** One drive of the train, from its lease to an empty queue. */
class Drive {
  readonly #driver: Driver
  readonly #options: TrainOptions
  readonly #merged: Merged[] = []
  readonly #rejected: Rejected[] = []
  #unrecorded: Unrecorded | null = null
  #blocked: Block | null = null
  #landing: Landing | null = null

  constructor(driver: Driver, options: TrainOptions) {
    this.#driver = driver
    this.#options = options
  }

  async run(): Promise<TrainReport> {
    if (this.#driver.lease.seized) await this.#shutOut()
    try {
      await this.#mergeAll()
    } finally {
      await this.#record()
    }
    if (this.#landing === null && this.#options.land !== false) await this.#land()
    return {
      drove: true,
      merged: this.#merged,
      rejected: this.#rejected,
      blocked: this.#blocked,
      landing: this.#landing,
    }
  }

  async #mergeAll(): Promise<void> {
    const { project, lease, gone } = this.#driver
    let entry: MergeEntry | null = null
    for (let first = true; ; first = false) {
      if (gone?.aborted) throw interrupted()
      // Once more for the same entry: the branch has moved, and it may be another train that moved it.
      if (entry !== null && !(await ownsLease(project.db, lease))) return
      if (entry === null && !first && (await this.#isDone())) return
      const ground = await this.#ground()
      if (ground === 'again') continue
      if (ground === 'stop') {
        if (entry !== null) await this.#putBack(entry, {})
        return
      }
      entry ??= await this.#claim()
      if (entry === null) return
      step('merge.claimed')
      const next = await this.#handle(entry, ground)
      if (next === 'stop') return
      if (next === 'settled') entry = null
    }
  }

  async renew(): Promise<void> {
    const { project, lease } = this.#driver
    try {
      await write(project.db, (tx) => renewLease(tx, lease, project.clock, LEASE_MS))
    } catch (error) {
      // The database is busy or full. The lease runs out if that lasts, and its fence keeps us from doing harm.
      if (!(error instanceof OvError)) throw error
    }
  }

  /**
   * The train before this one did not end in order. If it lives (stopped, swapped out), it may be about to swap: the
   * fence is another one from now on, so that it can't. What it swapped before this is seen as the track's tip.
   */
  async #shutOut(): Promise<void> {
    const { project, branch, lease } = this.#driver
    const track = await readTrack(project, branch)
    const fence = await writeBlob(project.git, `merge train ${lease.fence} of ${branch}\n`)
    await swapRefs(project.git, [{ ref: fenceRef(branch), from: track.fence, to: fence }], 'ov: new train')
    await sweepScratch(project)
  }

  /** What to build on: what this train has just swapped in, or what git says. */
  async #ground(): Promise<Ground | 'again' | 'stop'> {
    const unrecorded = this.#unrecorded
    if (unrecorded !== null && performance.now() - unrecorded.since < TOGETHER_MS) return unrecorded.ground
    await this.#record()
    const found = await findGround(this.#driver, this.#options.asked ?? false)
    switch (found.is) {
      case 'ground':
        return found.ground
      case 'moved':
        return 'again'
      case 'blocked':
        this.#blocked = found.block
        return 'stop'
      case 'lost':
        return 'stop'
    }
  }

  /** True when the queue is empty. The lease goes back in the transaction that finds it so. */
  async #isDone(): Promise<boolean> {
    const mine = new Set(this.#unrecorded?.merges.map(({ entry }) => entry.id))
    if ((await openMerges(this.#driver.project.db)).some(({ id }) => !mine.has(id))) return false
    await this.#record()
    return write(this.#driver.project.db, async (tx) => {
      if ((await openMerges(tx)).length > 0) return false
      await releaseLease(tx, this.#driver.lease)
      return true
    })
  }

  /** The next entry, claimed. With none left to claim the lease goes back in the same transaction. */
  async #claim(): Promise<MergeEntry | null> {
    const { project, lease } = this.#driver
    // It may have been forbidden in the middle of the queue.
    if (!(await isAllowed(project, 'merge'))) return null
    return write(project.db, async (tx) => {
      if (this.#options.rebuildOnly || !(await ownsLease(tx, lease))) return null
      const next = await claimNextMerge(tx, lease.fence, project.clock.now(), {
        branch: this.#options.branch,
        held: this.#options.asked ?? false,
      })
      if (next === null) await releaseLease(tx, lease)
      return next
    })
  }

  /** One attempt at an entry, and what follows from it. Trouble that is nobody's fault puts it back before it is told. */
  async #handle(entry: MergeEntry, ground: Ground): Promise<'settled' | 'again' | 'stop'> {
    const { project } = this.#driver
    try {
      const task = await getTask(project.db, entry.task_id)
      if (task === undefined) throw new Error(`merge entry ${entry.id} has no task`)
      return await this.#settle(entry, task, ground, await attemptMerge(this.#driver, entry, task, ground))
    } catch (error) {
      const told = error instanceof OvError && error.kind === 'interrupted'
      await this.#putBack(entry, told ? {} : { notBefore: project.clock.now() + TROUBLE_MS })
      if (!(error instanceof GitFailure)) throw error
      throw new OvError('failed', 'merge.git', `${entry.branch} could not be merged: ${oneLine(error.message, 300)}`, {
        hint: 'Its entry stays in the queue. When the cause is mended: ov merge',
        cause: error,
      })
    }
  }

  async #settle(
    entry: MergeEntry,
    task: Task,
    ground: Ground,
    attempt: Attempt,
  ): Promise<'settled' | 'again' | 'stop'> {
    const { branch, say } = this.#driver
    switch (attempt.is) {
      case 'swapped':
        await this.#swapped({ entry, task, mergedAs: attempt.commit, gates: attempt.gates }, ground, attempt.tree)
        return 'settled'
      case 'merged-already':
        await this.#record()
        await this.#recordAll([{ entry, task, mergedAs: attempt.commit, gates: [] }], {})
        return 'settled'
      case 'conflict':
        await this.#reject(entry, { why: 'conflict', output: attempt.output })
        return 'settled'
      case 'red':
        await this.#red(entry, ground, attempt.red)
        return 'settled'
      case 'moved':
        await this.#record()
        say(entry, `${branch} moved; once more`)
        return 'again'
      case 'dropped':
        return 'settled'
      case 'lost':
        return 'stop'
    }
  }

  /** A swap stands, whatever happens now. It is landed and recorded at once when it took its time for gates anyhow. */
  async #swapped(merge: Swapped, before: Ground, tree: string): Promise<void> {
    const at = { sha: merge.mergedAs, tree, checkout: null }
    const isTrain = before.track.checkout !== null
    const track: Track = isTrain ? { ...before.track, train: at } : { ...before.track, canonical: at }
    this.#unrecorded = {
      ground: { track, sha: at.sha, tree, isCanonical: !isTrain },
      merges: [...(this.#unrecorded?.merges ?? []), merge],
      from: this.#unrecorded?.from ?? before.track.canonical.sha,
      since: this.#unrecorded?.since ?? performance.now(),
    }
    // Where no checkout has the branch, it is asked each time whether one has it now: beneath that it must not move.
    if (merge.gates.length > 0 || !isTrain) await this.#record()
  }

  /** Lands and records what was swapped in. Landed first: whoever waits for `merged` finds the files in place. */
  async #record(): Promise<void> {
    if (this.#unrecorded === null) return
    const { merges, ground, from } = this.#unrecorded
    const { track, sha } = ground
    this.#unrecorded = null
    if (track.checkout !== null && this.#options.land !== false) await this.#land(track)
    if (track.checkout === null) this.#landing = { landed: true, branch: track.branch, from, commit: sha }
    step('merge.recording')
    await this.#recordAll(merges, {
      tip_sha: sha,
      ...(merges.at(-1)?.gates.length ? { green_sha: sha } : {}),
      ...(track.checkout === null ? { landed_sha: track.train?.sha ?? null } : {}),
    })
  }

  async #recordAll(merges: readonly Swapped[], train: Parameters<typeof settleMerged>[3]): Promise<void> {
    const { project, branch, say } = this.#driver
    await settleMerged(project, branch, merges, train)
    step('merge.recorded')
    this.#blocked = null
    for (const { entry, mergedAs } of merges) {
      this.#merged.push({ entry: (await getMerge(project.db, entry.id)) ?? entry, mergedAs })
      say(entry, `merged as ${mergedAs.slice(0, 8)}`)
    }
  }

  /** A landing that fails never undoes a merge: it is told, and tried again with the next. */
  async #land(ahead?: Track): Promise<void> {
    const { project, branch } = this.#driver
    try {
      this.#landing = await landTrain(project, ahead)
    } catch (error) {
      if (!(error instanceof GitFailure || error instanceof OvError)) throw error
      const detail = `What is merged could not be landed: ${oneLine(messageOf(error), 300)}`
      this.#landing = { landed: false, branch, behind: 0, why: 'refused', detail, hint: 'ov land' }
      await recordEvent(project.db, { at: project.clock.now(), type: 'merge.landing-failed', data: { why: detail } })
    }
  }

  /** Red with this branch in: back to its author. Whether the ground is green without it is found out once for each. */
  async #red(entry: MergeEntry, ground: Ground, red: Red): Promise<void> {
    const { project, branch } = this.#driver
    const facts = await trainFacts(project.db, branch)
    const isRedAlone = facts?.red_sha === ground.sha
    const note = `Without your branch ${branch} is red too, in the gate ${facts?.red_gate}.`
    await this.#reject(entry, isRedAlone ? { ...red, output: `${red.output}\n\n${note}` } : red)
    if (!isRedAlone && facts?.green_sha !== ground.sha) await this.#checkAlone(entry, ground)
  }

  /** A branch that is red by itself lets nothing through that does not mend it: that is for the human to know. */
  async #checkAlone(entry: MergeEntry, { sha }: Ground): Promise<void> {
    const { project, branch, gone, say } = this.#driver
    say(entry, `is ${branch} green without it?`)
    const alone = await checkCommit(project, sha, { gone })
    const found = alone.green ? { green_sha: sha } : { red_sha: sha, red_gate: alone.gate }
    await write(project.db, (tx) => noteTrain(tx, branch, found, project.clock.now()))
    if (alone.green) return
    await settleBlocked(project, branch, {
      on: sha,
      why: `The gate ${alone.gate} is red on ${branch} itself (${sha.slice(0, 12)}): no branch is merged that does not mend it.\n${alone.output}`,
      hint: `Mend ${branch}, or have it mended: ov sling --task "Make the gate ${alone.gate} pass"`,
    })
  }

  async #reject(entry: MergeEntry, { why, gate, output }: Rejection): Promise<void> {
    const { project, say } = this.#driver
    const rejected = await settleRejected(project, entry, { why, output, ...(gate === undefined ? {} : { gate }) })
    step('merge.rejected')
    // Null: it was stopped meanwhile, or is another train's, which the next claim finds out.
    if (rejected === null) return
    this.#rejected.push(rejected)
    say(entry, `${why === 'conflict' ? 'conflict' : `gate ${gate} is red`}: sent back`)
  }

  async #putBack(entry: MergeEntry, hold: { notBefore?: number }): Promise<void> {
    const { project } = this.#driver
    try {
      await write(project.db, (tx) => putBackMerge(tx, entry, hold, project.clock.now()))
    } catch (error) {
      // The database can't be written either (a full disk): the entry stays claimed by a lease that ends with us,
      // and the next train takes it over.
      if (!(error instanceof OvError)) throw error
    }
  }
}
