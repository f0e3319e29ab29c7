import { type Agent, getAgent, isOpen } from '../agents/store.ts'
import { watchDatabase } from '../os/files.ts'
import { watchFolder } from '../os/tail.ts'
import type { Project } from '../project.ts'
import { logFolder } from '../state-dir.ts'
import { conditionOf } from './condition.ts'
import { look } from './sight.ts'

/**
 * Calls `step` now and whenever the agent's log or the database changes, and a last time when the agent has ended (or
 * its runner is gone) or `gone` aborts. A look each second makes up for changes the kernel did not report.
 */
export async function whileOpen(
  project: Project,
  agent: Agent,
  step: () => void | Promise<void>,
  gone: AbortSignal,
): Promise<void> {
  let wake: () => void = () => undefined
  const woken = () => wake()
  const unwatchDatabase = watchDatabase(project.databasePath, woken)
  let unwatchLog: (() => void) | null = null
  gone.addEventListener('abort', woken)
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      // An agent that waits for a place has no log folder yet.
      unwatchLog ??= watchFolder(logFolder(project, agent), woken)
      const ended = await hasEnded(project, agent)
      await step()
      if (ended || gone.aborted) return
      const timer = setTimeout(woken, 1_000)
      await changed
      clearTimeout(timer)
    }
  } finally {
    gone.removeEventListener('abort', woken)
    unwatchDatabase()
    unwatchLog?.()
  }
}

async function hasEnded(project: Project, agent: Agent): Promise<boolean> {
  const now = await getAgent(project.db, agent.id)
  return !now || !isOpen(now) || conditionOf(now, look(project, now).runner) === 'runner_gone'
}
