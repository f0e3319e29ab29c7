import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AgentStateName } from '../../src/contract/states.ts'
import type { Liveness } from '../../src/os/process.ts'
import { type AgentSeen, judge, type Memory, NOTHING_YET, type Seen, type Verdict } from '../../src/watchdog/rules.ts'

const LIMITS = { nudgeAfter: 120_000, toolLimit: 1_800_000 }
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

test('who works and shows nothing for the limit is nudged once; a sign of its own begins a new silence', () => {
  const dog = watchdog()
  dog.look([agent()])
  expect(kinds(dog.look([agent()], { after: 119_000 }))).toEqual([])
  expect(dog.look([agent()])).toEqual([
    { do: 'nudge', agent: 'a', fence: 1, mark: 'm0', silentMs: 120_000, busy: false },
  ])
  for (let minute = 0; minute < 60; minute++) expect(dog.look([agent()], { after: 60_000 })).toEqual([])
  expect(kinds(dog.look([agent({ mark: 'm1' })]))).toEqual([])
  dog.look([agent({ mark: 'm1' })], { after: 60_000 })
  expect(kinds(dog.look([agent({ mark: 'm1' })], { after: 60_000 }))).toEqual(['nudge'])
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

test('property: at most one nudge a silence, and none before the limit has passed without a gap', () => {
  fc.assert(
    fc.property(fc.array(look, { maxLength: 80 }), (looks) => {
      const dog = watchdog()
      let silence: { mark: string; nudged: boolean; heard: number } | null = null
      for (const { after, promised, jump, ...facts } of looks) {
        dog.jump(jump)
        const verdicts = dog.look([agent(facts)], { after, promised })
        const gap = kinds(verdicts).includes('note-gap')
        if (silence === null || silence.mark !== facts.mark || facts.state !== 'working')
          silence = { mark: facts.mark, nudged: false, heard: 0 }
        else silence.heard = gap ? 0 : silence.heard + after
        if (!kinds(verdicts).includes('nudge')) continue
        expect(silence.nudged).toBe(false)
        expect(silence.heard).toBeGreaterThanOrEqual(LIMITS.nudgeAfter)
        silence.nudged = true
      }
    }),
    { numRuns: 2_000 },
  )
})
