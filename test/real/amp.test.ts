import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import amp from '../../runtimes/amp.ts'
import { call, held, say, shell } from '../../src/certify/llm/script.ts'
import { cliOf } from './cli.ts'
import { context, type Fleet, openFleet, times, wholeOf } from './fleet.ts'
import { installed } from './install.ts'
import { of } from './jobs.ts'

/* What is Amp's own, beside the proofs for all: the real CLI, before an emulation of its vendor's server. */

const AMP = cliOf(amp)

let bin = ''
let fleet: Fleet
beforeAll(async () => {
  bin = await installed(AMP.npm)
})
afterEach(() => fleet.close())

test('a key that the server knows nothing of is refused before the turn: the task fails, with what to do', async () => {
  fleet = await openFleet({ ...AMP, key: 'nonsense' }, bin)
  const { code, outcome } = await (await fleet.sling('--task', 'Anything')).exit
  expect(code).toBe(1)
  expect(outcome).toMatchObject({ state: 'failed', reason: expect.stringContaining('Invalid or missing API key') })
  expect(outcome.reason).toContain(amp.login.hint)
})

test.each([
  ['allows all tools', { 'amp.permissions': [{ tool: '*', action: 'allow' }] }],
  ['switches permissions off', { 'amp.dangerouslyAllowAll': true }],
])(
  'a repository whose own settings %s does not open the way out of the worktree, not even for one file of a patch',
  async (_, theirs) => {
    fleet = await openFleet(AMP, bin)
    mkdirSync(join(fleet.repo, '.amp'))
    writeFileSync(join(fleet.repo, '.amp', 'settings.json'), JSON.stringify(theirs))
    fleet.git('add', '--all')
    fleet.git('commit', '--quiet', '--message', 'Settings for Amp')
    const outside = join(fleet.home.path, 'outside.txt')
    const patchText = `*** Begin Patch\n*** Add File: inside.txt\n+no\n*** Add File: ${outside}\n+no\n*** End Patch`
    fleet.llm.play('builder', of('builder-1'), [
      call('create_file', { path: outside, content: 'no' }),
      call('apply_patch', { patchText }),
      shell('test ! -e inside.txt && echo yes > inside.txt && git add inside.txt && git commit -q -m Inside'),
      shell('ov done --summary "Wrote it"'),
      say('Done.'),
    ])
    const { outcome } = await (await fleet.sling('--task', 'Write a file')).exit
    expect(outcome.state).toBe('merged')
    expect(existsSync(outside)).toBe(false)
    expect(context(fleet.llm.asked('builder').at(-1)).split('is outside your worktree')).toHaveLength(3)
  },
)

test('a scout has no tool that writes a file', async () => {
  fleet = await openFleet(AMP, bin)
  fleet.llm.play('scout', of('scout-1'), [shell('ov done --summary "Seen"'), say('Done.')])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  const { tools = [] } = fleet.llm.asked('scout')[0] ?? {}
  expect(tools).toContain('Read')
  for (const name of ['create_file', 'edit_file', 'apply_patch', 'download_thread_changes'])
    expect(tools).not.toContain(name)
})

test('urgent mail enters the running turn at the end of the current tool’s output, once', async () => {
  fleet = await openFleet(AMP, bin)
  const busy = held(shell('echo one > one.txt; echo written'))
  fleet.llm.play('builder', of('builder-1'), [
    busy,
    shell('git add one.txt && git commit -q -m One && ov done --summary "With the urgent word"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', 'Write one.txt')
  await busy.reached
  const words = ['--subject', 'Stop press', '--priority', 'urgent', '--body', 'Mind this.']
  const { sent } = await fleet.json<{ sent: { id: string }[] }>('mail', 'send', '--to', 'builder-1', ...words)
  busy.release()
  expect((await slung.exit).outcome.state).toBe('merged')
  const [, second, third] = fleet.llm.asked('builder')
  expect(second?.messages.at(-1)?.toolResults[0]?.text).toMatch(/^written\n.*Mind this\./s)
  expect(times(wholeOf(third), sent[0]?.id ?? '?')).toBe(1)
})
