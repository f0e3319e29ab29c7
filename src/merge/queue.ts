import { getAgent } from '../agents/store.ts'
import { leaseHolder } from '../db/lease.ts'
import { OvError } from '../errors.ts'
import { requireAllowed } from '../load/mode.ts'
import { oneLine } from '../mail/frame.ts'
import { watchDatabase } from '../os/files.ts'
import type { Project } from '../project.ts'
import { interrupted } from './check.ts'
import { type Landing, landTrain } from './land.ts'
import type { Block } from './settle.ts'
import { getMerge, type MergeEntry, openMerges, TRAIN_LEASE } from './store.ts'
import { driveTrain, type TrainReport } from './train.ts'

/** An entry of the merge queue, and what became of it. */
export interface QueuedMerge {
  readonly task: string
  readonly agent: string
  readonly branch: string
  /** Head of the branch that is, or was, to be merged. */
  readonly commit: string
  readonly state: MergeEntry['state']
  readonly mergedAs: string | null
  /** Why it was sent back, or waits; null otherwise. */
  readonly reason: string | null
}

export interface MergeOutcome {
  readonly merges: readonly QueuedMerge[]
  readonly blocked: Block | null
  readonly landing: Landing | null
}

export interface MergeRequest {
  /** A branch of the queue, or the agent it is of. Without it: the whole queue. */
  readonly branch?: string | undefined
  readonly land: boolean
  /** Called with the queue as it is found, before anything happens. */
  readonly onStart?: (entries: readonly QueuedMerge[]) => void
  readonly onProgress?: (branch: string, doing: string) => void
  /** Another process drives the train; this one waits for it. */
  readonly onWait?: (pid: number) => void
  /** Whoever asked has had enough. */
  readonly gone?: AbortSignal | undefined
}

/**
 * Merges what is in the queue, oldest first. Where another process is at it already, waits for that one and then sees
 * what is left.
 *
 * @throws {OvError} `merge.not-queued`
 */
export async function mergeQueue(project: Project, request: MergeRequest): Promise<MergeOutcome> {
  await requireAllowed(project, 'merge')
  const wanted = request.branch === undefined ? undefined : await queuedBranch(project, request.branch)
  const found = (await openMerges(project.db)).filter((entry) => wanted === undefined || entry.branch === wanted)
  request.onStart?.(await Promise.all(found.map((entry) => sayEntry(project, entry))))
  const reports: TrainReport[] = []
  for (;;) {
    await requireAllowed(project, 'merge')
    const report = await driveTrain(project, {
      asked: true,
      land: request.land,
      ...(wanted === undefined ? {} : { branch: wanted }),
      gone: request.gone,
      onProgress: (entry, doing) => request.onProgress?.(entry.branch, doing),
    })
    reports.push(report)
    if (report.drove) break
    await untilFree(project, request)
  }
  const last = reports.at(-1)
  const ids = new Set(
    [...found, ...(last?.merged ?? []).map(entryOf), ...(last?.rejected ?? []).map(entryOf)].map(idOf),
  )
  const entries = await Promise.all([...ids].sort().map((id) => getMerge(project.db, id)))
  return {
    merges: await Promise.all(entries.flatMap((entry) => (entry === undefined ? [] : sayEntry(project, entry)))),
    blocked: last?.blocked ?? null,
    landing: last?.landing ?? null,
  }
}

/** Brings the human's checkout along with what is merged already; rebuilds that on the human's own commits if need be. */
export async function landWaiting(
  project: Project,
  waiting: Pick<MergeRequest, 'onWait' | 'gone'> = {},
): Promise<{ landing: Landing; blocked: Block | null }> {
  for (;;) {
    await requireAllowed(project, 'land')
    const landing = await landTrain(project)
    if (landing.landed || (landing.why !== 'diverged' && landing.why !== 'rewritten')) return { landing, blocked: null }
    const report = await driveTrain(project, { asked: true, rebuildOnly: true, gone: waiting.gone })
    if (report.drove) return { landing: report.landing ?? landing, blocked: report.blocked }
    await untilFree(project, waiting)
  }
}

const entryOf = ({ entry }: { entry: MergeEntry }) => entry
const idOf = ({ id }: MergeEntry) => id

/**
 * The branch of the queue that a person means: itself, or the name of its agent.
 *
 * @throws {OvError} `merge.not-queued`
 */
export async function queuedBranch(project: Project, wanted: string): Promise<string> {
  const open = await openMerges(project.db)
  const named = await Promise.all(
    open.map(async (entry) => ({ entry, name: (await getAgent(project.db, entry.agent_id))?.name })),
  )
  const match = named.find(({ entry, name }) => entry.branch === wanted || name === wanted)
  if (match !== undefined) return match.entry.branch
  const waiting =
    open.length === 0
      ? 'The queue is empty.'
      : `In the queue: ${open
          .slice(0, 5)
          .map((entry) => entry.branch)
          .join(', ')}.`
  throw new OvError('user', 'merge.not-queued', `${oneLine(wanted, 80)} is not in the merge queue. ${waiting}`, {
    hint: 'A branch gets there when its agent says that it is done: ov status',
  })
}

async function sayEntry(project: Project, entry: MergeEntry): Promise<QueuedMerge> {
  const agent = await getAgent(project.db, entry.agent_id)
  return {
    task: entry.task_id,
    agent: agent?.name ?? entry.agent_id,
    branch: entry.branch,
    commit: entry.head_sha,
    state: entry.state,
    mergedAs: entry.merged_as,
    reason: entry.reason,
  }
}

/** Until the other train has ended. The kernel tells of its commits; a look now and then sees a death. */
async function untilFree(project: Project, { onWait, gone }: Pick<MergeRequest, 'onWait' | 'gone'>): Promise<void> {
  let wake: () => void = () => undefined
  const unwatch = watchDatabase(project.databasePath, () => wake())
  try {
    for (let told = false; ; told = true) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      const holder = await leaseHolder(project.db, TRAIN_LEASE, project.clock)
      if (holder === null) return
      if (gone?.aborted) throw interrupted()
      if (!told) onWait?.(holder.pid)
      const timer = setTimeout(wake, 100)
      await changed
      clearTimeout(timer)
    }
  } finally {
    unwatch()
  }
}
