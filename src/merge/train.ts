import { getAgent } from '../agents/store.ts'
import { claimLease, type Lease, leaseHolder, ownsLease, releaseLease, renewLease } from '../db/lease.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { recordEvent } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import {
  commitTree,
  GitFailure,
  isAncestor,
  type MergeTree,
  mergeOf,
  mergeTree,
  swapRefs,
  writeBlob,
} from '../os/git.ts'
import { ownIdentity } from '../os/process.ts'
import { canonicalBranch, type Project } from '../project.ts'
import { getTask, type Task } from '../tasks/store.ts'
import { checkCommit, interrupted, type Red } from './check.ts'
import { type Landing, landTrain, rewritten } from './land.ts'
import { sweepScratch } from './scratch.ts'
import { type Block, type Rejected, settleBlocked, settleMerged, settleRejected } from './settle.ts'
import {
  claimNextMerge,
  getMerge,
  intendMerge,
  type MergeEntry,
  noteTrain,
  openMerges,
  putBackMerge,
  type TrainFacts,
  trainFacts,
  UNBLOCKED,
} from './store.ts'
import { fenceRef, groundOf, isSameTrack, readTrack, swapOf, type Track, trainRef, unlanded } from './track.ts'

/** Whoever holds it drives the train. */
export const TRAIN_LEASE = 'merge-train'
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
  if ((await leaseHolder(project.db, TRAIN_LEASE, project.clock)) !== null) return nothing
  const branch = await canonicalBranch(project)
  const lease = await write(project.db, (tx) => claimLease(tx, TRAIN_LEASE, ownIdentity(), project.clock, LEASE_MS))
  if (lease === null) return nothing
  const drive = new Drive(project, lease, branch, options)
  const renewal = setInterval(() => void drive.renew(), LEASE_MS / 3)
  try {
    return await drive.run()
  } finally {
    clearInterval(renewal)
    await write(project.db, (tx) => releaseLease(tx, lease))
  }
}

/** The commit the next merge is built on. */
interface Tip {
  readonly sha: string
  readonly tree: string
  /** True when it is the branch's own tip: nothing waits to land. */
  readonly isCanonical: boolean
}

/**
 * Where one attempt at an entry ended: it is `settled` (or no longer ours to settle), the branch `moved`, so once
 * more, or the lease is `lost` to another train.
 */
type Attempt = 'settled' | 'moved' | 'lost'

/** One drive of the train, from its lease to an empty queue. */
class Drive {
  readonly #project: Project
  readonly #lease: Lease
  readonly #branch: string
  readonly #options: TrainOptions
  readonly #merged: Merged[] = []
  readonly #rejected: Rejected[] = []
  #blocked: Block | null = null
  #landing: Landing | null = null

  constructor(project: Project, lease: Lease, branch: string, options: TrainOptions) {
    this.#project = project
    this.#lease = lease
    this.#branch = branch
    this.#options = options
  }

  async run(): Promise<TrainReport> {
    if (this.#lease.seized) await this.#shutOut()
    let entry: MergeEntry | null = null
    for (let first = true; ; first = false) {
      if (this.#options.gone?.aborted) throw interrupted()
      // Once more for the same entry: the branch has moved, and it may be another train that moved it.
      if (entry !== null && !(await ownsLease(this.#project.db, this.#lease))) break
      if (entry === null && !first && (await this.#isDone())) break
      const track = await readTrack(this.#project, this.#branch)
      const facts = await trainFacts(this.#project.db, this.#branch)
      const tip = await this.#tip(track, facts)
      if (tip === 'moved') continue
      if (tip === 'lost') break
      if (tip === 'blocked') {
        if (entry !== null) await this.#putBack(entry, {})
        break
      }
      entry ??= await this.#claim()
      if (entry === null) break
      const attempt = await this.#attempt(entry, track, tip, facts)
      if (attempt === 'lost') break
      if (attempt === 'settled') entry = null
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

  async renew(): Promise<void> {
    try {
      await write(this.#project.db, (tx) => renewLease(tx, this.#lease, this.#project.clock, LEASE_MS))
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
    const { git } = this.#project
    const track = await readTrack(this.#project, this.#branch)
    const fence = await writeBlob(git, `merge train ${this.#lease.fence} of ${this.#branch}\n`)
    await swapRefs(git, [{ ref: fenceRef(this.#branch), from: track.fence, to: fence }], 'ov: new train')
    await sweepScratch(this.#project)
  }

  /** True when the queue is empty. The lease goes back in the transaction that finds it so. */
  #isDone(): Promise<boolean> {
    return write(this.#project.db, async (tx) => {
      if ((await openMerges(tx)).length > 0) return false
      await releaseLease(tx, this.#lease)
      return true
    })
  }

  /** The next entry, claimed. With none left to claim the lease goes back in the same transaction. */
  #claim(): Promise<MergeEntry | null> {
    return write(this.#project.db, async (tx) => {
      if (this.#options.rebuildOnly || !(await ownsLease(tx, this.#lease))) return null
      const next = await claimNextMerge(tx, this.#lease.fence, this.#project.clock.now(), {
        branch: this.#options.branch,
        held: this.#options.asked ?? false,
      })
      if (next === null) await releaseLease(tx, this.#lease)
      return next
    })
  }

  /** What to build on. Rebuilds the train when the human has committed to the branch since. */
  async #tip(track: Track, facts: TrainFacts | undefined): Promise<Tip | 'moved' | 'lost' | 'blocked'> {
    const { canonical, train } = track
    const waiting = await unlanded(this.#project, track, facts)
    const ground = groundOf(track, waiting)
    switch (waiting.is) {
      case 'nothing':
      case 'ahead':
        await this.#clearRebuild(facts)
        return waiting.is === 'nothing' || train === null
          ? { sha: canonical.sha, tree: canonical.tree, isCanonical: true }
          : { sha: train.sha, tree: train.tree, isCanonical: false }
      case 'diverged':
        return this.#rebuild(track, train?.sha ?? '', ground, facts)
      case 'rewritten':
        return this.#block({
          on: ground,
          why: rewritten(track),
          hint: `Decide, then: ov merge`,
        })
    }
  }

  /** Merges what waits to land on top of the human's new commits; with gates, like any other merge. */
  async #rebuild(
    track: Track,
    train: string,
    on: string,
    facts: TrainFacts | undefined,
  ): Promise<'moved' | 'lost' | 'blocked'> {
    const { git, db, clock } = this.#project
    const ref = trainRef(this.#branch)
    const hint = `Merge it yourself: git merge ${ref}. Or give it up: git update-ref -d ${ref}`
    if (facts?.blocked_on === on && !this.#options.asked) return this.#block({ on, why: facts.blocked_why ?? '', hint })
    const merged = await mergeTree(git, track.canonical.sha, train)
    if (!merged.clean) {
      const why = `What is merged but not landed conflicts with new commits on ${this.#branch} in ${merged.files.join(', ')}.`
      return this.#block({ on, why, hint })
    }
    const commit = await commitTree(
      git,
      merged.tree,
      [track.canonical.sha, train],
      `Merge ${ref} into ${this.#branch}\n`,
    )
    const checked = await checkCommit(this.#project, commit, { gone: this.#options.gone })
    if (!checked.green) {
      const why = `What is merged but not landed turns the gate ${checked.gate} red together with new commits on ${this.#branch}.\n${checked.output}`
      return this.#block({ on, why, hint })
    }
    const owns = await write(db, async (tx) => {
      if (!(await ownsLease(tx, this.#lease))) return false
      await noteTrain(tx, this.#branch, { base_sha: track.canonical.sha }, clock.now())
      return true
    })
    if (!owns) return 'lost'
    if (await swapRefs(git, swapOf(track, commit), `ov: rebuild on ${this.#branch}`)) {
      const landed = track.checkout === null ? { landed_sha: train } : {}
      const facts = { tip_sha: commit, green_sha: commit, ...UNBLOCKED, ...landed }
      await write(db, (tx) => noteTrain(tx, this.#branch, facts, clock.now()))
    }
    return 'moved'
  }

  /** A human has solved what kept the train from being rebuilt. (A red tip is solved by a green one, which a merge shows.) */
  async #clearRebuild(facts: TrainFacts | undefined): Promise<void> {
    if (!facts?.blocked_on?.includes(' ')) return
    await write(this.#project.db, (tx) => noteTrain(tx, this.#branch, UNBLOCKED, this.#project.clock.now()))
  }

  async #block(block: Block): Promise<'blocked'> {
    this.#blocked = block
    await settleBlocked(this.#project, this.#branch, block)
    return 'blocked'
  }

  /** One attempt at an entry. Trouble that is nobody's fault puts it back before it is told. */
  async #attempt(entry: MergeEntry, track: Track, tip: Tip, facts: TrainFacts | undefined): Promise<Attempt> {
    try {
      return await this.#merge(entry, track, tip, facts)
    } catch (error) {
      const told = error instanceof OvError && error.kind === 'interrupted'
      await this.#putBack(entry, told ? {} : { notBefore: this.#project.clock.now() + TROUBLE_MS })
      if (!(error instanceof GitFailure)) throw error
      throw new OvError('failed', 'merge.git', `${entry.branch} could not be merged: ${oneLine(error.message, 300)}`, {
        hint: 'Its entry stays in the queue. When the cause is mended: ov merge',
        cause: error,
      })
    }
  }

  /** merge-tree, commit-tree, gates on that commit, compare-and-swap, landing, record. */
  async #merge(entry: MergeEntry, track: Track, tip: Tip, facts: TrainFacts | undefined): Promise<Attempt> {
    const { git, db, clock } = this.#project
    const task = await getTask(db, entry.task_id)
    if (task === undefined) throw new Error(`merge entry ${entry.id} has no task`)
    this.#say(entry, 'merging')
    const merged = await this.#mergeTree(tip.sha, entry.head_sha)
    if (!merged.clean)
      return this.#reject(entry, { why: 'conflict', output: conflictFor(this.#branch, tip.sha, merged) })
    // What is in already changes nothing: only then is it worth asking whether a train that died has merged it.
    if (merged.tree === tip.tree && (await isAncestor(git, entry.head_sha, tip.sha))) {
      const mergedAs = await mergeOf(git, entry.head_sha, tip.sha, entry.intended_as)
      await this.#finish(entry, task, undefined, mergedAs, { gates: [], train: {} })
      return 'settled'
    }
    const message = await this.#messageFor(entry, task)
    const commit = await commitTree(git, merged.tree, [tip.sha, entry.head_sha], message)
    const onGate = (gate: string) => this.#onGate(entry, gate)
    const checked = await checkCommit(this.#project, commit, { onGate, gone: this.#options.gone })
    if (!checked.green) return this.#red(entry, tip, facts, checked)
    // Gates take their time. Whether the branch has moved, or has been checked out meanwhile, is asked again.
    if (checked.gates.length > 0 && !isSameTrack(track, await readTrack(this.#project, this.#branch))) {
      this.#say(entry, `${this.#branch} moved; once more`)
      return 'moved'
    }
    const mayGoOn = await write(db, async (tx): Promise<Attempt | null> => {
      if (!(await ownsLease(tx, this.#lease))) return 'lost'
      if (!(await intendMerge(tx, entry, commit, clock.now()))) return 'settled'
      if (tip.isCanonical && facts?.base_sha !== tip.sha)
        await noteTrain(tx, this.#branch, { base_sha: tip.sha }, clock.now())
      return null
    })
    if (mayGoOn !== null) return mayGoOn
    if (!(await swapRefs(git, swapOf(track, commit), `ov: merge ${entry.branch}`))) {
      this.#say(entry, `${this.#branch} moved; once more`)
      return 'moved'
    }
    const landed = track.checkout === null ? { landed_sha: track.train?.sha ?? null } : {}
    const ahead = { ...track, train: { sha: commit, tree: merged.tree, checkout: null } }
    const green = checked.gates.length > 0 ? { green_sha: commit } : {}
    await this.#finish(entry, task, ahead, commit, {
      gates: checked.gates,
      train: { tip_sha: commit, ...green, ...landed },
    })
    return 'settled'
  }

  /** A head that can't be merged at all is its author's to mend, like a conflict. */
  async #mergeTree(tip: string, head: string): Promise<MergeTree> {
    try {
      return await mergeTree(this.#project.git, tip, head)
    } catch (error) {
      if (!(error instanceof GitFailure) || !/unrelated histories|not something we can merge/.test(error.stderr))
        throw error
      return { clean: false, files: [], messages: error.message }
    }
  }

  /** Landed first, recorded second: whoever waits for `merged` finds the files in place. */
  async #finish(
    entry: MergeEntry,
    task: Task,
    ahead: Track | undefined,
    mergedAs: string,
    facts: { readonly gates: readonly string[]; readonly train: Partial<TrainFacts> },
  ): Promise<void> {
    if (ahead?.checkout === null)
      this.#landing = { landed: true, branch: this.#branch, from: ahead.canonical.sha, commit: mergedAs }
    else if (this.#options.land !== false) await this.#land(ahead)
    await settleMerged(this.#project, this.#branch, entry, task, mergedAs, facts)
    this.#blocked = null
    this.#merged.push({ entry: (await getMerge(this.#project.db, entry.id)) ?? entry, mergedAs })
    this.#say(entry, `merged as ${mergedAs.slice(0, 8)}`)
  }

  /** A landing that fails never undoes a merge: it is told, and tried again with the next. */
  async #land(ahead?: Track): Promise<void> {
    try {
      this.#landing = await landTrain(this.#project, ahead)
    } catch (error) {
      if (!(error instanceof GitFailure || error instanceof OvError)) throw error
      const detail = `What is merged could not be landed: ${oneLine(messageOf(error), 300)}`
      this.#landing = { landed: false, branch: this.#branch, behind: 0, why: 'refused', detail, hint: 'ov land' }
      const at = this.#project.clock.now()
      await recordEvent(this.#project.db, { at, type: 'merge.landing-failed', data: { why: detail } })
    }
  }

  /** Red with this branch in: back to its author. Whether the tip is green without it is found out once for each tip. */
  async #red(entry: MergeEntry, tip: Tip, facts: TrainFacts | undefined, red: Red): Promise<Attempt> {
    const isRedAlone = facts?.red_sha === tip.sha
    const note = `Without your branch ${this.#branch} is red too, in the gate ${facts?.red_gate}.`
    await this.#reject(entry, isRedAlone ? { ...red, output: `${red.output}\n\n${note}` } : red)
    if (!isRedAlone && facts?.green_sha !== tip.sha) await this.#checkAlone(entry, tip)
    return 'settled'
  }

  /** A branch that is red by itself lets nothing through that does not mend it: that is for the human to know. */
  async #checkAlone(entry: MergeEntry, tip: Tip): Promise<void> {
    this.#say(entry, `is ${this.#branch} green without it?`)
    const alone = await checkCommit(this.#project, tip.sha, { gone: this.#options.gone })
    const found = alone.green ? { green_sha: tip.sha } : { red_sha: tip.sha, red_gate: alone.gate }
    await write(this.#project.db, (tx) => noteTrain(tx, this.#branch, found, this.#project.clock.now()))
    if (alone.green) return
    await settleBlocked(this.#project, this.#branch, {
      on: tip.sha,
      why: `The gate ${alone.gate} is red on ${this.#branch} itself (${tip.sha.slice(0, 12)}): no branch is merged that does not mend it.\n${alone.output}`,
      hint: `Mend ${this.#branch}, or have it mended: ov sling --task "Make the gate ${alone.gate} pass"`,
    })
  }

  async #reject(
    entry: MergeEntry,
    red: { why: 'conflict' | 'gate' | 'setup'; gate?: string; output: string },
  ): Promise<Attempt> {
    const { why, gate, output } = red
    const rejected = await settleRejected(this.#project, entry, {
      why,
      output,
      ...(gate === undefined ? {} : { gate }),
    })
    // Null: it was stopped meanwhile, or is another train's, which the next claim finds out.
    if (rejected === null) return 'settled'
    this.#rejected.push(rejected)
    this.#say(entry, `${why === 'conflict' ? 'conflict' : `gate ${gate} is red`}: sent back`)
    return 'settled'
  }

  async #putBack(entry: MergeEntry, hold: { notBefore?: number }): Promise<void> {
    try {
      await write(this.#project.db, (tx) => putBackMerge(tx, entry, hold, this.#project.clock.now()))
    } catch (error) {
      // The database can't be written either (a full disk): the entry stays claimed by a lease that ends with us,
      // and the next train takes it over.
      if (!(error instanceof OvError)) throw error
    }
  }

  async #onGate(entry: MergeEntry, gate: string): Promise<void> {
    this.#say(entry, `gate ${gate}`)
    await recordEvent(this.#project.db, {
      at: this.#project.clock.now(),
      type: 'merge.gate',
      runId: entry.run_id,
      agentId: entry.agent_id,
      taskId: entry.task_id,
      data: { gate },
    })
  }

  async #messageFor(entry: MergeEntry, task: Task): Promise<string> {
    const agent = await getAgent(this.#project.db, entry.agent_id)
    const by = { task: entry.task_id, agent: agent?.name ?? entry.agent_id, runtime: agent?.runtime ?? 'unknown' }
    return `${oneLine(task.title, 72)}\n\nMerges ${entry.branch}.\n\n${trailers(by)}\n`
  }

  #say(entry: MergeEntry, doing: string): void {
    this.#options.onProgress?.(entry, doing)
  }
}

/** The trailers by which a commit is known to be `ov`'s. */
export function trailers({ task, agent, runtime }: { task: string; agent: string; runtime: string }): string {
  return `Ov-Task: ${task}\nOv-Agent: ${agent}\nOv-Runtime: ${runtime}`
}

function conflictFor(branch: string, tip: string, merged: Extract<MergeTree, { clean: false }>): string {
  return [
    merged.files.length === 0
      ? `Your branch cannot be merged into ${branch}:`
      : `Your branch conflicts with ${branch} in:\n${merged.files
          .slice(0, 50)
          .map((file) => `  ${file}`)
          .join('\n')}`,
    merged.messages,
    `Merge it into your branch (git merge ${tip}), resolve, commit, and say done again.`,
  ].join('\n\n')
}
