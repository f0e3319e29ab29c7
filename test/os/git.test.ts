import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GitFailure, gitAt, gitVersion } from '../../src/os/git.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ovt-git-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true, force: true })
})

test.each([
  ['with words', ['rev-parse', '--git-dir'], 128, 'not a git repository'],
  ['without a word', ['config', '--file', '/dev/null', '--get', 'user.nobody'], 1, ''],
])('a git that fails %s is a GitFailure with its exit code and what it said', async (_how, args, code, said) => {
  const failure: unknown = await gitAt(folder)
    .raw(...args)
    .catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(GitFailure)
  expect(failure).toMatchObject({ exitCode: code, stderr: expect.stringContaining(said) })
})

test('a git killed by a signal is a failure, never an empty answer', async () => {
  writeFileSync(join(folder, 'git'), '#!/bin/sh\necho half an answer\nkill -9 $$\n', { mode: 0o755 })
  vi.stubEnv('PATH', `${folder}:${process.env.PATH}`)
  await expect(gitAt(folder).raw('status')).rejects.toMatchObject({ exitCode: -1 })
})

test('the version is told', async () => {
  expect(await gitVersion()).toMatch(/^\d+\.\d+/)
})
