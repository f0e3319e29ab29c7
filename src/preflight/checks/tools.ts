import { OvError } from '../../errors.ts'
import { findProgram } from '../../os/files.ts'
import { gitVersion } from '../../os/git.ts'
import { tmuxVersion } from '../../os/tmux.ts'
import type { Check } from '../diagnosis.ts'
import { foundError } from '../diagnosis.ts'

/** `git merge-tree --write-tree` came with it. */
const GIT_NEEDED = '2.38'

/**
 * The version of git, which is new enough.
 * @param ask how it is found out
 * @throws {OvError} `git.missing`, `git.too-old`
 */
export async function requireGit(ask = gitVersion): Promise<string> {
  const version = await ask()
  if (version === null) {
    throw new OvError('blocked', 'git.missing', 'git is not installed: there is none on PATH.', {
      hint: `Install git ${GIT_NEEDED} or newer: https://git-scm.com/downloads`,
    })
  }
  if (!atLeast(version, GIT_NEEDED)) {
    throw new OvError(
      'blocked',
      'git.too-old',
      `git ${version} is too old: ov merges with what ${GIT_NEEDED} brought.`,
      {
        hint: `Install git ${GIT_NEEDED} or newer: https://git-scm.com/downloads`,
      },
    )
  }
  return version
}

/** True when a dotted version is the wanted one or newer. */
export function atLeast(version: string, wanted: string): boolean {
  const parts = version.split('.').map(Number)
  for (const [index, least] of wanted.split('.').map(Number).entries()) {
    const part = parts[index] ?? 0
    if (part !== least) return part > least
  }
  return true
}

export async function checkGit(): Promise<Check> {
  try {
    return { name: 'git', summary: await requireGit(), found: [] }
  } catch (error) {
    return { name: 'git', summary: 'not usable', found: [foundError(error)] }
  }
}

export async function checkTmux(): Promise<Check> {
  const version = await tmuxVersion()
  if (version !== null) return { name: 'tmux', summary: version, found: [] }
  const path = findProgram('tmux')
  if (path !== null) {
    const message = `${path} does not answer: agents work all the same, but start later and have no screen to attach to.`
    const hint = `See what it says: ${path} -V`
    return { name: 'tmux', summary: 'no answer', found: [{ severity: 'warning', code: 'tmux.broken', message, hint }] }
  }
  return {
    name: 'tmux',
    summary: 'not installed',
    found: [
      {
        severity: 'warning',
        code: 'tmux.missing',
        message: 'tmux is not installed: agents work all the same, but there is no screen to attach to.',
        hint: 'Install tmux, for instance: apt install tmux, or brew install tmux',
      },
    ],
  }
}

/** Only said: what is too old for `ov` does not come this far. */
export async function checkNode(): Promise<Check> {
  return { name: 'node', summary: process.versions.node, found: [] }
}
