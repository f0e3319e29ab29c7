import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Ask } from '../../src/contract/runtime.ts'
import { guardVerdict } from '../../src/runner/guard.ts'

let base: string
let worktree: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'ov-guard-')))
  worktree = join(base, 'wt')
  mkdirSync(join(worktree, 'src'), { recursive: true })
  writeFileSync(join(worktree, '.git'), 'gitdir: elsewhere\n')
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const verdict = (ask: Partial<Ask>, readOnly = false, place = worktree) =>
  guardVerdict({ id: 'r1', when: 'before_tool', tool: 'Write', ...ask }, { worktree: place, readOnly })
const allowed = (writes: string, place = worktree) => verdict({ writes }, false, place).allow

test('a file of the worktree may be written, new ones and those in new folders too', () => {
  for (const path of ['src/a.ts', './a', 'new/deep/a', 'src/../b', '..a']) {
    expect(allowed(path)).toBe(true)
    expect(allowed(join(worktree, path))).toBe(true)
  }
})

test('a path that leads out is refused, by dots, by link, by a link to nothing, or through a link on the way', () => {
  symlinkSync(base, join(worktree, 'out'))
  symlinkSync(join(base, 'not-there-yet'), join(worktree, 'dangling'))
  symlinkSync('loop', join(worktree, 'loop'))
  for (const path of ['../x', '/etc/passwd', 'out/x', 'out/new/x', 'dangling', 'dangling/x', 'loop', '', '/'])
    expect([path, allowed(path === '' ? base : path)]).toEqual([path, false])
})

test('a worktree that is reached by a link is the same worktree', () => {
  symlinkSync(worktree, join(base, 'alias'))
  expect(allowed(join(worktree, 'src/a.ts'), join(base, 'alias'))).toBe(true)
  expect(allowed(join(base, 'alias/src/a.ts'))).toBe(true)
})

test('what is git’s is written by git alone', () => {
  expect(verdict({ writes: '.git' })).toMatchObject({ allow: false, reason: expect.stringContaining('git') })
  expect(allowed('.git/hooks/pre-commit')).toBe(false)
  expect(allowed('.gitignore')).toBe(true)
})

test('a read-only role writes nothing; a tool that waits for a person is refused; all else has no objection', () => {
  expect(verdict({ writes: 'src/a.ts' }, true)).toMatchObject({ allow: false })
  expect(verdict({ tool: 'AskUserQuestion', interactive: true })).toMatchObject({ allow: false })
  expect(verdict({ tool: 'Bash' }, true)).toEqual({ allow: true })
  expect(verdict({ when: 'after_tool', writes: '/etc/passwd' })).toEqual({ allow: true })
})
