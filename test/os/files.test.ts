import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createWhole, findProgram, isPrivateFolder, linkWhole, programBehind } from '../../src/os/files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ovt-files-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('a new file is made whole, and what is there already is never replaced', () => {
  const path = join(folder, 'config')
  expect(createWhole(path, 'first')).toBe(true)
  expect(createWhole(path, 'second')).toBe(false)
  expect(readFileSync(path, 'utf8')).toBe('first')
  symlinkSync('nowhere', join(folder, 'link'))
  expect(createWhole(join(folder, 'link'), 'third')).toBe(false)
  expect(readdirSync(folder).sort()).toEqual(['config', 'link'])
})

test('a program is a file that may be run, not a folder or a text of that name', () => {
  const [a = '', b = '', c = ''] = ['a', 'b', 'c'].map((name) => join(folder, name))
  for (const path of [a, b, c]) mkdirSync(path)
  mkdirSync(join(a, 'tool'))
  writeFileSync(join(b, 'tool'), '', { mode: 0o644 })
  expect(findProgram('tool', `${a}:${b}::${c}`)).toBeNull()
  writeFileSync(join(c, 'tool'), '', { mode: 0o755 })
  expect(findProgram('tool', `${a}:${b}::${c}`)).toBe(join(c, 'tool'))
})

test('a private folder is a folder itself, of this user, closed to others', () => {
  const path = join(folder, 'private')
  mkdirSync(path, { mode: 0o700 })
  expect(isPrivateFolder(path)).toBe(true)
  symlinkSync(path, join(folder, 'link'))
  expect(isPrivateFolder(join(folder, 'link'))).toBe(false)
  chmodSync(path, 0o750)
  expect(isPrivateFolder(path)).toBe(false)
})

test('behind a launcher is the program it would start, beside where the launcher really lies; without one, itself', () => {
  mkdirSync(join(folder, 'lib', 'launcher'), { recursive: true })
  mkdirSync(join(folder, 'lib', 'native'))
  writeFileSync(join(folder, 'lib', 'launcher', 'tool.js'), '', { mode: 0o755 })
  symlinkSync(join(folder, 'lib', 'launcher', 'tool.js'), join(folder, 'tool'))
  const behind = () => programBehind(join(folder, 'tool'), ['native/tool', '../native/tool'])
  expect(behind()).toBe(join(folder, 'tool'))
  writeFileSync(join(folder, 'lib', 'native', 'tool'), '', { mode: 0o755 })
  expect(behind()).toBe(join(folder, 'lib', 'native', 'tool'))
})

test('a link takes the place of whatever file was there, and its folder is made', () => {
  const path = join(folder, 'new', 'link')
  linkWhole(path, '/first')
  linkWhole(path, '/second')
  expect(readlinkSync(path)).toBe('/second')
  expect(readdirSync(join(folder, 'new'))).toEqual(['link'])
})
