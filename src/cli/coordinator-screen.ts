import type { CoordinatorReport } from '../coordinator/coordinator.ts'
import { oneLine } from '../mail/frame.ts'
import { span } from './ages.ts'
import { shortId } from './letter-text.ts'
import { paintOf, stateText } from './status-screen.ts'
import { style } from './style.ts'

/** The screen of `ov coordinator status`, line by line. */
export function coordinatorScreen(report: CoordinatorReport, now: number): string[] {
  const { coordinator, idle, unread, workers, questions, lastWords } = report
  if (coordinator === null) {
    return ['There has been no coordinator yet.', 'Give it work: ov coordinator "Build a login page"']
  }
  const state = idle ? 'idle, waiting for mail' : stateText(coordinator, now)
  const { runtime, model } = coordinator
  const runs = ['starting', 'working', 'waiting'].includes(coordinator.condition)
  return [
    `${style.bold(coordinator.name)} is ${paintOf(coordinator)(state)} for ${span(now - coordinator.since)} · ${runtime}${model === null ? '' : ` ${oneLine(model, 40)}`}`,
    ...(coordinator.reason === null || runs ? [] : [oneLine(coordinator.reason, 500)]),
    ...(unread === 0 ? [] : [`${unread} mail${unread === 1 ? '' : 's'} wait${unread === 1 ? 's' : ''} for it.`]),
    ...(workers.length === 0 ? [] : [`At work for it: ${workers.join(', ')}`]),
    ...questions.map(({ id, subject }) => `It asks you: ${oneLine(subject, 200)} → ov ask answer ${shortId(id)} "…"`),
    ...(lastWords.length === 0 ? [] : ['', ...lastWords.map((line) => style.dim(line))]),
    ...(runs ? [] : ['', 'Start it again, with what it knew: ov coordinator start']),
  ]
}
