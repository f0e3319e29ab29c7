import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Foreseen, foresee } from '../../src/watchdog/foresee.ts'
import { type AgentSeen, judge, type Memory, NOTHING_YET } from '../../src/watchdog/rules.ts'
import { NOTHING_TRIED } from '../../src/watchdog/silence.ts'
import { agent, LIMITS, QUIET } from './seen.ts'

const NOW = { wall: 1_700_000_000_000, mono: 9_000_000 }

/** What a watcher does that looks every second from the moment from which it counts. */
function watched(seen: AgentSeen, countsFromMs: number): Foreseen | null {
  let memory: Memory = NOTHING_YET
  for (let ms = -countsFromMs; ms < 4_000_000; ms += 1_000) {
    const at = { wall: NOW.wall + ms, mono: NOW.mono + ms }
    const judged = judge({ at, agents: [seen], ...QUIET }, memory, LIMITS, at.mono + 1_000)
    memory = judged.memory
    for (const verdict of judged.verdicts) {
      if (verdict.do === 'nudge' && 'nth' in verdict)
        return { about: 'silence', do: 'nudge', nth: verdict.nth, inMs: Math.max(0, ms) }
      if (verdict.do === 'raise') return { about: 'silence', do: 'raise', nth: null, inMs: Math.max(0, ms) }
    }
  }
  return null
}

test('what is foreseen of an agent that goes on showing nothing is what a watcher then does, to a second', () => {
  fc.assert(
    fc.property(
      fc.record({
        state: fc.constantFrom('working', 'waiting', 'starting'),
        runner: fc.constantFrom('alive', 'unknown'),
        busy: fc.boolean(),
        reads: fc.boolean(),
        tried: fc.record({
          nudges: fc.integer({ min: 0, max: 4 }),
          taken: fc.boolean(),
          verdict: fc.option(fc.record({ id: fc.constant(7), until: fc.constant(NOW.wall + 600_000) })),
        }),
      }),
      fc.integer({ min: 0, max: 500 }),
      (more, seconds) => {
        const seen = agent(more as Partial<AgentSeen>)
        const [[foreseen], done] = [foresee(seen, NOW, seconds * 1_000, LIMITS), watched(seen, seconds * 1_000)]
        expect(foreseen?.do).toBe(done?.do)
        expect(foreseen?.nth).toBe(done?.nth)
        expect(Math.abs((foreseen?.inMs ?? 0) - (done?.inMs ?? 0))).toBeLessThanOrEqual(1_000)
      },
    ),
    { numRuns: 60 },
  )
})

test('the next nudge, the raise after the last, and nothing for whom somebody decides', () => {
  expect(foresee(agent(), NOW, 20_000, LIMITS)).toEqual([{ about: 'silence', do: 'nudge', nth: 1, inMs: 100_000 }])
  const second = agent({ tried: { ...NOTHING_TRIED, nudges: 1 } })
  expect(foresee(second, NOW, 20_000, LIMITS)).toEqual([{ about: 'silence', do: 'nudge', nth: 2, inMs: 40_000 }])
  const last = agent({ tried: { ...NOTHING_TRIED, nudges: 3 } })
  expect(foresee(last, NOW, 20_000, LIMITS)).toEqual([{ about: 'silence', do: 'raise', nth: null, inMs: 40_000 }])
  const taken = agent({ tried: { ...NOTHING_TRIED, nudges: 3, taken: true } })
  expect(foresee(taken, NOW, 20_000, LIMITS)).toEqual([])
  expect(foresee(agent({ state: 'waiting' }), NOW, 20_000, LIMITS)).toEqual([])
})

test('a deadline to come, a loop that was not told yet, a question on its screen: each at its own time', () => {
  const since = { ms: 0, knows: 0 }
  const deadline = { ...since, about: 'deadline', step: 'raise', key: 'd', inMs: 30_000 } as const
  const loop = { ...since, about: 'loop', step: 'nudge', key: 'l', inMs: 0 } as const
  const dialog = { ...since, about: 'dialog', step: 'raise', key: 'q', inMs: 0 } as const
  expect(foresee(agent({ troubles: [deadline, dialog, loop] }), NOW, 20_000, LIMITS)).toEqual([
    { about: 'loop', do: 'nudge', nth: null, inMs: 0 },
    { about: 'dialog', do: 'raise', nth: null, inMs: 10_000 },
    { about: 'deadline', do: 'raise', nth: null, inMs: 30_000 },
    { about: 'silence', do: 'nudge', nth: 1, inMs: 100_000 },
  ])
})
