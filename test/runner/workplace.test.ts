import { mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writePlanned } from '../../src/runner/workplace.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ov-work-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

test('what a CLI shares with the human is linked as soon as it is there; a folder it has made for itself meanwhile stays', async () => {
  const privateDir = join(folder, 'private')
  const to = join(folder, 'projects')
  const links = [
    { path: 'claude/projects', to },
    { path: 'claude/other', to },
  ]
  writePlanned({ privateDir }, [], links)
  mkdirSync(join(privateDir, 'claude', 'projects'), { recursive: true })
  writeFileSync(join(privateDir, 'claude', 'projects', 'session.jsonl'), 'its own')
  mkdirSync(to)
  for (const _ of [1, 2]) writePlanned({ privateDir }, [], links)
  expect(await readFile(join(privateDir, 'claude', 'projects', 'session.jsonl'), 'utf8')).toBe('its own')
  expect(readlinkSync(join(privateDir, 'claude', 'other'))).toBe(to)
})
