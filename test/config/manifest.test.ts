import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readManifest } from '../../src/capabilities/manifest.ts'
import { sayProblem } from '../../src/config/problem.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ov-manifest-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function manifest(text: string) {
  writeFileSync(join(root, 'agent-manifest.json'), text)
  return readManifest(root, 'agent-manifest.json')
}

test('without a manifest the built-in roles hold: builders write, scouts look, leads sling', async () => {
  const { roles, problems } = await readManifest(root, 'agent-manifest.json')
  expect(problems).toEqual([])
  expect(roles.builder).toMatchObject({ readOnly: false, maySpawn: false })
  expect(roles.scout).toMatchObject({ readOnly: true, maySpawn: false })
  expect(roles.lead).toMatchObject({ readOnly: false, maySpawn: true })
})

test('a manifest changes what it names and leaves the rest, in JSON as in YAML', async () => {
  for (const text of [
    '{ "builder": { "maySpawn": true, "instructions": "roles/builder.md", "tools": ["git", "npm"], "model": "opus" } }',
    'builder:\n  maySpawn: true\n  instructions: roles/builder.md\n  tools: [git, npm]\n  model: opus\nscout:\n',
  ]) {
    const { roles } = await manifest(text)
    expect(roles.builder).toEqual({
      readOnly: false,
      maySpawn: true,
      instructions: join(root, 'roles/builder.md'),
      tools: ['git', 'npm'],
      model: 'opus',
    })
    expect(roles.scout).toMatchObject({ readOnly: true, maySpawn: false })
  }
})

test('what is wrong in a manifest is said with its place, all of it', async () => {
  const { problems } = await manifest('{\n  "bulder": {},\n  "scout": { "readonly": true, "maySpawn": "no" }\n}\n')
  expect(problems.map(sayProblem)).toEqual([
    'agent-manifest.json:2:3: unknown key "bulder". Did you mean "builder"?',
    'agent-manifest.json:3:14: unknown key "readonly" in scout. Did you mean "readOnly"?',
    'agent-manifest.json:3:44: scout.maySpawn must be true or false, not "no"',
  ])
})
