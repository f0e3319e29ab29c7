import { type MergeOutcome, type MergeRequest, mergeQueue } from '../merge/queue.ts'
import { sayMerge } from '../merge/say.ts'
import type { Project } from '../project.ts'
import type { LongStep } from './steps.ts'

type Tell = (doing: string) => void

/** Merges the queue and has it shown: a step for each entry that waits now. */
export async function followMerges(
  project: Project,
  request: Pick<MergeRequest, 'branch' | 'land' | 'gone'>,
  show: (steps: readonly LongStep[]) => Promise<void>,
): Promise<MergeOutcome> {
  const tells = new Map<string, Tell>()
  let working: Promise<MergeOutcome> | undefined
  let shown: Promise<void> = Promise.resolve()
  working = mergeQueue(project, {
    ...request,
    onStart: (entries) => {
      const steps = entries.map(
        ({ agent, branch }): LongStep => ({
          name: agent,
          work: async (tell) => {
            tells.set(branch, tell)
            const merge = (await outcomeOrNull(working))?.merges.find((one) => one.branch === branch)
            return merge === undefined
              ? { ok: false, line: 'not merged' }
              : { ok: merge.state === 'merged', line: sayMerge(merge).slice(agent.length + 2) }
          },
        }),
      )
      shown = show(steps)
    },
    onProgress: (branch, doing) => tells.get(branch)?.(doing),
    onWait: (pid) => {
      for (const tell of tells.values()) tell(`another ov (pid ${pid}) merges; waiting for it`)
    },
  })
  try {
    return await working
  } finally {
    await shown
  }
}

/** Trouble is told once, by who called; each line only says that its branch was not merged. */
async function outcomeOrNull(working: Promise<MergeOutcome> | undefined): Promise<MergeOutcome | null> {
  try {
    return (await working) ?? null
  } catch {
    // Thrown to the caller of followMerges as well.
    return null
  }
}
