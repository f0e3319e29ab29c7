import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import shell from '../../runtimes/shell.ts'
import type { AgentEvent } from '../../src/contract/runtime.ts'
import { type Entry, lastEntries, wordsOf } from '../../src/reports/output.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ovt-output-'))
  path = join(folder, 'output.ndjson')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const entry = (text: string, stream: Entry['stream'] = 'out'): Entry => ({ at: 1, stream, text })
const file = (entries: Entry[]) => entries.map((one) => `${JSON.stringify(one)}\n`).join('')
const words = (one: Entry) => wordsOf(one, shell)

test('as many of the last entries are given as it takes for the lines wanted, across a rotation', () => {
  writeFileSync(`${path}.1`, file([entry('1'), entry('2')]))
  writeFileSync(path, file([entry('given', 'in'), entry('3')]))
  expect(lastEntries(path, 2, words).map(({ text }) => text)).toEqual(['2', '3'])
  expect(lastEntries(path, 99, words).map(({ text }) => text)).toEqual(['1', '2', '3'])
  expect(lastEntries(path, 0, words)).toEqual([])
})

test('a line that a kill left in pieces, or that is no entry, is left out', () => {
  writeFileSync(path, `${file([entry('a')])}{"at":1,"str\n{"foo":1}\nnull\n${file([entry('b')])}{"at":`)
  expect(lastEntries(path, 9, words).map(({ text }) => text)).toEqual(['a', 'b'])
})

test('what a person sees holds no control characters, and of a progress bar only its last state', () => {
  expect(words(entry('\x1b[31mred\x1b[0m \x07bell'))).toEqual(['red bell'])
  expect(words(entry('10%\r20%\r'))).toEqual(['20%'])
  expect(words(entry('oops \x1b[2J', 'err'))).toEqual(['! oops '])
  expect(words(entry('{"prompt":1}', 'in'))).toEqual([])
})

test('the protocol of a runtime is not shown, its words and tools are; words nobody knows are', () => {
  const reads = (...events: AgentEvent[]) => wordsOf(entry('x'), { read: () => events })
  expect(reads({ type: 'text', text: 'one\ntwo\n' })).toEqual(['one', 'two'])
  expect(reads({ type: 'tool_start', id: '1', tool: 'Bash', summary: 'npm\ntest' })).toEqual(['▸ Bash npm test'])
  expect(reads({ type: 'unknown', line: ' {"type":"new"}' })).toEqual([])
  expect(reads({ type: 'unknown', line: 'Segmentation fault' })).toEqual(['Segmentation fault'])
  expect(reads({ type: 'turn_start' })).toEqual([])
})
