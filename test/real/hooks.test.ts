import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { held, say, shell, write } from '../../src/certify/llm/script.ts'
import { CLAUDE } from './cli.ts'
import { context, type Fleet, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'

let bin = ''
let fleet: Fleet

beforeAll(async () => {
  bin = await installed(CLAUDE.npm)
})
beforeEach(async () => {
  fleet = await openFleet(CLAUDE, bin)
})
afterEach(() => fleet.close())

const of = (agent: string) => (ask: { system: string }) => ask.system.includes(`You are \`${agent}\``)
test('Claude Code on its own screen reports by its hooks, takes mail by them, and is refused what its guard forbids', async () => {
  const working = held(shell('echo second'))
  const ending = held(say('All is written.'))
  const outside = join(fleet.home.path, 'outside.txt')
  fleet.llm.play('builder', of('builder-1'), [
    shell('echo first; exit 3'),
    working,
    write(outside, 'no'),
    write('inside.txt', 'yes\n'),
    ending,
    shell('git add -A && git commit -q -m "Write inside" && ov done --summary "Written"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--interactive', '--task', 'Write inside.txt')
  await working.reached
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'Urgent', '--body', 'U-body', '--priority', 'urgent')
  working.release()
  await ending.reached
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'Later', '--body', 'L-body')
  ending.release()
  const { outcome } = await slung.exit
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(existsSync(outside)).toBe(false)
  expect(times(seen, 'U-body')).toBe(1)
  expect(times(seen, 'L-body')).toBe(1)
  // Recorded in order, each call once; what was refused never began to an end of its own.
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([...output.matchAll(/^tool\.(\w+ (?:tool|ok)=\w+)/gm)].map(([, what]) => what)).toEqual([
    'start tool=Bash',
    'end ok=false',
    'start tool=Bash',
    'end ok=true',
    'start tool=Write',
    'refused tool=Write',
    'start tool=Write',
    'end ok=true',
    'start tool=Bash',
    'end ok=true',
  ])
  expect(times(output, 'mail.delivered')).toBe(3)
  expect(times(output, 'mail.bounced')).toBe(0)
})
