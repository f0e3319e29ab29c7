import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Project } from '../../src/project.ts'
import { untouched } from '../../src/worktrees/untouched.ts'
import { inProject } from '../rig/project.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

let home: Home
let repo: string
let tree: string
let base: string
beforeEach(async () => {
  home = makeHome()
  repo = await readyRepo(home)
  tree = join(home.path, 'tree')
  mkdirSync(join(repo, 'src'))
  writeFileSync(join(repo, 'src', 'a.ts'), 'a\n')
  writeFileSync(join(repo, '.gitignore'), 'cache/\n')
  git(home, repo, 'add', '--all')
  git(home, repo, 'commit', '--quiet', '--message', 'More')
  git(home, repo, 'worktree', 'add', '--quiet', '-b', 'ov/run-1/scout-1', tree)
  base = git(home, tree, 'rev-parse', 'HEAD')
  writeFileSync(join(tree, 'made-by-setup.txt'), 'as it was\n')
})
afterEach(() => home.dispose())

const guard = (project: Project) => untouched(project, 'agent-id', tree, join(home.path, 'private', 'index'))
const write = (path: string, text: string) => {
  mkdirSync(join(tree, path, '..'), { recursive: true })
  writeFileSync(join(tree, path), text)
}
/** All that a person would see of the worktree. */
const state = () =>
  [
    git(home, tree, 'status', '--porcelain', '--untracked-files=all', '--ignored'),
    git(home, tree, 'rev-parse', '--symbolic-full-name', 'HEAD'),
    git(home, tree, 'rev-parse', 'HEAD'),
    readFileSync(join(tree, 'made-by-setup.txt'), 'utf8'),
    readFileSync(join(tree, 'src', 'a.ts'), 'utf8'),
  ].join('\n')

test('what nobody changed is left alone, ignored files included', () =>
  inProject(home, repo, async (project) => {
    const looked = guard(project)
    await looked.mark(base)
    write('cache/x', 'x')
    expect(await looked.putBack()).toBeNull()
    expect(existsSync(join(tree, 'cache', 'x'))).toBe(true)
  }))

const CHANGES: [string, () => void, string[]][] = [
  ['a tracked file', () => write('src/a.ts', 'b\n'), ['src/a.ts']],
  ['a new file', () => write('deep/down/new.txt', 'n'), ['deep/down/new.txt']],
  ['a file that is gone', () => rmSync(join(tree, 'src', 'a.ts')), ['src/a.ts']],
  ['an untracked file that was there before', () => write('made-by-setup.txt', 'other'), ['made-by-setup.txt']],
  ['a file that was there before and is gone', () => rmSync(join(tree, 'made-by-setup.txt')), ['made-by-setup.txt']],
  [
    'what is staged',
    () => {
      write('src/a.ts', 'b\n')
      git(home, tree, 'add', '--all')
    },
    ['src/a.ts'],
  ],
  [
    'commits on its branch',
    () => {
      write('src/a.ts', 'b\n')
      git(home, tree, 'commit', '--quiet', '--all', '--message', 'Mine')
    },
    ['src/a.ts'],
  ],
  ['an empty commit', () => git(home, tree, 'commit', '--quiet', '--allow-empty', '--message', 'Mine'), []],
  ['another branch', () => git(home, tree, 'checkout', '--quiet', '-b', 'elsewhere'), []],
  ['a detached HEAD', () => git(home, tree, 'checkout', '--quiet', '--detach'), []],
  [
    'a folder in the place of a file, and a link in the place of a folder',
    () => {
      rmSync(join(tree, 'README.md'))
      write('README.md/inside', 'x')
      rmSync(join(tree, 'src'), { recursive: true })
      symlinkSync(home.path, join(tree, 'src'))
    },
    ['README.md', 'README.md/inside', 'src', 'src/a.ts'],
  ],
  [
    'a merge that was begun',
    () => {
      git(home, tree, 'checkout', '--quiet', '-b', 'side')
      write('src/a.ts', 'side\n')
      git(home, tree, 'commit', '--quiet', '--all', '--message', 'Side')
      git(home, tree, 'checkout', '--quiet', 'ov/run-1/scout-1')
      write('src/a.ts', 'mine\n')
      git(home, tree, 'commit', '--quiet', '--all', '--message', 'Mine')
      expect(() =>
        execFileSync('git', ['merge', 'side'], { cwd: tree, env: { ...home.env }, stdio: 'ignore' }),
      ).toThrow()
    },
    ['src/a.ts'],
  ],
]

test.each(CHANGES)('%s is kept, put back and told', (_, change, files) =>
  inProject(home, repo, async (project) => {
    const looked = guard(project)
    await looked.mark(base)
    const before = state()
    change()
    const found = existsSync(join(tree, 'src', 'a.ts')) ? readFileSync(join(tree, 'src', 'a.ts'), 'utf8') : null
    const undone = await looked.putBack()
    expect(undone?.files.toSorted()).toEqual(files)
    expect(state()).toBe(before)
    expect(git(home, repo, 'for-each-ref', '--format=%(refname)', 'refs/ov/keep/agent-id')).toContain(undone?.kept)
    if (found !== null) expect(git(home, repo, 'show', `${undone?.kept}:src/a.ts`)).toBe(found.trim())
    // Once is enough, and what comes later is found as well.
    expect(await looked.putBack()).toBeNull()
    appendFileSync(join(tree, 'src', 'a.ts'), 'more\n')
    expect((await looked.putBack())?.files).toEqual(['src/a.ts'])
    expect(state()).toBe(before)
  }),
)
