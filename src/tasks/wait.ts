import { isFinal } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { behindTrain } from '../merge/behind.ts'
import { openMerges } from '../merge/store.ts'
import { watchDatabase } from '../os/files.ts'
import type { Project } from '../project.ts'
import { getTask, type Task } from './store.ts'

/**
 * Waits until a task is merged, done, failed or stopped. Wakes on the database's changes, not on a timer.
 *
 * @param onChange called with the task now and whenever something was committed
 * @throws {OvError} `task.timeout` after `timeoutMs`; `task.interrupted` when `gone` aborts; `task.blocked` when only a human can let it be merged; `task.unknown`
 */
export async function waitForTask(
  project: Project,
  id: string,
  options: { timeoutMs?: number; gone?: AbortSignal; onChange?: (task: Task) => Promise<void> } = {},
): Promise<Task> {
  let wake: () => void = () => undefined
  const woken = () => wake()
  const unwatch = watchDatabase(project.databasePath, woken)
  options.gone?.addEventListener('abort', woken)
  const deadline = options.timeoutMs === undefined ? null : project.clock.monotonic() + options.timeoutMs
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      const task = await getTask(project.db, id)
      if (!task) throw new OvError('user', 'task.unknown', `There is no task ${id}.`, { hint: 'ov status' })
      await options.onChange?.(task)
      if (isFinal(task.state)) return task
      if (task.state === 'merging') await refuseBlocked(project, task)
      const left = deadline === null ? Number.POSITIVE_INFINITY : deadline - project.clock.monotonic()
      if (left <= 0 || options.gone?.aborted) {
        const [kind, code] = left <= 0 ? (['timeout', 'task.timeout'] as const) : INTERRUPTED
        throw new OvError(kind, code, `The task is still ${task.state}, and goes on without you.`, {
          hint: 'See how it goes: ov status',
        })
      }
      // The kernel's event can be missed (another file system, a full queue); a look now and then makes up for it.
      let timer: NodeJS.Timeout | undefined
      await Promise.race([changed, new Promise((resolve) => (timer = setTimeout(resolve, Math.min(left, 1_000))))])
      clearTimeout(timer)
    }
  } finally {
    options.gone?.removeEventListener('abort', woken)
    unwatch()
  }
}

const INTERRUPTED = ['interrupted', 'task.interrupted'] as const

/** Waiting for what only a human can mend would be waiting for ever. */
async function refuseBlocked(project: Project, task: Task): Promise<void> {
  const entry = (await openMerges(project.db)).find((one) => one.task_id === task.id)
  if (entry?.state !== 'ready') return
  const { blocked, diverged } = await behindTrain(project)
  // A branch that is red lets through what mends it; one that went another way than the train lets nothing through.
  if (blocked === null || !diverged) return
  throw new OvError('blocked', 'task.blocked', `It is done and waits to be merged. ${blocked.why}`, {
    hint: `${blocked.hint}. Then: ov merge`,
  })
}
