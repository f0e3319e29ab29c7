import { EXIT_CODES } from '../errors.ts'
import { oneLine, plainText } from '../mail/frame.ts'
import type { Landing } from './land.ts'
import type { Prediction } from './predict.ts'
import type { MergeOutcome, QueuedMerge } from './queue.ts'

/** What became of an entry, in one line. */
export function sayMerge(merge: QueuedMerge): string {
  const { agent, state, mergedAs, reason } = merge
  const why = reason === null ? '' : `: ${oneLine(reason.split('\n')[0] ?? '', 120)}`
  switch (state) {
    case 'merged':
      return `${agent}: merged as ${mergedAs?.slice(0, 8)}`
    case 'rejected':
      return `${agent}: sent back${why}`
    case 'dropped':
      return `${agent}: dropped${why}`
    case 'ready':
    case 'merging':
      return `${agent}: still in the queue`
  }
}

/** What became of the queue, in one line. */
export function sayTotals(merges: readonly QueuedMerge[]): string {
  const count = (...states: QueuedMerge['state'][]) => merges.filter(({ state }) => states.includes(state)).length
  const parts = [
    [count('merged'), 'merged'],
    [count('rejected'), 'sent back'],
    [count('dropped'), 'dropped'],
    [count('ready', 'merging'), 'still in the queue'],
  ] as const
  const said = parts.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`)
  return said.length === 0 ? 'Nothing to merge.' : `${said.join(', ')}.`
}

/** What became of the checkout, in one line. */
export function sayLanding(landing: Landing): string {
  if (landing.landed) return `Landed: ${landing.branch} is at ${landing.commit.slice(0, 8)}.`
  if (landing.why === 'up-to-date') return landing.detail
  const behind = landing.behind === 0 ? '' : ` ${landing.branch} is ${commits(landing.behind)} behind.`
  return `Not landed: ${landing.detail}${behind}`
}

/** All that became of a merge: the result, and what there is to say beside, in lines. */
export function sayOutcome({ merges, landing, blocked }: MergeOutcome): { result: string[]; beside: string[] } {
  const hint = landing?.landed === false && landing.hint !== '' ? [`Hint: ${landing.hint}`] : []
  return {
    result: [sayTotals(merges), ...(landing === null ? [] : [sayLanding(landing)])],
    beside: [...hint, ...(blocked === null ? [] : [`${blocked.why}\nHint: ${blocked.hint}`])],
  }
}

/** What would be merged, in lines. */
export function sayPrediction(prediction: Prediction): string {
  if (prediction.merges.length === 0) return 'Nothing to merge.'
  const lines = prediction.merges.map(({ agent, branch, conflicts }, index) => {
    const what =
      conflicts.length === 0 ? 'merges, if its gates pass' : `would be sent back: conflict in ${files(conflicts)}`
    return `${String(index + 1).padStart(2)}. ${agent} (${branch}) ${what}`
  })
  const pairs = prediction.conflicts.map(
    ({ between, files: clash }) => `    ${between[0]} and ${between[1]}: ${files(clash)}`,
  )
  return [
    `Onto ${prediction.branch} at ${prediction.onto.slice(0, 8)}, in this order:`,
    ...lines,
    ...(pairs.length === 0 ? [] : ['Conflicts between them:', ...pairs]),
  ].join('\n')
}

/** A human's decision comes before a conflict: until then nothing else moves. */
export function exitCodeOf(outcome: Pick<MergeOutcome, 'merges' | 'blocked'>): number {
  if (outcome.blocked !== null) return EXIT_CODES.blocked
  return outcome.merges.some(({ state }) => state === 'rejected') ? EXIT_CODES.conflict : 0
}

function files(paths: readonly string[]): string {
  const shown = paths
    .slice(0, 3)
    .map((path) => plainText(path))
    .join(', ')
  return paths.length > 3 ? `${shown} and ${paths.length - 3} more` : shown
}

function commits(count: number): string {
  return `${count} commit${count === 1 ? '' : 's'}`
}
