import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Git } from '../os/git.ts'
import { LOCAL_CONFIG_FILE } from './load.ts'

/**
 * Makes git ignore `overstory.local.yaml` in this clone, by the repository's own `info/exclude`, so that no tracked
 * file changes. Gives whether a line was added; a second time it changes nothing.
 */
export async function ignoreLocalConfig(git: Git): Promise<boolean> {
  const path = resolve(git.directory, (await git.raw('rev-parse', '--git-path', 'info/exclude')).replace(/\n$/, ''))
  const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const line = `/${LOCAL_CONFIG_FILE}`
  if (text.split(/\r?\n/).includes(line)) return false
  mkdirSync(dirname(path), { recursive: true })
  appendFileSync(path, `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`)
  return true
}
