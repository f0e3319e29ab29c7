import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  afterHit,
  backoff,
  isHopeless,
  type Limit,
  type LimitCause,
  type Moment,
  placeInLine,
  stateOfLimit,
  timeLeft,
} from '../../src/limits/rules.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const WAITS = { backoff: MINUTE, longest: 30 * MINUTE, spacing: 5 * SECOND }
const START = 1_795_000_000_000

const at = (ms: number): Moment => ({ now: START + ms, monotonic: 5_000 + ms, boot: 'boot' })
const hit = (cause: LimitCause = 'rate_limit', resetAt: number | null = null, byProbe = false) => ({
  cause,
  resetAt,
  byProbe,
  evidence: null,
})
/** A limit that was met by the one that asked, so often in a row, each time when it was due. */
function metAgain(times: number, cause: LimitCause = 'rate_limit'): Limit {
  let limit = afterHit(null, hit(cause), at(0), WAITS, 0)
  for (let time = 1; time < times; time++)
    limit = afterHit(limit, hit(cause, null, true), at((limit.until ?? 0) - START), WAITS, 0)
  return limit
}

test('a limit ends when the runtime says; what lies in the past, is by another clock or in another unit is guessed', () => {
  const named = afterHit(null, hit('rate_limit', START + 5 * SECOND), at(0), WAITS, 0)
  expect(named).toMatchObject({ until: START + 5 * SECOND, estimated: false, setbacks: 1 })
  for (const resetAt of [START - 1, START, 0, -1, START + 400 * 24 * HOUR, 1_795_000_000_000_000, Number.NaN])
    expect(afterHit(null, hit('rate_limit', resetAt), at(0), WAITS, 0)).toMatchObject({
      until: START + MINUTE,
      estimated: true,
    })
})

test('guessed waits double up to the longest, quota waits longer, and chance adds at most a quarter', () => {
  expect([1, 2, 3, 5, 6, 9].map((setbacks) => backoff('overloaded', setbacks, WAITS, 0) / MINUTE)).toEqual([
    1, 2, 4, 16, 30, 30,
  ])
  expect([1, 2, 9].map((setbacks) => backoff('quota', setbacks, WAITS, 0) / MINUTE)).toEqual([15, 30, 450])
  expect(backoff('network', 1, WAITS, 0.999)).toBeLessThanOrEqual(1.25 * MINUTE)
  expect(backoff('network', 1, WAITS, 0.999)).toBeGreaterThan(1.24 * MINUTE)
  expect(metAgain(4)).toMatchObject({ setbacks: 4, since: START })
})

test('what several agents meet at once counts once, and a time that one of them is told is better than a guess', () => {
  const first = afterHit(null, hit(), at(0), WAITS, 0)
  expect(afterHit(first, hit(), at(SECOND), WAITS, 0)).toBe(first)
  const told = afterHit(first, hit('rate_limit', START + HOUR), at(SECOND), WAITS, 0)
  expect(told).toMatchObject({ until: START + HOUR, estimated: false, setbacks: 1 })
  expect(afterHit(told, hit('rate_limit', START + 2 * HOUR), at(2 * SECOND), WAITS, 0)).toBe(told)
})

test('a limit that comes back soon after it was over goes on where it was; after a quiet time it begins anew', () => {
  const over = (ms: number) => ({ ...metAgain(3), liftedAt: START + ms })
  expect(stateOfLimit(over(0), at(0), null)).toBe('free')
  expect(afterHit(over(0), hit(), at(MINUTE), WAITS, 0)).toMatchObject({ setbacks: 4, since: START + MINUTE })
  expect(afterHit(over(0), hit(), at(HOUR), WAITS, 0)).toMatchObject({ setbacks: 1 })
})

test('a refused login stops until it looks different; then one may try', () => {
  const stopped = afterHit(null, { ...hit('auth'), evidence: '1:20' }, at(0), WAITS, 0)
  expect(stopped).toMatchObject({ until: null, evidence: '1:20' })
  expect(stateOfLimit(stopped, at(100 * HOUR), '1:20')).toBe('stopped')
  expect(stateOfLimit(stopped, at(0), '2:20')).toBe('due')
  // Whoever was under way when it was refused is no news; but a limit that turns out to be a refused login is one.
  expect(afterHit(stopped, { ...hit('rate_limit'), evidence: '1:20' }, at(1), WAITS, 0)).toBe(stopped)
  expect(afterHit(metAgain(1), hit('auth'), at(1), WAITS, 0).until).toBeNull()
})

test('a clock that is set back keeps nobody waiting, one that is set forward costs one call', () => {
  const limit = afterHit(null, hit('rate_limit', START + HOUR), at(0), WAITS, 0)
  const back = { now: START - 2 * HOUR + HOUR, monotonic: 5_000 + HOUR, boot: 'boot' }
  expect(stateOfLimit(limit, back, null)).toBe('due')
  expect(stateOfLimit(limit, { ...at(0), now: START + 2 * HOUR }, null)).toBe('due')
  // After a reboot only the wall clock is left.
  expect(timeLeft(limit, { now: START, monotonic: 10 * HOUR, boot: 'another' })).toBe(HOUR)
})

test('a guess that has been wrong for a day is given up; what is named is waited for, however long', () => {
  expect(isHopeless(metAgain(9), START + 23 * HOUR)).toBe(false)
  expect(isHopeless(metAgain(9), START + 24 * HOUR)).toBe(true)
  const named = afterHit(null, hit('rate_limit', START + 30 * 24 * HOUR), at(0), WAITS, 0)
  expect(isHopeless(named, START + 29 * 24 * HOUR)).toBe(false)
})

test('those that waited go on one by one, also when the machine was started anew', () => {
  let line = { nextMonotonic: null as number | null, boot: 'boot' }
  const waits = Array.from({ length: 4 }, () => {
    const { wait, next } = placeInLine(line, at(0), WAITS, 0)
    line = { nextMonotonic: next, boot: 'boot' }
    return wait
  })
  expect(waits).toEqual([0, 5_000, 10_000, 15_000])
  expect(placeInLine(line, { ...at(0), monotonic: 1, boot: 'another' }, WAITS, 0).wait).toBe(0)
})

/** Agents of one account at a provider that fails as it likes, by the rules alone: they ask, and wait as they are told. */
function simulate(failures: readonly (LimitCause | null)[], agents: number, gaps: readonly number[]): number[] {
  const calls: number[] = []
  let limit = null as Limit | null
  let time = 0
  let probing = false
  let call = 0
  const waiting = Array.from({ length: agents }, () => ({ at: 0, line: false, parked: false }))
  const steps = failures.length * 4
  for (let step = 0; step < steps && call < failures.length; step++) {
    time += gaps[step % gaps.length] ?? 1
    for (const agent of waiting) {
      if (call >= failures.length) break
      const moment = at(time)
      const state = stateOfLimit(limit, moment, null)
      if (state === 'held' || state === 'stopped') {
        agent.parked = true
        agent.line = false
        continue
      }
      if (state === 'free' && limit !== null && agent.parked) {
        if (!agent.line) {
          const { wait, next } = placeInLine(limit, moment, WAITS, (step % 10) / 10)
          limit = { ...limit, nextMonotonic: next, boot: moment.boot }
          agent.at = moment.monotonic + wait
          agent.line = true
        }
        if (moment.monotonic < agent.at) continue
      }
      if (state === 'due' && probing) continue
      probing = state === 'due'
      agent.line = false
      agent.parked = false
      calls.push(time)
      const cause = failures[call++] ?? null
      if (cause !== null) {
        limit = afterHit(limit, hit(cause, null, probing), moment, WAITS, (step % 7) / 7)
        agent.parked = true
      } else {
        if (probing && limit !== null) limit = { ...limit, liftedAt: moment.now, nextMonotonic: null }
        // It goes on to wait for its next failure, as an agent that has work does.
        agent.parked = true
      }
      probing = false
    }
  }
  return calls
}

test('whatever a provider does, an account is never asked in a loop: calls within any window are bounded', () => {
  const causes = fc.constantFrom<(LimitCause | null)[]>('rate_limit', 'overloaded', 'network', null)
  fc.assert(
    fc.property(
      fc.array(causes, { minLength: 20, maxLength: 200 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.integer({ min: 100, max: 20_000 }), { minLength: 1, maxLength: 8 }),
      (failures, agents, gaps) => {
        const calls = simulate(failures, agents, gaps)
        // Nobody waits before the first limit is met: then all may be under way.
        const free = failures.findIndex((cause) => cause !== null)
        const after = calls.slice(free < 0 ? calls.length : free + 1)
        const window = MINUTE
        for (const [index, from] of after.entries()) {
          const within = after.slice(index).filter((time) => time - from < window).length
          // One for each place in the line, and the one that tried before them.
          expect(within).toBeLessThanOrEqual(window / WAITS.spacing + 2)
        }
      },
    ),
    { numRuns: 300 },
  )
})
