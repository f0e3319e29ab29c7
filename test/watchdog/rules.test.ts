import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AgentStateName } from '../../src/contract/states.ts'
import type { Liveness } from '../../src/os/process.ts'
import {
  type AgentSeen,
  judge,
  type Memory,
  NOTHING_TRIED,
  NOTHING_YET,
  type Seen,
  type Verdict,
} from '../../src/watchdog/rules.ts'

const LIMITS = { nudgeAfter: 120_000, nudgeEvery: 60_000, nudges: 3, toolLimit: 1_800_000 }
const WALL = 1_700_000_000_000

/** A watchdog whose clocks the test owns. `jump` moves the wall clock alone. */
function watchdog(limits = LIMITS) {
  let memory: Memory = NOTHING_YET
  let mono = 5_000_000
  let jumped = 0
  return {
    jump: (ms: number) => {
      jumped += ms
    },
    /** Looks `after` ms after the look before, having promised the next in `promised` ms. */
    look(
      agents: AgentSeen[],
      { after = 1_000, promised = 200_000, more = {} as Partial<Seen> } = {},
    ): readonly Verdict[] {
      mono += after
      const seen = {
        at: { mono, wall: WALL + mono + jumped },
        agents,
        places: 5,
        stranded: [],
        merges: [],
        landings: [],
        unmarked: [],
        escalations: [],
        ...more,
      }
      const judged = judge(seen, memory, limits, mono + promised)
      memory = judged.memory
      return judged.verdicts
    },
  }
}

const agent = (more: Partial<AgentSeen> = {}): AgentSeen => ({
  id: 'a',
  state: 'working',
  fence: 1,
  runner: 'alive',
  mark: 'm0',
  busy: false,
  persistent: false,
  reads: true,
  tried: NOTHING_TRIED,
  ...more,
})
const kinds = (verdicts: readonly Verdict[]) => verdicts.map((verdict) => verdict.do)

test('a death is believed when it is seen twice: then it is reported once, and tended until it is over', () => {
  const dog = watchdog()
  const dead = agent({ runner: 'gone' })
  expect(kinds(dog.look([agent()]))).toEqual([])
  expect(kinds(dog.look([dead]))).toEqual([])
  expect(dog.look([dead], { after: 20 })).toEqual([
    { do: 'report-gone', agent: 'a', fence: 1 },
    { do: 'tend', because: ['gone:a:1'] },
  ])
  expect(kinds(dog.look([dead], { after: 500 }))).toEqual([])
  expect(kinds(dog.look([dead], { after: 600 }))).toEqual(['tend'])
  expect(kinds(dog.look([dead], { after: 1_100 }))).toEqual([])
  expect(kinds(dog.look([dead], { after: 1_100 }))).toEqual(['tend'])
  // Its clearer-up died too: another owner, another death.
  expect(kinds(dog.look([agent({ runner: 'gone', fence: 2 })]))).toEqual([])
  expect(kinds(dog.look([agent({ runner: 'gone', fence: 2 })]))).toEqual(['report-gone', 'tend'])
})

test('a persistent agent holds no place, and without a runner it is reported, tended once, and left', () => {
  const dog = watchdog()
  const dead = agent({ runner: 'gone', persistent: true })
  dog.look([dead])
  expect(kinds(dog.look([dead]))).toEqual(['report-gone', 'tend'])
  for (let minute = 0; minute < 60; minute++) expect(dog.look([dead], { after: 60_000 })).toEqual([])
  const crowd = Array.from({ length: 9 }, (_, index) => agent({ id: `c${index}`, state: 'waiting', persistent: true }))
  const more = [...crowd, agent({ id: 'q', state: 'queued', runner: null })]
  dog.look(more)
  expect(dog.look(more)).toEqual([{ do: 'tend', because: ['place:q'] }])
})

test('an unknown in between takes the suspicion back', () => {
  const dog = watchdog()
  dog.look([agent({ runner: 'gone' })])
  expect(kinds(dog.look([agent({ runner: 'unknown' })]))).toEqual([])
  expect(kinds(dog.look([agent({ runner: 'gone' })]))).toEqual([])
})

test('the starter of a start may end before its runner shows', () => {
  const dog = watchdog()
  const starting = agent({ state: 'starting', runner: 'gone' })
  expect(kinds(dog.look([starting]))).toEqual([])
  expect(kinds(dog.look([starting], { after: 2_900 }))).toEqual([])
  expect(dog.look([starting], { after: 200 })).toEqual([{ do: 'tend', because: ['start:a:1'] }])
})

/** One whom another has nudged so often in its present silence. */
const nudged = (nudges: number, more: Partial<AgentSeen> = {}) =>
  agent({ tried: { ...NOTHING_TRIED, nudges }, ...more })
const minute = { after: 60_000 }

test('who works and shows nothing for the limit is nudged, so often as is allowed and spaced, then raised until somebody takes it up', () => {
  const dog = watchdog()
  dog.look([agent()])
  expect(kinds(dog.look([agent()], { after: 119_000 }))).toEqual([])
  expect(dog.look([agent()])).toEqual([{ do: 'nudge', agent: 'a', fence: 1, silentMs: 120_000, nth: 1, busy: false }])
  expect(dog.look([nudged(1)], { after: 59_000 })).toEqual([])
  expect(dog.look([nudged(1)])).toMatchObject([{ do: 'nudge', nth: 2, silentMs: 180_000 }])
  expect(dog.look([nudged(2)], minute)).toMatchObject([{ do: 'nudge', nth: 3, silentMs: 240_000 }])
  expect(dog.look([nudged(3)], { after: 59_000 })).toEqual([])
  expect(dog.look([nudged(3)])).toEqual([{ do: 'raise', agent: 'a', fence: 1, about: 'silence', ms: 300_000 }])
  expect(dog.look([nudged(3)], { after: 900 })).toEqual([])
  expect(kinds(dog.look([nudged(3)], { after: 100 }))).toEqual(['raise'])
  expect(dog.look([nudged(3)])).toEqual([])
  expect(kinds(dog.look([nudged(3)]))).toEqual(['raise'])
  const taken = agent({ tried: { nudges: 3, taken: true, verdict: null } })
  dog.look([taken])
  for (let time = 0; time < 60; time++) expect(dog.look([taken], minute)).toEqual([])
})

test('a sign of its own takes all of it back', () => {
  const dog = watchdog()
  dog.look([agent()])
  expect(kinds(dog.look([agent()], { after: 120_000 }))).toEqual(['nudge'])
  expect(kinds(dog.look([nudged(1)], minute))).toEqual(['nudge'])
  expect(kinds(dog.look([agent({ mark: 'm1' })]))).toEqual([])
  dog.look([agent({ mark: 'm1' })], minute)
  expect(dog.look([agent({ mark: 'm1' })], minute)).toMatchObject([{ do: 'nudge', nth: 1 }])
})

test('another watcher goes on where the one before was', () => {
  const dog = watchdog()
  dog.look([nudged(2)])
  expect(dog.look([nudged(2)], { after: 59_000 })).toEqual([])
  expect(dog.look([nudged(2)])).toMatchObject([{ do: 'nudge', nth: 3 }])
  const later = watchdog()
  later.look([nudged(3)])
  expect(kinds(later.look([nudged(3)], minute))).toEqual(['raise'])
})

test('a verdict gives it time: its silence begins anew when that is over, for whoever watches then', () => {
  const dog = watchdog()
  dog.look([nudged(3)])
  expect(kinds(dog.look([nudged(3)], minute))).toEqual(['raise'])
  const given = agent({
    tried: { nudges: 0, taken: false, verdict: { id: 7, until: WALL + 5_000_000 + 61_000 + 600_000 } },
  })
  expect(dog.look([given], { after: 0, promised: 600_000 })).toEqual([])
  expect(dog.look([given], { after: 600_000, promised: 600_000 })).toEqual([])
  expect(dog.look([given], { after: 119_000 })).toEqual([])
  expect(dog.look([given])).toMatchObject([{ do: 'nudge', nth: 1 }])
  const later = watchdog()
  later.look([given], { promised: 700_000 })
  expect(later.look([given], { after: 650_000 })).toEqual([])
  expect(later.look([given], { after: 130_000 })).toMatchObject([{ do: 'nudge', nth: 1 }])
})

test('a command reads nothing: its silence is its own', () => {
  const dog = watchdog()
  for (let time = 0; time < 60; time++) expect(dog.look([agent({ reads: false })], minute)).toEqual([])
})

test('a tool in flight is progress up to its own limit', () => {
  const dog = watchdog()
  const busy = agent({ busy: true })
  dog.look([busy])
  for (let minute = 1; minute < 30; minute++) expect(dog.look([busy], { after: 60_000 })).toEqual([])
  expect(dog.look([busy], { after: 60_000 })).toMatchObject([{ do: 'nudge', busy: true }])
})

test.each(['waiting', 'starting', 'queued'] as const)('who is %s is not silent', (state) => {
  const dog = watchdog()
  for (let minute = 0; minute < 60; minute++)
    expect(kinds(dog.look([agent({ state })], { after: 60_000, more: { places: 0 } }))).toEqual([])
})

test.each([
  ['the wall clock is set 2 h on', 2 * 3_600_000, 1_000],
  ['the wall clock is set 2 h back', -2 * 3_600_000, 1_000],
  ['the machine slept for an hour', 3_600_000, 1_000],
  ['the watcher was stopped for an hour', 0, 3_600_000],
])('when %s, nobody is killed or nudged for it: every silence begins anew', (_, wall, after) => {
  const dog = watchdog()
  dog.look([agent()])
  dog.look([agent()], { after: 100_000 })
  dog.jump(wall)
  expect(kinds(dog.look([agent()], { after }))).toEqual(['note-gap'])
  expect(kinds(dog.look([agent()], { after: 119_000 }))).toEqual([])
  expect(kinds(dog.look([agent()], { after: 1_000 }))).toEqual(['nudge'])
})

test('what agents do by themselves is left to them for a moment; then whoever waits for a place is started, a train that stands is driven, mail without a reader bounces', () => {
  const dog = watchdog()
  const more = { merges: ['m'], stranded: ['r'] }
  expect(kinds(dog.look([agent({ state: 'queued', runner: null })], { more }))).toEqual([])
  expect(dog.look([agent({ state: 'queued', runner: null })], { more, after: 1_000 })).toEqual([
    { do: 'tend', because: ['place:a', 'mail:r'] },
  ])
  expect(dog.look([agent({ state: 'queued', runner: null })], { more, after: 1_000 })).toEqual([
    { do: 'tend', because: ['place:a', 'mail:r'] },
    { do: 'merge', because: ['m'] },
  ])
  expect(kinds(dog.look([agent({ state: 'queued', runner: null })], { after: 5_000, more: { places: 0 } }))).toEqual([])
})

const look = fc.record({
  state: fc.constantFrom<AgentStateName>('queued', 'starting', 'working', 'waiting'),
  runner: fc.constantFrom<Liveness>('alive', 'gone', 'unknown'),
  mark: fc.constantFrom('m0', 'm1'),
  fence: fc.constantFrom(1, 2),
  busy: fc.boolean(),
  after: fc.integer({ min: 1, max: 200_000 }),
  promised: fc.integer({ min: 1, max: 200_000 }),
  jump: fc.constantFrom(0, 0, 0, 7_200_000, -7_200_000),
})

test('property: an unknown liveness never ends anybody', () => {
  fc.assert(
    fc.property(fc.array(look, { maxLength: 60 }), (looks) => {
      const dog = watchdog()
      for (const { after, promised, jump, ...facts } of looks) {
        dog.jump(jump)
        const verdicts = dog.look([agent(facts)], { after, promised })
        if (facts.runner !== 'unknown') continue
        expect(verdicts.filter((one) => one.do === 'report-gone' || one.do === 'nudge')).toEqual([])
        expect(verdicts.flatMap((one) => (one.do === 'tend' ? one.because : [])).join()).not.toMatch(/gone|start/)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('property: nobody is reported gone who was not seen gone twice in a row, whatever the clocks do', () => {
  fc.assert(
    fc.property(fc.array(look, { maxLength: 60 }), (looks) => {
      const dog = watchdog()
      let before: { runner: Liveness; fence: number; state: AgentStateName } | null = null
      for (const { after, promised, jump, ...facts } of looks) {
        dog.jump(jump)
        const reported = kinds(dog.look([agent(facts)], { after, promised })).includes('report-gone')
        const steady = (state: AgentStateName) => state === 'working' || state === 'waiting'
        if (reported) {
          expect(facts.runner).toBe('gone')
          expect(before?.runner).toBe('gone')
          expect(before?.fence).toBe(facts.fence)
          expect(steady(facts.state) && before !== null && steady(before.state)).toBe(true)
        }
        before = facts
      }
    }),
    { numRuns: 2_000 },
  )
})

test('property: no more nudges a silence than are allowed, none sooner than it may be, and none is raised before the last', () => {
  fc.assert(
    fc.property(fc.array(look, { maxLength: 80 }), (looks) => {
      const dog = watchdog()
      let silence = { mark: '', nudges: 0, heard: 0 }
      for (const { after, promised, jump, ...facts } of looks) {
        dog.jump(jump)
        const tried = { ...NOTHING_TRIED, nudges: facts.mark === silence.mark ? silence.nudges : 0 }
        const verdicts = dog.look([agent({ ...facts, tried })], { after, promised })
        const gap = kinds(verdicts).includes('note-gap')
        if (silence.mark !== facts.mark || facts.state !== 'working')
          silence = { mark: facts.mark, nudges: facts.mark === silence.mark ? silence.nudges : 0, heard: 0 }
        else silence.heard = gap ? 0 : silence.heard + after
        const rung = kinds(verdicts).find((kind) => kind === 'nudge' || kind === 'raise')
        if (rung === undefined) continue
        expect(rung === 'raise').toBe(silence.nudges >= LIMITS.nudges)
        if (rung === 'raise') continue
        expect(silence.heard).toBeGreaterThanOrEqual(silence.nudges === 0 ? LIMITS.nudgeAfter : LIMITS.nudgeEvery)
        silence = { ...silence, nudges: silence.nudges + 1, heard: 0 }
      }
    }),
    { numRuns: 2_000 },
  )
})
