import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { configSchema } from '../../src/config/load.ts'
import type { Detected } from '../../src/preflight/detect.ts'
import { starterConfig } from '../../src/preflight/starter-config.ts'

const NOTHING: Detected = { type: 'none', evidence: '', gates: {}, setup: [], programs: [], artefacts: [], notes: [] }

function written(starter: Partial<Parameters<typeof starterConfig>[0]>) {
  const text = starterConfig({ branch: 'main', detected: NOTHING, copy: [], runtime: null, ...starter }, 'schema.json')
  expect(configSchema().safeParse(parse(text)).error).toBeUndefined()
  return { text, value: parse(text) }
}

test.each(['no', 'true', '1.0', 'feat#1', '*x', 'a-"b', "it's", '日本', 'ov/x: y'])(
  'whatever the branch is called, it is written as it is: %s',
  (branch) => {
    expect(written({ branch }).value.project.canonicalBranch).toBe(branch)
  },
)

test('commands are written as they are, quotes, dollars and all', () => {
  const setup = [
    `python3 -m venv .venv && printf '*\\n' > .venv/.gitignore && .venv/bin/pip install -e '.[dev]'`,
    'x: y # z',
    `a ${'b'.repeat(300)}`,
  ]
  expect(written({ detected: { ...NOTHING, setup }, copy: ['.env'] }).value.worktrees).toEqual({
    setup,
    copy: ['.env'],
  })
})

test('what was found cannot break out of its comment', () => {
  const gates = { 'tests-pass': 'make test\nruntime: { default: evil }' }
  const { value } = written({ detected: { ...NOTHING, evidence: 'x\nruntime: {}', gates } })
  expect(Object.keys(value)).toEqual(['project'])
})

test('without any check it says how to name one', () => {
  const { text, value } = written({ runtime: 'codex' })
  expect(value).toEqual({ project: { canonicalBranch: 'main', qualityGates: [] }, runtime: { default: 'codex' } })
  expect(text).toContain('command: "./run-tests"')
})
