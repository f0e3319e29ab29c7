import { expect, test } from 'vitest'
import { slots } from '../../src/certify/slots.ts'

test('no more work is done at the same time than there are slots, in order, and a failure frees its slot', async () => {
  const slot = slots(2)
  let atWork = 0
  const began: number[] = []
  const work = (id: number) => async () => {
    atWork += 1
    began.push(id)
    expect(atWork).toBeLessThanOrEqual(2)
    await new Promise(setImmediate)
    atWork -= 1
    if (id % 3 === 0) throw new Error(`${id}`)
    return id
  }
  const ended = await Promise.allSettled([1, 2, 3, 4, 5, 6, 7].map((id) => slot(work(id))))
  expect(began).toEqual([1, 2, 3, 4, 5, 6, 7])
  expect(ended.filter(({ status }) => status === 'rejected')).toHaveLength(2)
})
