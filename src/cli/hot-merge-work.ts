import type { MergeRequest } from '../merge/queue.ts'
import { exitCodeOf, sayOutcome } from '../merge/say.ts'
import { openProject } from '../project.ts'
import { type Manner, say, type TheirWay, tell, travel } from './hot-call.ts'
import { interruptionBySignal } from './interruption.ts'
import { followMerges } from './merging.ts'
import { print } from './print.ts'
import { writeSteps } from './steps.ts'

/** Merges the queue of the human's project and says what became of it. */
export async function mergeHere(
  theirs: TheirWay & { readonly is: 'human' },
  words: Manner,
  request: Pick<MergeRequest, 'branch' | 'land'>,
): Promise<void> {
  const gone = interruptionBySignal()
  const showing = { quiet: words.json === true || words.quiet === true, write: (text: string) => print(2, text) }
  await travel(
    theirs,
    words,
    () => openProject(process.cwd()),
    async (way) => {
      if (way.is !== 'project') return
      const outcome = await followMerges(way.project, { ...request, gone }, (steps) => writeSteps(steps, showing))
      const { result, beside } = sayOutcome(outcome)
      tell(words, outcome, `${result.join('\n')}\n`)
      for (const line of beside) say(words, line)
      process.exitCode = exitCodeOf(outcome)
    },
  )
}
