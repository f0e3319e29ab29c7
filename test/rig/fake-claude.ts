import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Home } from './sandbox-home.ts'

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
