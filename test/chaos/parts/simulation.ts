import fc from 'fast-check'
import { messageOf } from '../../../src/errors.ts'
import type { Part } from '../part.ts'
import { emptyTally } from '../part.ts'
import { noCounts, simulate, TRIED } from '../simulation/world.ts'

const WORLDS = 2_000
const STEPS = 500
/** So long the least that shows a failure is looked for. */
const SHRINKING_MS = 20_000

/** The rules alone, in a world and a time of our own: no process, no file, nothing that chance outside the seed decides. */
export default {
  name: 'simulation',
  what: 'the rules in a world of their own: deaths, silence, loops, dialogs, deadlines, limits, models that say anything, clock jumps',
  seconds: 20,
  async run({ random, long, only, gone, note, problem }) {
    const counts = noCounts()
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
    const { seen, ...tally } = counts
    const missing = done === worlds ? TRIED.filter((what) => !seen.has(what)) : []
    if (missing.length > 0) problem(`what the worlds are about never came to pass: ${missing.join(', ')}`)
    return { ...emptyTally(), ...tally, load: `${done} worlds × ${STEPS} steps` }
  },
} satisfies Part

/** The fewest and smallest choices that still fail. */
function shrunk(choices: readonly number[]): { choices: readonly number[]; why: string } {
  const steps = fc.array(fc.nat(), { maxLength: choices.length, size: 'max' })
  const failing = fc.property(steps, (some) => simulate(some, noCounts()))
  const { counterexample, errorInstance } = fc.check(failing, {
    examples: [[[...choices]]],
    numRuns: 1,
    interruptAfterTimeLimit: SHRINKING_MS,
  })
  return { choices: counterexample?.[0] ?? choices, why: messageOf(errorInstance) }
}
