import fc from 'fast-check'
import { messageOf } from '../../../src/errors.ts'
import type { Part } from '../part.ts'
import { emptyTally } from '../part.ts'
import { type Counts, simulate } from '../simulation/world.ts'

const WORLDS = 2_000
const STEPS = 500

/** The rules alone, in a world and a time of our own: no process, no file, nothing that chance outside the seed decides. */
export default {
  name: 'simulation',
  what: 'the rules in a world of their own: deaths, silence, doubt, clock jumps, watchers that come and go',
  seconds: 15,
  async run({ random, long, only, gone, note, problem }) {
    const counts: Counts = { faults: 0, noticed: [], recovered: [] }
    const worlds = long ? WORLDS * 10 : WORLDS
    let done = 0
    if (only !== null) simulate(JSON.parse(only), counts)
    for (; only === null && done < worlds && !gone.aborted; done++) {
      const chosen = random.of(`world ${done}`)
      const choices = Array.from({ length: STEPS }, () => chosen.int(2 ** 31))
      try {
        simulate(choices, counts)
      } catch (error) {
        note(`world ${done}: ${messageOf(error)}; looking for the least that shows it …`)
        const least = shrunk(choices)
        problem(`${least.why} (${least.choices.length} of ${STEPS} steps)`, JSON.stringify(least.choices))
        break
      }
    }
    return { ...emptyTally(), ...counts, load: `${done} worlds × ${STEPS} steps` }
  },
} satisfies Part

/** The fewest and smallest choices that still fail. */
function shrunk(choices: readonly number[]): { choices: readonly number[]; why: string } {
  const steps = fc.array(fc.nat(), { maxLength: choices.length, size: 'max' })
  const failing = fc.property(steps, (some) => simulate(some, { faults: 0, noticed: [], recovered: [] }))
  const { counterexample, errorInstance } = fc.check(failing, { examples: [[[...choices]]], numRuns: 1 })
  return { choices: counterexample?.[0] ?? choices, why: messageOf(errorInstance) }
}
