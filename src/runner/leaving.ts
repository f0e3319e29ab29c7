import { setTimeout as delay } from 'node:timers/promises'
import { endAgent } from '../agents/finish.ts'
import { giveTo } from '../agents/reassign.ts'
import { recordFor } from '../agents/record.ts'
import { recentRestarts, recover } from '../agents/recover.ts'
import { MAX_RESTARTS, putAside } from '../agents/rules.ts'
import { dispatchQueued } from '../agents/start.ts'
import { type Agent, getAgent, isFenced } from '../agents/store.ts'
import type { AgentRuntime } from '../contract/runtime.ts'
import type { EndState } from '../contract/states.ts'
import { hasSpace } from '../os/files.ts'
import { removeWorktree, uncommitted } from '../os/git.ts'
import type { Project } from '../project.ts'
import type { RuntimeChoice } from '../runtimes/routing.ts'
import { step } from '../steps.ts'
import { recycle } from '../worktrees/pool.ts'
import { gitIn } from '../worktrees/prepare.ts'
import type { Cli } from './cli.ts'
import type { Counts } from './counts.ts'
import type { Ground } from './ground.ts'
import type { Handover } from './handover.ts'
import type { Pane } from './pane.ts'
import { isPassing } from './passing.ts'
import { clearOut, type Workplace } from './workplace.ts'

/** Between two tries to write, in ms. */
const AGAIN_MS = 1_000

/** How a runner leaves its agent. Each way the agent's processes are gone first. */
export interface Leaving {
  /** Ends the agent: its commits kept, its state and all that follows from it recorded. */
  end(state: EndState): Promise<void>
  /** Another runner goes on: with a screen of its own where this one's is gone and can't be had back, or with another runtime. */
  giveWay(why: string, choice?: RuntimeChoice): Promise<void>
  /**
   * Nothing can be written for now. That is no fault of the agent's, and passes: once there is room another runner goes on where
   * it was. A command is not run again: it may have done half of what it does.
   *
   * @param turns that it has begun
   */
  outlast(why: string, turns: number): Promise<void>
}

export interface LeavingOptions {
  readonly project: Project
  readonly agent: Agent
  readonly runtime: AgentRuntime
  readonly place: Workplace
  readonly ground: Ground
  readonly handover: Handover
  readonly cli: Cli
  readonly counts: Counts
  readonly pane: Pane
}

export function leavingOf(options: LeavingOptions): Leaving {
  const { project, agent, runtime, place, ground, handover, cli, counts, pane } = options
  const { db, clock } = project

  const end = async (state: EndState) => {
    const survivors = await cli.stop()
    if (survivors.length > 0) await recordFor(db, agent, clock.now(), 'agent.survivors', { pids: survivors })
    step('end.stopped')
    await cli.hooks?.close()
    await counts.close()
    const kept = await ground.keep()
    step('end.kept')
    await handover.conclude()
    await endAgent(project, agent, state)
    step('end.recorded')
    pane.title(`${agent.name} ${state.name}`)
    await dispatchQueued(project)
    if (state.name === 'done' && kept) await tidy(project, place)
  }

  const giveWay = async (why: string, choice?: RuntimeChoice) => {
    await cli.stop()
    await cli.hooks?.close()
    await ground.keep()
    await handover.withdraw()
    step('give-way.withdrawn')
    const now = await getAgent(db, agent.id)
    if (now?.fence !== agent.fence) return
    if (choice === undefined) await recover(project, now, why)
    else await giveTo(project, now, choice, why)
  }

  return {
    end,
    giveWay,
    async outlast(why, turns) {
      await cli.stop()
      for (;;) {
        while (!hasSpace(project.stateDir)) await delay(AGAIN_MS)
        try {
          const restarts = await recentRestarts(project, agent)
          const again = runtime.can.prompts || turns === 0
          if (!again) return await end({ name: 'failed', reason: why })
          if (restarts >= MAX_RESTARTS)
            return await end({ name: 'failed', reason: `${putAside('Its runner')}\n${why}` })
          // There may be room for a little, and not for what it needs.
          await delay(AGAIN_MS * 3 ** restarts)
          return await giveWay(why)
        } catch (error) {
          if (isFenced(error)) return
          if (!isPassing(error)) throw error
          await delay(AGAIN_MS)
        }
      }
    },
  }
}

/** Merged or without changes, kept and clean: only then does the folder go. Git itself refuses a dirty one. */
async function tidy(project: Project, place: Workplace): Promise<void> {
  const { worktree } = place
  if ((await uncommitted(gitIn(project, worktree))).length === 0 && !(await recycle(project, worktree)))
    await removeWorktree(project.git, worktree)
  step('end.tidied')
  clearOut(place)
}
