import { enqueue, makeBranches } from '../branches.ts'
import type { FigureId } from '../figures.ts'
import { plumbedMerge } from '../floors.ts'
import type { Row, Side } from '../row.ts'
import type { Stage } from '../stage.ts'

const ROUNDS = { long: 15, short: 5 }
const WARM_UP = 3
/** Merges in one drive of the queue. */
const QUEUE = 50

const one = (figure: FigureId, files: number): Row => ({
  figure,
  rounds: ROUNDS,
  async prepare(stage) {
    const floor = await merges(stage, 'floor', files, 1)
    const ours = await merges(stage, 'ours', files, 1)
    return {
      floor: { name: 'node, git plumbing', ...floor },
      ours: { name: 'ov merge', ...ours },
    }
  },
})

const queue: Row = {
  figure: 'merge-queue',
  rounds: { long: 15, short: 3 },
  async prepare(stage) {
    const floor = await merges(stage, 'floor', 100, QUEUE)
    const ours = await merges(stage, 'ours', 100, QUEUE)
    return {
      floor: { name: 'git plumbing in a loop', ...floor },
      ours: { name: `ov merge, ${QUEUE} queued`, ...ours },
    }
  },
}

export default [one('merge-100', 100), one('merge-10k', 10_000), queue] satisfies Row[]

/** A side that merges the next `each` branches into `main`, which is checked out, and lands them there. */
async function merges(stage: Stage, side: 'floor' | 'ours', files: number, each: number): Promise<Pick<Side, 'take'>> {
  const cwd = await stage.project({ files, name: side })
  const branches = makeBranches(stage, cwd, each * (ROUNDS.long + WARM_UP))
  const script = plumbedMerge(stage, { withNode: each === 1 })
  return {
    async take(round) {
      const next = branches.slice(round * each, (round + 1) * each)
      const names = next.map(({ name }) => name)
      if (side === 'floor') return { ...(await stage.run(['/bin/sh', script, ...names], { cwd })), count: each }
      await enqueue(cwd, next)
      return { ...(await stage.run(stage.ov('merge'), { cwd })), count: each }
    },
  }
}
