import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Config } from '@oclif/core'
import { expect, test } from 'vitest'
import { findProgram } from '../../src/os/files.ts'
import { run } from '../../src/os/process.ts'

const ROOT = resolve(import.meta.dirname, '..', '..')
const PAGE = join(ROOT, 'dist', 'ov.1')

test('the manual page has every command with its flags, and package.json names it', async () => {
  const config = await Config.load(ROOT)
  const page = readFileSync(PAGE, 'utf8').replaceAll('\\-', '-')
  const expected = config.commands
    .filter(({ hidden }) => !hidden)
    .flatMap(({ id, flags }) => [
      `.SS "ov ${id.replaceAll(':', ' ')}"`,
      ...Object.entries(flags).map(
        ([name, flag]) => `--${flag.type === 'boolean' && flag.allowNo ? '[no-]' : ''}${name}`,
      ),
    ])
  expect(expected.filter((words) => !page.includes(words))).toEqual([])
  expect(expected.length).toBeGreaterThan(100)
  expect(join(config.root, config.pjson.man as string)).toBe(PAGE)
})

test('no line of it begins with a request that was meant as text', () => {
  const requests = readFileSync(PAGE, 'utf8')
    .split('\n')
    .filter((line) => /^[.']/.test(line))
  expect([...new Set(requests.map((line) => line.split(' ')[0]))].toSorted()).toEqual([
    '.B',
    '.PP',
    '.RE',
    '.RS',
    '.SH',
    '.SS',
    '.TH',
    '.TP',
    '.fi',
    '.nf',
  ])
})

test.skipIf(findProgram('groff') === null)('groff has nothing to say against it', async () => {
  const outcome = await run(['groff', '-man', '-Tutf8', '-ww', '-z', PAGE], { timeoutMs: 10_000 })
  expect([outcome.code, outcome.output]).toEqual([0, ''])
})
