import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { endOfLines, growing, linesFromEnd } from '../../src/os/tail.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ovt-tail-'))
  path = join(folder, 'log')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const backwards = () => [...linesFromEnd(path, endOfLines(path))]

test('lines come from the end to the beginning, whole, whatever they hold; an unfinished one does not come', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\n', ' '))),
      fc.string(),
      (lines, rest) => {
        writeFileSync(path, lines.map((line) => `${line}\n`).join('') + rest.replaceAll('\n', ' '))
        expect(backwards()).toEqual(lines.map((line) => Buffer.from(line).toString()).reverse())
      },
    ),
  )
})

test('lines longer than one look at the file, with letters across its border, come whole', () => {
  const lines = ['ü'.repeat(300_000), 'short', '日本'.repeat(200_000)]
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''))
  expect(backwards()).toEqual([...lines].reverse())
})

test('a file that is missing or empty has no lines', () => {
  expect(backwards()).toEqual([])
  writeFileSync(path, '')
  expect(backwards()).toEqual([])
  writeFileSync(path, 'unfinished')
  expect(backwards()).toEqual([])
})

test('a growing file gives each line once, from where it is begun, when it is whole', () => {
  writeFileSync(path, 'old\nha')
  const file = growing(path, endOfLines(path))
  expect(file.read()).toEqual([])
  appendFileSync(path, 'lf\nnew\n')
  expect(file.read()).toEqual(['half', 'new'])
  expect(file.read()).toEqual([])
  file.close()
})

test('a file that is renamed and begun anew loses no line, not even one that came into the old one late', () => {
  writeFileSync(path, 'a\n')
  const file = growing(path, endOfLines(path))
  appendFileSync(path, 'b\n')
  renameSync(path, `${path}.1`)
  writeFileSync(path, 'd\n')
  const first = file.read()
  appendFileSync(`${path}.1`, 'c\n')
  expect([...first, ...file.read(), ...file.read()]).toEqual(['b', 'c', 'd'])
  appendFileSync(path, 'e\n')
  expect(file.read()).toEqual(['e'])
  file.close()
})

test('a file that comes later is followed from its beginning', () => {
  const file = growing(path, 0)
  expect(file.read()).toEqual([])
  writeFileSync(path, 'first\n')
  expect(file.read()).toEqual(['first'])
  file.close()
})
