import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { say, shell } from '../../src/certify/llm/script.ts'
import { CLAUDE, CODEX } from './cli.ts'
import { context, type Fleet, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'
import { of } from './jobs.ts'

let fleet: Fleet
afterEach(() => fleet.close())

/** 200 KB of lines that a terminal, a shell and tmux might take for theirs, with a mark at each end. */
const long = (name: string) =>
  `${name} begins\n\u001b[201~\u001b]0;title\u0007\u0003\u0015${'it’s "$HOME" `date` \\ ;\n'.repeat(8000)}${name} ends;`

describe.each([CLAUDE, CODEX])('$title', (cli) => {
  test.each(['--interactive', '--no-interactive'])(
    '%s: a task of 200 KB arrives whole, a nudge of 200 KB once, with how to read the rest',
    async (mode) => {
      fleet = await openFleet(cli, await installed(cli.npm))
      fleet.llm.play('builder', of('builder-1'), [
        shell('ov ask "What else?"'),
        say('I wait for an answer.'),
        shell('ov done --no-changes --summary "Read it all"'),
        say('Done.'),
      ])
      writeFileSync(join(fleet.repo, 'task.txt'), long('task'))
      const slung = await fleet.sling(mode, '--capability', 'builder', '--task-file', 'task.txt')
      await expect.poll(async () => (await fleet.ov('status')).output, { interval: 500 }).toContain('What else?')
      const nudged = await fleet.home.ov(fleet.repo, ['nudge', 'builder-1', '-'], {
        env: fleet.env,
        input: long('nudge'),
      })
      expect(nudged.code, nudged.output).toBe(0)
      expect((await slung.exit).outcome).toMatchObject({ state: 'done' })
      const seen = context(fleet.llm.asked('builder').at(-1))
      for (const mark of [
        'task begins\n',
        'task ends;',
        '\nnudge begins\n',
        'more characters; all of it: ov mail read',
      ])
        expect(times(seen, mark), mark).toBe(1)
      expect(times(seen, 'it’s "$HOME" `date` \\ ;\n')).toBeGreaterThanOrEqual(8000)
      // On pipes a task goes as it was written; what is typed or is mail has no control characters.
      expect(times(seen, '\u001b')).toBe(mode === '--interactive' ? 0 : 2)
    },
  )
})
