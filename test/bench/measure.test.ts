import { expect, test } from 'vitest'
import { FIGURES } from './figures.ts'
import { budgetOf, measure, NOISE, SHORT_NOISE } from './measure.ts'
import { isOver } from './report.ts'
import type { Side } from './row.ts'

const side = (ms: number, count = 1): Side => ({ name: 'a side', take: async () => ({ ms, count }) })
const result = (figure: keyof typeof FIGURES, floor: Side, ours: Side) =>
  measure(FIGURES[figure], { floor, ours }, 5).then((measured) => ({
    figure,
    names: { floor: floor.name, ours: ours.name },
    measured,
  }))

test('a slow machine is judged like a fast one: by the ratio to its floor', async () => {
  expect(isOver(await result('mail-send', side(22), side(26)), NOISE)).toBe(false)
  expect(isOver(await result('mail-send', side(220), side(260)), NOISE)).toBe(false)
})

test('what takes more than its figure and the noise is over its budget', async () => {
  expect(isOver(await result('mail-send', side(22), side(35)), NOISE)).toBe(true)
  expect(isOver(await result('mail-send', side(22), side(35)), SHORT_NOISE)).toBe(false)
})

test('what reaches its figure by the clock is within its budget, however little its floor took', async () => {
  expect(isOver(await result('death-noticed', side(1), side(75)), NOISE)).toBe(false)
  expect(isOver(await result('death-noticed', side(1), side(135)), NOISE)).toBe(true)
})

test('of a rate, more is better', async () => {
  const { floor, reach } = FIGURES['mail-16-senders']
  expect(budgetOf(FIGURES['mail-16-senders'], 1)).toBeCloseTo(floor / reach)
  expect(isOver(await result('mail-16-senders', side(1000, 90), side(1000, 71)), NOISE)).toBe(false)
  expect(isOver(await result('mail-16-senders', side(1000, 90), side(1000, 50)), NOISE)).toBe(true)
})

test('both sides are taken in turn, and the warm-up does not count', async () => {
  const order: string[] = []
  const slowAtFirst = (name: string): Side => ({
    name,
    take: async (round) => {
      order.push(name)
      return { ms: round < 3 ? 1000 : 10 }
    },
  })
  const { measured } = await result('version', slowAtFirst('floor'), slowAtFirst('ours'))
  expect(measured.ratio).toBe(1)
  expect(order).toHaveLength(16)
  for (let round = 0; round < 8; round++)
    expect(order.slice(round * 2, round * 2 + 2).sort()).toEqual(['floor', 'ours'])
})

test('a row that could not be measured is no row within its budget', () => {
  expect(isOver({ figure: 'version', failed: 'it broke' }, NOISE)).toBe(true)
})
