import { setTimeout as delay } from 'node:timers/promises'
import { describeState } from '../agents/rules.ts'
import { agentOfTask, isOpen, stateOf } from '../agents/store.ts'
import { isFinal } from '../contract/states.ts'
import type { Db } from '../db/open.ts'
import { messageOf } from '../errors.ts'
import { recentEvents } from '../events/store.ts'
import { oneLine } from '../mail/frame.ts'
import { driveTrain } from '../merge/train.ts'
import type { Project } from '../project.ts'
import { reconcileUnwatched } from '../watchdog/reconcile.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { Task } from './store.ts'
import { waitForTask } from './wait.ts'

/** What is happening to a task right now, in a few words: `working: Bash npm test`, `waiting on merge`, `gate lint-clean`. */
async function progressOf(db: Db, task: Task): Promise<string> {
  if (isFinal(task.state)) return task.state
  const agent = await agentOfTask(db, task.id)
  if (!agent) return task.state
  const events = await recentEvents(db, { agentId: agent.id }, 20)
  const told = events.filter((event) => event.at >= agent.state_since).flatMap((event) => inWords(event) ?? [])
  return told.at(-1) ?? (agent.waiting_on === 'merge' ? 'in the merge queue' : describeState(stateOf(agent)))
}

/** An event that says what an agent is doing, in a few words; null for any other. */
function inWords(event: { type: string; data_json: string }): string | null {
  const data: Record<string, unknown> = JSON.parse(event.data_json)
  switch (event.type) {
    case 'tool.start':
      return oneLine(`${data.tool}: ${data.summary}`, 100)
    case 'merge.gate':
      return oneLine(`gate ${data.gate}`, 100)
    case 'merge.rejected':
      return data.why === 'conflict' ? 'conflict, sent back' : oneLine(`gate ${data.gate} is red, sent back`, 100)
    default:
      return null
  }
}

/** Who is interrupted waits so long for what is under way, in ms. */
const LEAVING_MS = 200
/** Milliseconds between two looks after the fleet by somebody who only waits. */
const RECONCILE_MS = 5_000

/**
 * Follows a task to its end, telling each change of what is happening, and looks after the fleet meanwhile: the
 * one who waits may be the only one alive.
 *
 * @throws {OvError} what `waitForTask` throws
 */
export async function followTask(
  project: Project,
  taskId: string,
  tell: (progress: string) => void,
  options: { timeoutMs?: number; gone?: AbortSignal } = {},
): Promise<Outcome> {
  let told = ''
  const look = async (task: Task) => {
    const progress = await progressOf(project.db, task)
    if (progress !== told) tell(progress)
    told = progress
  }
  const enough = new AbortController()
  const gone = options.gone === undefined ? enough.signal : AbortSignal.any([options.gone, enough.signal])
  const lookAfterFleet = async () => {
    await reconcileUnwatched(project)
    const agent = await agentOfTask(project.db, taskId)
    // Runners drive the train; this task may have lost its own.
    if (project.config.merge.auto && agent !== undefined && !isOpen(agent)) await driveTrain(project, { gone })
  }
  let looking: Promise<void> | null = null
  let trouble = ''
  const timer = setInterval(() => {
    looking ??= lookAfterFleet()
      .then(() => {
        trouble = ''
      })
      .catch((error: unknown) => {
        // Told once: it is tried again until it goes.
        if (!gone.aborted && messageOf(error) !== trouble) tell(`cannot look after the fleet: ${messageOf(error)}`)
        trouble = messageOf(error)
      })
      .finally(() => {
        looking = null
      })
  }, RECONCILE_MS)
  try {
    await waitForTask(project, taskId, { ...options, onChange: look })
    return await outcomeOf(project.db, taskId)
  } finally {
    clearInterval(timer)
    enough.abort()
    // Who was interrupted wants to go. What is being looked after then is left to whoever looks next.
    await (options.gone?.aborted ? Promise.race([looking, delay(LEAVING_MS)]) : looking)
  }
}
