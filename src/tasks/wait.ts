import { isFinal } from '../contract/states.ts'
import { OvError } from '../errors.ts'
import { watchDatabase } from '../os/files.ts'
import type { Project } from '../project.ts'
import { getTask, type Task } from './store.ts'

/**
 * Waits until a task is merged, done, failed or stopped. Wakes on the database's changes, not on a timer.
 *
 * @param onChange called with the task now and whenever something was committed
 * @throws {OvError} `task.timeout` after `timeoutMs`; `task.unknown`
 */
export async function waitForTask(
  project: Project,
  id: string,
  options: { timeoutMs?: number; gone?: AbortSignal; onChange?: (task: Task) => Promise<void> } = {},
): Promise<Task> {
  let wake: () => void = () => undefined
  const unwatch = watchDatabase(project.databasePath, () => wake())
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
      const left = deadline === null ? Number.POSITIVE_INFINITY : deadline - project.clock.monotonic()
      if (left <= 0 || options.gone?.aborted) {
        throw new OvError('timeout', 'task.timeout', `The task is still ${task.state}.`, {
          hint: 'It goes on without you: ov status',
        })
      }
      // The kernel's event can be missed (another file system, a full queue); a look now and then makes up for it.
      let timer: NodeJS.Timeout | undefined
      await Promise.race([changed, new Promise((resolve) => (timer = setTimeout(resolve, Math.min(left, 1_000))))])
      clearTimeout(timer)
    }
  } finally {
    unwatch()
  }
}
