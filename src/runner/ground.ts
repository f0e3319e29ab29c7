import { recordFor } from '../agents/record.ts'
import { type Agent, updateAgent } from '../agents/store.ts'
import { write } from '../db/open.ts'
import { messageOf, OvError } from '../errors.ts'
import { oneLine } from '../mail/frame.ts'
import { commitOf } from '../os/git.ts'
import type { Project } from '../project.ts'
import { countAttempt, setTaskState, type Task } from '../tasks/store.ts'
import { startingPoint } from '../worktrees/base.ts'
import { type Changes, changesOf } from '../worktrees/changes.ts'
import { keepCommits } from '../worktrees/keep.ts'
import { takePooled } from '../worktrees/pool.ts'
import { prepareWorktree } from '../worktrees/prepare.ts'
import { freshenReading, prepareReading } from '../worktrees/reading.ts'
import { isPassing } from './passing.ts'

/** What an agent stands on: its worktree, and the commit it began with. */
export interface Ground {
  /** Null until it is prepared. */
  readonly base: string | null
  /**
   * Makes the worktree, or takes it up again.
   * @throws {OvError} `sling.no-base`
   */
  prepare(): Promise<void>
  /** What a turn begins with: who reads what is merged reads the newest. */
  freshen(): Promise<void>
  /** Gives every commit it made a ref of its own. False: just now it can't be done, which is recorded, and is tried again. */
  keep(): Promise<boolean>
  /** What it has done so far; null for one that has no branch. */
  changes(): Promise<Changes | null>
}

/** So many of its commits that no other reaches are noted. */
const TIPS_NOTED = 5

/** An agent with a task works on a branch of its own; a persistent one has none and reads what is merged. */
export function groundOf(project: Project, agent: Agent, task: Task, worktree: string): Ground {
  const { db, clock } = project
  let base: string | null = null
  /** What was kept when it was looked last; null where an earlier runner may have kept more. */
  let kept: string | null = agent.turns === 0 ? '' : null

  /** Why they could not be kept when it was tried last. */
  let trouble: string | null = null
  const note = (type: string, data: Record<string, unknown>) => recordFor(db, agent, clock.now(), type, data)

  const readFrom = async (commit: string) => {
    if (commit !== base) await updateAgent(db, agent, { base_sha: commit })
    base = commit
  }

  /**
   * Decides where the branch begins and writes it down before the branch is made: a start that is killed after this
   * knows its own branch again, and one that is not takes no branch of the human's for its own.
   */
  const begin = async (): Promise<string> => {
    const from = task.base_ref
    const found = from === null ? await startingPoint(project) : await commitOf(project.git, from)
    if (found === null) {
      const said = `There is no commit "${oneLine(from ?? '', 60)}" any more to start from.`
      throw new OvError('user', 'sling.no-base', said, { hint: 'Sling it again from another: --base main' })
    }
    await write(db, async (tx) => {
      const now = clock.now()
      await updateAgent(tx, agent, { base_sha: found })
      await setTaskState(tx, task.id, 'running', now)
      await countAttempt(tx, task.id, now)
    })
    return found
  }

  return {
    get base() {
      return base
    },
    async prepare() {
      if (agent.persistent === 1) {
        await readFrom(await prepareReading(project, worktree))
        await setTaskState(db, task.id, 'running', clock.now())
        return
      }
      const begun = agent.base_sha
      base = begun ?? (await begin())
      const wanted = { path: worktree, branch: agent.branch, base }
      const pooled = () => takePooled(project, agent, wanted)
      await prepareWorktree(project, { ...wanted, resumed: begun !== null, worked: agent.turns > 0, pooled })
    },
    async freshen() {
      if (agent.persistent === 1) await readFrom(await freshenReading(project, worktree))
    },
    async keep() {
      try {
        const tips = await keepCommits(project, agent.id, worktree, base)
        const now = tips.toSorted().join(' ')
        // It is progress, whatever else it shows.
        if (kept !== null && now !== kept && tips.length > 0)
          await note('agent.committed', { tips: tips.slice(-TIPS_NOTED) })
        kept = now
        trouble = null
        return true
      } catch (error) {
        if (isPassing(error)) throw error
        const why = messageOf(error)
        if (why !== trouble) await note('agent.keep-failed', { why })
        trouble = why
        return false
      }
    },
    changes: () => changesOf(project, agent, base),
  }
}
