import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Answer, Seen } from './aider-cli.ts'
import type { Home } from './sandbox-home.ts'

/**
 * Puts the FAKE `aider` (`aider-cli.ts`) first on PATH, and its key into the environment. It is not aider and proves
 * nothing about it; what it proves is what `ov` does with a CLI that behaves as aider's documentation says.
 *
 * @param turns what its model answers in its first, second, … turn
 */
export function fakeAider(
  home: Home,
  turns: readonly Answer[],
): { env: Record<string, string>; seen: (turn: number) => Seen } {
  const folder = mkdtempSync(join(home.path, 'aider-'))
  for (const [index, answer] of turns.entries())
    writeFileSync(join(folder, `turn-${index + 1}.json`), JSON.stringify(answer))
  const program = join(import.meta.dirname, 'aider-cli.ts')
  writeFileSync(
    join(folder, 'aider'),
    `#!/bin/sh\nexec ${process.execPath} --disable-warning=ExperimentalWarning ${program} ${folder} "$@"\n`,
    { mode: 0o755 },
  )
  return {
    env: { PATH: `${folder}:${home.env.PATH}`, OPENAI_API_KEY: 'sk-proj-not-a-real-key-0123456789' },
    seen: (turn) => JSON.parse(readFileSync(join(folder, `seen-${turn}.json`), 'utf8')) as Seen,
  }
}

/** What its model says to add lines to a file, new or not. */
export function block(path: string, text: string): string {
  return `${path}\n\`\`\`\n<<<<<<< SEARCH\n=======\n${text}\n>>>>>>> REPLACE\n\`\`\``
}
