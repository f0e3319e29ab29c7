import fc from 'fast-check'
import { expect, test } from 'vitest'
import { splitLines } from '../../src/runner/lines.ts'

function linesOf(chunks: readonly Buffer[]): string[] {
  const lines: string[] = []
  const splitter = splitLines((line) => lines.push(line))
  for (const chunk of chunks) splitter.push(chunk)
  splitter.end()
  return lines
}

test('however a stream is cut into chunks, even within a character, its lines are the same', () => {
  const text = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }).map((line) => line.replace(/[\n\r]/g, '·')))
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 60 })), (lines, cuts) => {
      const bytes = Buffer.from(lines.join('\n'))
      const at = [...new Set(cuts)].filter((cut) => cut < bytes.length).sort((a, b) => a - b)
      const chunks = [0, ...at].map((from, index) => bytes.subarray(from, at[index]))
      expect(linesOf(chunks)).toEqual(lines)
    }),
  )
})

test('only a line feed divides lines: JSON may hold other separators; a carriage return at the end is cut off', () => {
  expect(linesOf([Buffer.from('a\u2028b\u0085c\r\n\n\nd')])).toEqual(['a\u2028b\u0085c', 'd'])
})

test('of a line without end only the beginning is kept, and the next line is whole', () => {
  const megabyte = Buffer.alloc(1024 * 1024, 'x')
  const lines = linesOf([...Array.from({ length: 40 }, () => megabyte), Buffer.from('\nnext\n')])
  expect(lines.map((line) => line.length)).toEqual([4096, 4])
})
