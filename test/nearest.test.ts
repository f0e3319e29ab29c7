import { expect, test } from 'vitest'
import { levenshtein, nearest } from '../src/nearest.ts'

test.each([
  ['', '', 0],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['flaw', 'lawn', 2],
])('from %j to %j it takes %i edits', (a, b, edits) => {
  expect(levenshtein(a, b)).toBe(edits)
  expect(levenshtein(b, a)).toBe(edits)
})

test('the nearest word is found, whatever its case and dashes, and none where none is near', () => {
  const words = ['maxConcurrent', 'maxDepth', 'manifest']
  expect(nearest('maxconcurent', words)).toBe('maxConcurrent')
  expect(nearest('max-depth', words)).toBe('maxDepth')
  expect(nearest('colour', words)).toBeNull()
  expect(nearest('m'.repeat(10_000), words)).toBeNull()
})
