import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Ended, loopIn, loopMemory } from '../../src/watchdog/loops.ts'

const end = (call: string, out = 'o', more: Partial<Ended> = {}): Ended => ({
  ok: true,
  call,
  out,
  tool: 'Bash',
  summary: 'said',
  at: 0,
  ...more,
})
const LONG = 'AssertionError: expected 1 to be 2, at sum.test.ts:12'
const failed = (call: string, out = 'e', summary = LONG) => end(call, out, { ok: false, summary })
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))

test('the same call with the same outcome so often in a row is a loop, once less is none', () => {
  expect(
    loopIn(
      times(5, () => end('a')),
      5,
    ),
  ).toMatchObject({ kind: 'call', times: 5 })
  expect(
    loopIn(
      times(4, () => end('a')),
      5,
    ),
  ).toBeNull()
  expect(loopIn([...times(4, () => end('a')), end('b')], 5)).toBeNull()
})

test('who asks again because the answer changes is in no loop, however often', () => {
  expect(
    loopIn(
      times(50, (index) => end('poll', `${index} %`)),
      5,
    ),
  ).toBeNull()
  // It waits for one change at a time.
  expect(
    loopIn(
      times(50, (index) => end('poll', `${Math.floor(index / 4)}`)),
      5,
    ),
  ).toBeNull()
})

test('one tool upon many files, and an input that is not known, are no loop', () => {
  expect(
    loopIn(
      times(50, (index) => end(`edit ${index}`, 'done')),
      5,
    ),
  ).toBeNull()
  expect(
    loopIn(
      times(50, () => end('', 'done', { call: null })),
      5,
    ),
  ).toBeNull()
})

test.each([2, 3])('%i calls by turns are a loop, wherever one begins to look', (period) => {
  const ends = times(period * 5 + 1, (index) => end(`call ${index % period}`))
  const found = loopIn(ends, 5)
  expect(found?.kind).toBe('call')
  expect(loopIn(ends.slice(0, -1), 5)?.key).toBe(found?.key)
  expect(loopIn(ends.slice(0, period * 5 - 1), 5)).toBeNull()
})

test('the same error again and again is a loop, whatever is tried in between; another error or a rare one is none', () => {
  const tries = times(5, (index) => [end(`edit ${index}`), failed('test')]).flat()
  expect(loopIn(tries, 5)).toMatchObject({ kind: 'error', times: 5 })
  expect(loopIn([...tries.slice(0, -1), failed('test', 'other')], 5)).toBeNull()
  // It is met, and gone on from: nothing is said between two errors.
  expect(loopIn([...tries, end('edit')], 5)).toBeNull()
  const rare = times(5, (index) => [...times(9, (one) => end(`${index} ${one}`)), failed('test')]).flat()
  expect(loopIn(rare, 5)).toBeNull()
})

test('an exit code alone is the same error only of the same call', () => {
  const searches = times(9, (index) => failed(`grep ${index}`, 'x', 'Exit code 1'))
  expect(loopIn(searches, 5)).toBeNull()
  const silent = times(9, () => failed('grep', 'x', ''))
  expect(loopIn(silent, 5)).toMatchObject({ kind: 'call' })
  const mixed = times(5, (index) => [failed('make', 'x', 'Exit code 2'), end(`edit ${index}`)]).flat()
  expect(loopIn(mixed.slice(0, -1), 5)).toMatchObject({ kind: 'error' })
})

const ends = fc.array(
  fc.record({ call: fc.constantFrom('a', 'b', 'c'), out: fc.constantFrom('1', '2'), ok: fc.boolean() }),
  { maxLength: 60 },
)

test('property: nothing is a loop that has not come so often; and no more than is remembered decides', () => {
  fc.assert(
    fc.property(ends, fc.integer({ min: 2, max: 6 }), (some, least) => {
      const all = some.map(({ call, out, ok }) => end(call, out, { ok, summary: LONG }))
      const loop = loopIn(all, least)
      expect(loopIn(all.slice(-loopMemory(least)), least)).toEqual(loop)
      if (loop === null) return
      const alike = all.filter(
        (one) => one.out === loop.last.out && (loop.kind === 'error' || one.call === loop.last.call),
      )
      expect(alike.length).toBeGreaterThanOrEqual(least)
    }),
    { numRuns: 2_000 },
  )
})
