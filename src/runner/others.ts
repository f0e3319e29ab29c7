import { messageOf } from '../errors.ts'
import { trainBeside } from '../merge/beside.ts'
import type { Project } from '../project.ts'
import { reconcileUnwatched } from '../watchdog/reconcile.ts'
import { fillPool } from '../worktrees/pool.ts'
import { isPassing } from './passing.ts'

/** What a runner does for the rest of the fleet, beside its own agent. What goes wrong with it is told, and fails nobody here. */
export interface Others {
  /**
   * Brings back who has lost a runner and starts who waits for a place, unless a watcher does; merges what others left in the
   * queue, who are gone by now.
   */
  lookAfter(): Promise<void>
  /** Merges what is ready, beside whatever else is done. */
  merge(): void
  /** Prepares what the next agent will need, beside whatever else is done. */
  prepare(): void
  /** When what goes on beside has ended. */
  ended(): Promise<void>
}

/**
 * @param tell has something noted in its turn: what happens beside must not fail for want of space
 * @param moved something was merged: there may be something new to look at
 */
export function othersBeside(
  project: Project,
  tell: (type: string, data: Record<string, unknown>) => void,
  moved: () => void,
): Others {
  const train = trainBeside(project, async (why) => tell('merge.trouble', { why }), moved)
  let filled: Promise<void> = Promise.resolve()
  /** What went wrong last: it is told once, as long as it stays the same. */
  let trouble: string | null = null
  return {
    async lookAfter() {
      try {
        await reconcileUnwatched(project)
        trouble = null
      } catch (error) {
        if (isPassing(error)) throw error
        const why = messageOf(error)
        if (why !== trouble) tell('fleet.trouble', { why })
        trouble = why
      }
      train.drive()
    },
    merge: () => train.drive(),
    prepare() {
      filled = fillPool(project).catch((error: unknown) => tell('pool.trouble', { why: messageOf(error) }))
    },
    async ended() {
      await train.ended()
      await filled
    },
  }
}
