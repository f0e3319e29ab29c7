import { expect, test } from 'vitest'
import { compactOutput } from '../../src/merge/compact.ts'

const ROOM = 10_000

test('escape sequences are gone, and of overwritten progress only the end is left', () => {
  expect(compactOutput('\x1b[31mred\x1b[0m\n  1%\r 50%\r100% done\r\n\x1b]0;title\x07text', ROOM)).toBe(
    'red\n100% done\ntext',
  )
})

test('repeated lines are one line and a count', () => {
  expect(compactOutput(`start\n${'again\n'.repeat(50)}end`, ROOM)).toBe(
    'start\nagain\n[… 48 more like this …]\nagain\nend',
  )
})

test('a long run of lines that differ in numbers only is cut, a short one is kept: each may be another place', () => {
  const progress = Array.from({ length: 100 }, (_, index) => `Downloading ${index} of 100`)
  expect(compactOutput(progress.join('\n'), ROOM).split('\n')).toHaveLength(11)
  const errors = Array.from({ length: 8 }, (_, index) => `src/a.ts(${index},3): error TS2304`)
  expect(compactOutput(errors.join('\n'), ROOM)).toBe(errors.join('\n'))
})

test('beginning and end are kept, whole lines, within the limit', () => {
  const lines = Array.from(
    { length: 2_000 },
    (_, index) => `${'x'.repeat(index % 7)} line ${'abcdefghij'[index % 10]}${index}`,
  )
  const compact = compactOutput(lines.join('\n'), 2_000)
  expect(compact.length).toBeLessThan(2_100)
  expect(compact.split('\n')[0]).toBe(lines[0]?.trim())
  expect(compact.split('\n').at(-1)).toBe(lines.at(-1))
  expect(compact).toMatch(/\[… \d+ lines left out …\]/)
})

test('one line without end does not fill the mail', () => {
  expect(compactOutput('x'.repeat(1_000_000), ROOM).length).toBeLessThan(500)
})
