import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from './sandbox-home.ts'
import type { Options } from './screen-cli.ts'

/**
 * Puts a FAKE `claude` first on PATH: a shell script that misbehaves as a test wants. It is not Claude Code and proves
 * nothing about it; what it proves is what the engine does with a CLI that behaves like this.
 *
 * @returns the environment in which `ov` finds it
 */
export function fakeClaude(home: Home, script: string): { PATH: string } {
  const bin = mkdtempSync(join(home.path, 'bin-'))
  const version = 'if [ "$1" = --version ]; then echo "2.1.328 (Claude Code)"; exit; fi'
  writeFileSync(join(bin, 'claude'), `#!/bin/sh\n${version}\n${script}\n`, { mode: 0o755 })
  return { PATH: `${bin}:${home.env.PATH}` }
}

/**
 * Puts the FAKE `claude` with a screen of its own (`screen-cli.ts`) first on PATH.
 *
 * @param turns what it does in its first, second, … turn: shell scripts, run in its worktree
 */
export function fakeScreenClaude(
  home: Home,
  turns: readonly string[],
  options: Options = {},
): { PATH: string; folder: string } {
  const folder = mkdtempSync(join(home.path, 'screen-'))
  writeFileSync(join(folder, 'options.json'), JSON.stringify(options))
  for (const [index, script] of turns.entries()) writeFileSync(join(folder, `turn-${index + 1}.sh`), script)
  const node = `exec ${process.execPath} --disable-warning=ExperimentalWarning`
  return { ...fakeClaude(home, `${node} ${join(import.meta.dirname, 'screen-cli.ts')} ${folder} "$@"`), folder }
}
