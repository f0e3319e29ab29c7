import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Config } from '@oclif/core'
import { beforeAll, expect, test } from 'vitest'
import { quotedInCode, quotedInMarkdown } from './rig/quoted.ts'

/** What prompts, documents and hints tell people and agents to type must be there. */

const ROOT = resolve(import.meta.dirname, '..')
let config: Config
beforeAll(async () => {
  config = await Config.load(ROOT)
})

function files(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith(ending))
    .map((path) => join(folder, path))
}

/** Sentences about `ov`, and what only `ov` itself types. */
const NO_COMMAND_LINE = /^ov (is|alone|could|hook|keeps|landing|merges|moves|needs|runner|tend|turns|watcher)\b/

/** What is wrong with a command line; null when it can be typed. */
function fault(line: string): string | null {
  const [first, ...rest] = line.split(/\s+/).slice(1)
  const words = first === 'help' ? rest : [first, ...rest]
  const topic = words.slice(0, 2).join(':')
  const id = [topic, words[0] ?? ''].find((one) => config.findCommand(one) !== undefined)
  const command = id === undefined ? undefined : config.findCommand(id)
  if (command === undefined) return `no command: ${line}`
  const flags = [...line.replace(/"[^"]*"|'[^']*'/g, '""').matchAll(/(?<=\s)--(no-)?([a-z][a-z-]*)/g)]
  for (const [flag, negated, name = ''] of flags) {
    const known = command.flags[name] ?? command.flags[`${negated ?? ''}${name}`]
    if (known === undefined && name !== 'help') return `no flag ${flag}: ${line}`
  }
  return null
}

const faults = (lines: readonly string[]) => [
  ...new Set(
    lines
      .filter((line) => !NO_COMMAND_LINE.test(line))
      .map(fault)
      .filter((one) => one !== null),
  ),
]

test.each(files('src/capabilities', '.md'))('%s teaches only commands and flags that exist', (file) => {
  const lines = quotedInMarkdown(readFileSync(join(ROOT, file), 'utf8'))
  expect(lines.length).toBeGreaterThan(3)
  expect(faults(lines)).toEqual([])
})

test.each(['README.md', ...files('docs', '.md')])('%s names only commands and flags that exist', (file) => {
  expect(faults(quotedInMarkdown(readFileSync(join(ROOT, file), 'utf8')))).toEqual([])
})

test('hints, prompts and messages name only commands and flags that exist', () => {
  const sources = [...files('src', '.ts'), ...files('commands', '.ts'), ...files('runtimes', '.ts')]
  const lines = sources.flatMap((file) => quotedInCode(readFileSync(join(ROOT, file), 'utf8')))
  expect(lines.length).toBeGreaterThan(20)
  expect(faults(lines)).toEqual([])
})
