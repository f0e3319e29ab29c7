import { expect, test } from 'vitest'
import { distance, nearest } from '../src/nearest.ts'

test.each([
  ['', '', 0],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['flaw', 'lawn', 2],
  ['mian', 'main', 1],
  ['cluade', 'claude', 1],
])('from %j to %j it takes %i typing errors', (a, b, errors) => {
  expect(distance(a, b)).toBe(errors)
  expect(distance(b, a)).toBe(errors)
})

test('the nearest word is found, whatever its case and dashes, and none where none is near', () => {
  const words = ['maxConcurrent', 'maxDepth', 'manifest']
  expect(nearest('maxconcurent', words)).toBe('maxConcurrent')
  expect(nearest('max-depth', words)).toBe('maxDepth')
  expect(nearest('mian', ['main', 'next'])).toBe('main')
  expect(nearest('colour', words)).toBeNull()
  expect(nearest('m'.repeat(10_000), words)).toBeNull()
})
