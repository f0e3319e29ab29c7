import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, relative, resolve, sep } from 'node:path'
import { isWithin } from '../os/files.ts'
import type { Git } from '../os/git.ts'
import { LOCAL_CONFIG_FILE } from './files.ts'

/**
 * Makes git ignore `overstory.local.yaml` in this clone, by the repository's own `info/exclude`, so that no tracked
 * file changes. Gives whether a line was added; a second time it changes nothing.
 */
export function ignoreLocalConfig(git: Git): Promise<boolean> {
  return ignoreInClone(git, `/${LOCAL_CONFIG_FILE}`)
}

/**
 * Does the same for a folder of ours (`worktrees.baseDir`), so that the human's `git add` never takes worktrees for
 * work. A folder outside the checkout, or in `.overstory`, which ignores itself, needs nothing.
 */
export async function ignoreFolder(
  { root, stateDir, bare, git }: { root: string; stateDir: string; bare: boolean; git: Git },
  folder: string,
): Promise<boolean> {
  if (bare || !isWithin(root, folder) || resolve(folder) === root || isWithin(stateDir, folder)) return false
  const path = relative(root, folder).split(sep).join('/')
  return ignoreInClone(git, `/${path.replace(/[\\*?[\]! #]/g, '\\$&')}/`)
}

async function ignoreInClone(git: Git, line: string): Promise<boolean> {
  const path = resolve(git.directory, (await git.raw('rev-parse', '--git-path', 'info/exclude')).replace(/\n$/, ''))
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  if (text.split(/\r?\n/).includes(line)) return false
  mkdirSync(dirname(path), { recursive: true })
  appendFileSync(path, `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`)
  return true
}
