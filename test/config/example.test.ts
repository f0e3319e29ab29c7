import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { valueAt } from '../../src/config/check.ts'
import { exampleConfig } from '../../src/config/example.ts'
import { configJsonSchema, readConfig } from '../../src/config/load.ts'
import { settingsOf } from '../../src/config/settings.ts'

const EXAMPLE = resolve(import.meta.dirname, '..', '..', 'overstory.example.yaml')

test('overstory.example.yaml holds every key, each with its description and its default or an example', async () => {
  const root = mkdtempSync(join(tmpdir(), 'ov-example-'))
  onTestFinished(() => rmSync(root, { recursive: true }))
  // Some keys may not stand in a committed file.
  copyFileSync(EXAMPLE, join(root, 'overstory.local.yaml'))
  const { layers, problems } = await readConfig(root)
  expect(problems).toEqual([])
  const file = layers.find((layer) => layer.kind === 'local')
  if (file === undefined) throw new Error('the example was not read')
  const lines = readFileSync(EXAMPLE, 'utf8').split('\n')
  const prose = lines.map((line) => line.replace(/^\s*# ?/, '')).join(' ')
  const settings = settingsOf(configJsonSchema()).filter(
    ({ key }) => !/^runtime\.(?!claude\.).*\.(binary|args|mode|env|gateway\..*)$/.test(key),
  )
  expect(settings.length).toBeGreaterThan(30)
  for (const { key, path, schema } of settings) {
    const line = lines[(file.place(path, 'key')?.line ?? 0) - 1] ?? ''
    const value = valueAt(file.value, path)
    expect(value, key).toBeDefined()
    expect(prose, key).toContain(schema.description)
    if (schema.default === undefined) expect(line, key).toMatch(/ # an example$/)
    else {
      expect(line, key).toMatch(/ # the default$/)
      expect(value, key).toEqual(schema.default)
    }
  }
})

test('overstory.example.yaml is what ov config example prints (ov config example > overstory.example.yaml)', () => {
  expect(readFileSync(EXAMPLE, 'utf8')).toBe(exampleConfig())
})
