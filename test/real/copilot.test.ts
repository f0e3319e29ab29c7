import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import copilot from '../../runtimes/copilot.ts'
import { call, held, say, shell, write } from '../../src/certify/llm/script.ts'
import { cliOf } from './cli.ts'
import { context, type Fleet, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'
import { of } from './jobs.ts'

const COPILOT = cliOf(copilot)

let bin = ''
let fleet: Fleet

beforeAll(async () => {
  bin = await installed(COPILOT.npm)
})
beforeEach(async () => {
  fleet = await openFleet(COPILOT, bin)
})
afterEach(() => fleet.close())

test('Copilot takes urgent mail with the result of the current tool, once, and writes nowhere but in its worktree', async () => {
  const working = held(shell('echo second'))
  const outside = join(fleet.home.path, 'outside.txt')
  fleet.llm.play('builder', of('builder-1'), [
    shell('echo first; exit 3'),
    working,
    write(outside, 'no'),
    write('.git', 'no'),
    write('inside.txt', 'yes\n'),
    shell('git add -A && git commit -q -m "Write inside" && ov done --summary "Written"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', 'Write inside.txt')
  await working.reached
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'Urgent', '--body', 'U-body', '--priority', 'urgent')
  working.release()
  const { outcome } = await slung.exit
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(existsSync(outside)).toBe(false)
  const asked = fleet.llm.asked('builder')
  expect(times(context(asked[2]), 'U-body')).toBe(1)
  const seen = context(asked.at(-1))
  expect(times(seen, 'U-body')).toBe(1)
  expect(seen).toContain('is outside your worktree')
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([...output.matchAll(/^tool\.(\w+ (?:tool|ok)=\w+)/gm)].map(([, what]) => what)).toEqual([
    'start tool=bash',
    'end ok=false',
    'start tool=bash',
    'end ok=true',
    'start tool=create',
    'refused tool=Write',
    'end ok=false',
    'start tool=create',
    'refused tool=Write',
    'end ok=false',
    'start tool=create',
    'end ok=true',
    'start tool=bash',
    'end ok=true',
  ])
  expect(times(output, 'mail.delivered')).toBe(2)
})

test('a patch of several files is refused for the one that lies outside', async () => {
  const outside = join(fleet.home.path, 'outside.txt')
  const patch = `*** Begin Patch\n*** Add File: in.txt\n+yes\n*** Add File: ${outside}\n+no\n*** End Patch\n`
  fleet.llm.play('builder', of('builder-1'), [
    call('apply_patch', patch),
    call('apply_patch', '*** Begin Patch\n*** Add File: in.txt\n+yes\n*** End Patch\n'),
    shell('git add -A && git commit -q -m "Patch" && ov done --summary "Patched"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Patch it', '--model', 'gpt-5.5')).exit
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(fleet.git('show', 'main:in.txt')).toBe('yes')
  expect(existsSync(outside)).toBe(false)
  expect(context(fleet.llm.asked('builder').at(-1))).toContain('is outside your worktree')
})

test('on its own screen Copilot reports by its hooks, takes mail by them, is refused what its guard forbids, and is counted', async () => {
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
  expect(outcome).toMatchObject({ state: 'merged' })
  expect(existsSync(outside)).toBe(false)
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect([times(seen, 'U-body'), times(seen, 'L-body')]).toEqual([1, 1])
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
  const { agent } = await fleet.json<{ agent: { usage: { output: number | null } } }>('inspect', 'builder-1')
  expect(agent.usage.output).toBe(7 * 34)
})
