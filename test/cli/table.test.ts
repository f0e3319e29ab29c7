import { stripVTControlCharacters } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Column, table } from '../../src/cli/table.ts'
import { cutTo, padTo, widthOf, wrapTo } from '../../src/cli/width.ts'

test.each([
  ['', 0],
  ['abc', 3],
  ['日本', 4],
  ['e\u0301', 1],
  ['👍🏽', 2],
  ['👩‍👩‍👧', 2],
  ['❤️', 2],
  ['→', 1],
  ['…', 1],
  ['\x1b[31mred\x1b[0m', 3],
  ['a\u200bb', 2],
  ['한글', 4],
])('%j takes %i cells', (text, width) => {
  expect(widthOf(text)).toBe(width)
})

test('a text is cut where it does not fit, never inside a letter', () => {
  expect(cutTo('abcdef', 6)).toBe('abcdef')
  expect(cutTo('abcdef', 4)).toBe('abc…')
  expect(cutTo('日本語', 4)).toBe('日…')
  expect(cutTo('日本語', 5)).toBe('日本…')
  expect(cutTo('ab', 0)).toBe('')
  expect(padTo('日', 4)).toBe('日  ')
  expect(padTo('7', 3, 'right')).toBe('  7')
})

test('whatever the text and the width: what is cut or wrapped fits, and wrapping loses no letter', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 80 }), fc.integer({ min: 2, max: 40 }), (text, width) => {
      const plain = text.replace(/\p{C}/gu, '')
      expect(widthOf(cutTo(plain, width))).toBeLessThanOrEqual(width)
      const lines = wrapTo(plain, width)
      for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width)
      expect(lines.join('').replace(/\s/g, '')).toBe(plain.replace(/\s/g, ''))
    }),
  )
})

interface Row {
  readonly name: string
  readonly state: string
  readonly age: string
  readonly task: string
}

const ROWS: Row[] = [
  { name: 'builder-1', state: 'working', age: '3s', task: 'Implement user authentication with 日本語 names' },
  { name: 'b', state: 'waiting on merge', age: '12m', task: 'Short' },
]
const COLUMNS: Column<Row>[] = [
  { title: 'AGENT', cell: ({ name }) => name },
  { title: 'STATE', cell: ({ state }) => ({ text: state, paint: (text) => `\x1b[32m${text}\x1b[39m` }), min: 7 },
  { title: 'FOR', cell: ({ age }) => age, align: 'right', goes: 2 },
  { title: 'NEVER', cell: () => '', goes: 9 },
  { title: 'TASK', cell: ({ task }) => task, min: 10, goes: 1 },
]

const plain = (lines: string[]) => lines.map(stripVTControlCharacters)

test('a table with room shows everything; a column without content is left out', () => {
  expect(plain(table(ROWS, COLUMNS, { width: 100 }))).toEqual([
    'AGENT      STATE             FOR  TASK',
    'builder-1  working            3s  Implement user authentication with 日本語 names',
    'b          waiting on merge  12m  Short',
  ])
})

test.each([51, 38, 32, 20, 12])(
  'where it is tight, columns get narrower, then go, then rows are stacked: %i',
  (width) => {
    expect(plain(table(ROWS, COLUMNS, { width }))).toMatchSnapshot()
  },
)

test('where a text would have to be cut, its short form is said', () => {
  const columns: Column<Row>[] = [
    { title: 'A', cell: ({ name }) => name },
    { title: 'S', cell: ({ state }) => ({ text: state, short: state.split(' ').at(-1) ?? '' }), min: 7 },
  ]
  expect(table(ROWS, columns, { width: 20 })).toEqual(['A          S', 'builder-1  working', 'b          merge'])
  expect(table(ROWS, columns, { width: 40 }).at(-1)).toBe('b          waiting on merge')
})

test('no line is ever wider than the screen, whatever is in it', () => {
  const word = fc.string({ unit: 'grapheme', maxLength: 60 }).map((text) => text.replace(/\p{C}/gu, ''))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(word, word, word, word), { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 4, max: 120 }),
      (cells, width) => {
        const rows = cells.map(([name, state, age, task]) => ({ name, state, age, task }))
        for (const line of table(rows, COLUMNS, { width })) expect(widthOf(line)).toBeLessThanOrEqual(width)
      },
    ),
  )
})
