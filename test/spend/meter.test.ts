import { expect, test } from 'vitest'
import type { Usage } from '../../src/contract/runtime.ts'
import { usageMeter } from '../../src/spend/meter.ts'

const usage = (input: number | null, costUsd: number | null): Usage => ({
  input,
  output: null,
  cacheRead: null,
  cacheWrite: null,
  costUsd,
})

test('cumulative counts are taken apart, counts of a turn are taken as they are, and unknown is never zero', () => {
  const meter = usageMeter()
  const event = (value: Usage) => meter({ type: 'usage', usage: value, scope: 'added', costScope: 'total' })
  expect(event(usage(100, 0.5))).toMatchObject({ input: 100, output: null, costUsd: 0.5 })
  expect(event(usage(40, 0.75))).toMatchObject({ input: 40, output: null, costUsd: 0.25 })
  expect(event(usage(null, null))).toMatchObject({ input: null, costUsd: null })
})

test('a session’s counter that falls was begun anew: all of it is new', () => {
  const meter = usageMeter()
  const event = (value: Usage) => meter({ type: 'usage', usage: value, scope: 'total', costScope: 'total' }).input
  expect([event(usage(1200, null)), event(usage(2400, null)), event(usage(300, null))]).toEqual([1200, 1200, 300])
})

test('what was counted of a session that is taken up again is not counted twice', () => {
  const total = { scope: 'total', costScope: 'total' } as const
  const meter = usageMeter(usage(1000, null))
  expect(meter({ type: 'usage', usage: usage(1200, null), ...total }).input).toBe(200)
  expect(meter({ type: 'usage', usage: usage(1300, null), ...total }).input).toBe(100)
  const byTurns = usageMeter(usage(1000, 5))
  expect(byTurns({ type: 'usage', usage: usage(1200, 0.5), scope: 'added', costScope: 'total' })).toMatchObject({
    input: 1200,
    costUsd: 0.5,
  })
})

test('a counter that one report gives in total and another adds to is neither lost nor counted twice', () => {
  const meter = usageMeter()
  const count = (scope: 'added' | 'total', value: Usage) =>
    meter({ type: 'usage', usage: value, scope, costScope: scope }).input
  expect(count('total', usage(100, null))).toBe(100)
  expect(count('added', usage(null, null))).toBeNull()
  expect(count('total', usage(150, null))).toBe(50)
})
