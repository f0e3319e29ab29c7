import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { AgentStateName } from '../../src/contract/states.ts'
import type { Liveness } from '../../src/os/process.ts'
import {
  type AgentSeen,
  asksCpu,
  type Complaint,
  judge,
  type Memory,
  NOTHING_YET,
  type Seen,
  type Verdict,
} from '../../src/watchdog/rules.ts'
import { NOTHING_TRIED } from '../../src/watchdog/silence.ts'
import { agent, LIMITS, QUIET } from './seen.ts'

const WALL = 1_700_000_000_000

/** A watchdog whose clocks the test owns. `jump` moves the wall clock alone. */
function watchdog(limits = LIMITS) {
  let memory: Memory = NOTHING_YET
  let mono = 5_000_000
  let jumped = 0
  let next = Number.POSITIVE_INFINITY
  let before: AgentSeen[] = []
  const once = (agents: AgentSeen[], promised: number, more: Partial<Seen>): readonly Verdict[] => {
    const at = { mono, wall: WALL + mono + jumped }
    const asked = agents.map((one) => ({ ...one, cpuMs: asksCpu(memory, one.id, mono) ? one.cpuMs : null }))
    const judged = judge({ at, agents: asked, ...QUIET, ...more }, memory, limits, mono + promised)
    memory = judged.memory
    next = judged.next
    return judged.verdicts
  }
  return {
    jump: (ms: number) => {
      jumped += ms
    },
    /**
     * Looks `after` ms after the look before, having promised the next in `promised` ms; in between as often as time
     * asks for, unless it is asleep.
     */
    look(
      agents: AgentSeen[],
      { after = 1_000, promised = 200_000, more = {} as Partial<Seen>, asleep = false } = {},
    ): readonly Verdict[] {
      const now = mono + after
      const verdicts: Verdict[] = []
      while (!asleep && next < now) {
        mono = Math.max(mono + 1, next)
        verdicts.push(...once(before, Math.max(promised, now - mono), more))
      }
      mono = now
      before = agents
      return [...verdicts, ...once(agents, promised, more)]
    },
  }
}

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
  expect(kinds(dog.look([agent({ runner: 'unknown' })], { asleep: true }))).toEqual([])
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
  expect(dog.look([agent()])).toEqual([
    { do: 'nudge', about: 'silence', agent: 'a', fence: 1, silentMs: 120_000, nth: 1, busy: false },
  ])
  expect(dog.look([nudged(1)], { after: 59_000 })).toEqual([])
  expect(dog.look([nudged(1)])).toMatchObject([{ do: 'nudge', nth: 2, silentMs: 180_000 }])
  expect(dog.look([nudged(2)], minute)).toMatchObject([{ do: 'nudge', nth: 3, silentMs: 240_000 }])
  expect(dog.look([nudged(3)], { after: 59_000 })).toEqual([])
  expect(dog.look([nudged(3)])).toEqual([
    { do: 'raise', agent: 'a', fence: 1, about: 'silence', ms: 300_000, knows: 0 },
  ])
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
    tried: { nudges: 0, taken: false, verdict: { id: 7, until: WALL + 5_000_000 + 61_000 + 600_000, ms: 600_000 } },
  })
  expect(dog.look([given], { after: 0, promised: 600_000 })).toEqual([])
  expect(dog.look([given], { after: 600_000, promised: 600_000 })).toEqual([])
  expect(dog.look([given], { after: 119_000 })).toEqual([])
  expect(dog.look([given])).toMatchObject([{ do: 'nudge', nth: 1 }])
  const later = watchdog()
  later.look([given], { after: 61_000, promised: 700_000 })
  expect(later.look([given], { after: 650_000 })).toEqual([])
  expect(later.look([given], { after: 80_000 })).toMatchObject([{ do: 'nudge', nth: 1 }])
})

test('time that a verdict gives is not given again by a clock that is set back', () => {
  const until = WALL + 5_000_000 + 600_000
  const given = agent({ tried: { nudges: 0, taken: false, verdict: { id: 7, until, ms: 600_000 } } })
  const later = watchdog()
  later.jump(-2 * 3_600_000)
  later.look([given])
  expect(kinds(later.look([given], { after: 121_000 }))).toEqual(['nudge'])
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

test('one tool right after another has its own limit, though nobody looked in between', () => {
  const dog = watchdog()
  for (let minute = 0; minute < 60; minute++) {
    const busy = agent({ busy: true, mark: `m${Math.floor(minute / 20)}` })
    expect(dog.look([busy], { after: 60_000 })).toEqual([])
  }
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
  expect(kinds(dog.look([agent()], { after, asleep: true }))).toEqual(['note-gap'])
  expect(kinds(dog.look([agent()], { after: 119_000 }))).toEqual([])
  expect(kinds(dog.look([agent()], { after: 1_000 }))).toEqual(['nudge'])
})

test('what agents do by themselves is left to them for a moment; then whoever waits for a place is started, a train that stands is driven, mail without a reader bounces', () => {
  const dog = watchdog()
  const more = { merges: ['m'], stranded: ['r'] }
  expect(kinds(dog.look([agent({ state: 'queued', runner: null })], { more, asleep: true }))).toEqual([])
  expect(dog.look([agent({ state: 'queued', runner: null })], { more, after: 1_000, asleep: true })).toEqual([
    { do: 'tend', because: ['place:a', 'mail:r'] },
  ])
  expect(dog.look([agent({ state: 'queued', runner: null })], { more, after: 1_000, asleep: true })).toEqual([
    { do: 'tend', because: ['place:a', 'mail:r'] },
    { do: 'merge', because: ['m'] },
  ])
  expect(
    kinds(dog.look([agent({ state: 'queued', runner: null })], { after: 5_000, more: { places: 0 }, asleep: true })),
  ).toEqual([])
})

/** What processes had used by when they were looked at, if they compute this part of a core. */
const computing = (share: number) => {
  let cpuMs = 0
  return (seconds: number) => {
    cpuMs += share * seconds * 1_000
    return { agents: [agent({ cpuMs })], after: { after: seconds * 1_000 } }
  }
}

test('processes that compute are work up to the limit of tools, however silent the agent; those that only tick over are none', () => {
  const dog = watchdog()
  const busy = computing(0.3)
  const nudges: number[] = []
  for (let second = 0; second < 2_000; second += 5) {
    const { agents, after } = busy(5)
    if (kinds(dog.look(agents, after)).includes('nudge')) nudges.push(second)
  }
  expect(nudges[0]).toBeGreaterThanOrEqual(LIMITS.toolLimit / 1_000)
  expect(nudges[0]).toBeLessThan(LIMITS.toolLimit / 1_000 + 130)
  const idle = watchdog()
  const ticking = computing(0.02)
  const verdicts = Array.from({ length: 30 }, () => {
    const { agents, after } = ticking(5)
    return idle.look(agents, after)
  }).flat()
  expect(verdicts).toMatchObject([{ do: 'nudge', nth: 1, silentMs: 120_000 }])
})

test('who computed while it was not certain that it lives is asked before it is nudged', () => {
  const dog = watchdog()
  let cpuMs = 0
  const at = (runner: 'alive' | 'unknown') => {
    cpuMs += 9_000
    return dog.look([agent({ runner, cpuMs })], { after: 10_000 })
  }
  at('alive')
  for (let time = 0; time < 20; time++) expect(at('unknown')).toEqual([])
  for (let time = 0; time < 60; time++) expect(at('alive')).toEqual([])
})

test('on a crowded machine who computes gets less of it, and computes all the same', () => {
  const crowded = { more: { crowd: 10 } }
  const dog = watchdog()
  const busy = computing(0.03)
  for (let second = 0; second < 1_000; second += 5) {
    const { agents, after } = busy(5)
    expect(dog.look(agents, { ...after, ...crowded })).toEqual([])
  }
})

test('who computed and stopped is nudged a pause later, not sooner', () => {
  const dog = watchdog()
  for (let second = 0; second <= 150; second += 5)
    expect(dog.look([agent({ cpuMs: second * 500 })], { after: 5_000 })).toEqual([])
  const still = Array.from({ length: 40 }, () => kinds(dog.look([agent({ cpuMs: 75_000 })], { after: 5_000 })))
  expect(still.findIndex((one) => one.includes('nudge'))).toBeGreaterThanOrEqual(16)
})

test('a screen that goes on showing something new is work up to the limit of tools: a spinner turns for ever', () => {
  const dog = watchdog()
  const nudged: number[] = []
  for (let second = 1; second < 2_200; second += 5) {
    const verdicts = dog.look([agent({ screen: second })], { after: 5_000 })
    if (kinds(verdicts).includes('nudge')) nudged.push(second)
  }
  expect(nudged[0]).toBeGreaterThanOrEqual(LIMITS.toolLimit / 1_000)
  expect(nudged[0]).toBeLessThan(LIMITS.toolLimit / 1_000 + 130)
  const still = watchdog()
  still.look([agent({ screen: 1 })])
  expect(still.look([agent({ screen: 2 })], { after: 100_000 })).toEqual([])
  expect(still.look([agent({ screen: 2 })], { after: 119_000 })).toEqual([])
  expect(still.look([agent({ screen: 2 })])).toMatchObject([{ do: 'nudge' }])
})

const complaint = (more: Partial<Complaint> = {}): Complaint => ({
  about: 'loop',
  step: 'nudge',
  key: 'k',
  ms: 5_000,
  inMs: 0,
  knows: 0,
  ...more,
})

test('a loop is nudged at once and raised when it goes on, each until the records say so', () => {
  const dog = watchdog()
  const loop = agent({ troubles: [complaint()] })
  expect(dog.look([loop])).toEqual([{ do: 'nudge', about: 'loop', agent: 'a', fence: 1, key: 'k' }])
  expect(dog.look([loop], { after: 900 })).toEqual([])
  expect(kinds(dog.look([loop], { after: 100 }))).toEqual(['nudge'])
  expect(dog.look([agent()])).toEqual([])
  const again = agent({ troubles: [complaint({ step: 'raise' })] })
  expect(dog.look([again])).toEqual([{ do: 'raise', about: 'loop', agent: 'a', fence: 1, ms: 5_000, knows: 0 }])
  expect(dog.look([agent({ runner: 'unknown', troubles: [complaint({ step: 'raise' })] })], { asleep: true })).toEqual(
    [],
  )
})

test('a dialog is left for a moment to whoever sits there; a deadline is raised when it is over, a verdict’s time included', () => {
  const dog = watchdog()
  const asks = agent({ state: 'waiting', troubles: [complaint({ about: 'dialog', step: 'raise' })] })
  expect(dog.look([asks])).toEqual([])
  expect(dog.look([asks], { after: 9_000 })).toEqual([])
  expect(dog.look([asks])).toMatchObject([{ do: 'raise', about: 'dialog' }])
  const late = watchdog()
  const due = (inMs: number) => agent({ troubles: [complaint({ about: 'deadline', step: 'raise', key: '', inMs })] })
  expect(late.look([due(5_000)])).toEqual([])
  expect(late.look([due(0)], { after: 5_000, asleep: true })).toMatchObject([{ do: 'raise', about: 'deadline' }])
})

const look = fc.record({
  state: fc.constantFrom<AgentStateName>('queued', 'starting', 'working', 'waiting'),
  runner: fc.constantFrom<Liveness>('alive', 'gone', 'unknown'),
  mark: fc.constantFrom('m0', 'm1'),
  fence: fc.constantFrom(1, 2),
  busy: fc.boolean(),
  after: fc.oneof(fc.integer({ min: 1, max: 9_000 }), fc.integer({ min: 1, max: 200_000 })),
  promised: fc.integer({ min: 1, max: 200_000 }),
  jump: fc.constantFrom(0, 0, 0, 7_200_000, -7_200_000),
})

test('property: an unknown liveness never ends anybody', () => {
  fc.assert(
    fc.property(fc.array(look, { maxLength: 60 }), (looks) => {
      const dog = watchdog()
      for (const { after, promised, jump, ...facts } of looks) {
        dog.jump(jump)
        const verdicts = dog.look([agent(facts)], { after, promised, asleep: true })
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
        const reported = kinds(dog.look([agent(facts)], { after, promised, asleep: true })).includes('report-gone')
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
        const verdicts = dog.look([agent({ ...facts, tried })], { after, promised, asleep: true })
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
