import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import gemini from '../../runtimes/gemini.ts'
import { always, call, drop, hang, held, refuse, say, shell, write } from '../../src/certify/llm/script.ts'
import { cliOf } from './cli.ts'
import { commandLinesWith, context, pidsOf, times, wholeOf } from './fleet.ts'
import { certify, commit, failEach, of } from './jobs.ts'

const GEMINI = cliOf(gemini)
const stage = certify(GEMINI)

test('a task and a mail arrive as they were written: no command, no shell, no @file is taken for more than text', async () => {
  const { fleet } = stage()
  const task =
    '/compress "quoted" $(touch pwned) `id` !{touch pwned} {{args}} @{README.md} me@README.md 🚀\n\n\n--help\n\ttab'
  fleet.llm.play('builder', of('builder-1'), [
    shell('ov ask "What else?"'),
    say('I wait.'),
    shell('ov done --no-changes --summary "Read it"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', task)
  await expect.poll(async () => (await fleet.ov('status')).output, POLL).toContain('waiting on human')
  const { mail } = await fleet.json<{ mail: { id: string }[] }>('mail', 'check')
  await fleet.ov('mail', 'reply', mail[0]?.id ?? '?', '--body', '@README.md and\n\n  @/etc/hostname\n/quit')
  expect((await slung.exit).outcome.state).toBe('done')
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(seen).toContain(task)
  expect(seen).toContain('@README.md and\n\n  @/etc/hostname\n/quit')
  expect(seen).not.toContain('Content from')
})

test('writes outside, in .git and by a link out are refused, pushes too; inside it goes through', async () => {
  const { fleet } = stage()
  const outside = join(fleet.home.path, 'outside')
  mkdirSync(outside)
  fleet.llm.play('builder', of('builder-1'), [
    shell(`ln -s ${outside} link`),
    write(`${outside}/a.txt`, 'no'),
    write('link/b.txt', 'no'),
    write('.git', 'no'),
    shell('true && git push origin HEAD'),
    call('run_shell_command', { command: 'sleep 4322', is_background: true }),
    write('inside.txt', 'yes\n'),
    shell('rm link && git add inside.txt && git commit -q -m Inside && ov done --summary "Wrote it"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Write a file')).exit
  expect(outcome.state).toBe('merged')
  expect(readdirSync(outside)).toEqual([])
  expect(fleet.git('show', 'main:inside.txt')).toBe('yes')
  expect(fleet.git('log', '-1', '--no-merges', '--format=%an <%ae> %cn', 'main')).toBe('Test <test@localhost> Test')
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(times(seen, 'resolves outside the allowed workspace')).toBe(3)
  expect(seen).toContain('Nothing is pushed')
  expect(seen).toContain('Nothing goes on behind your turn')
})

test('a scout has no tool that writes, and no agent has agents of its own', async () => {
  const { fleet } = stage()
  fleet.llm.play('scout', of('scout-1'), [
    call('write_file', { file_path: 'never.txt', content: 'no' }),
    shell('ov done --summary "README.md:1 names the toy"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  const [first] = fleet.llm.asked('scout')
  expect(first?.tools).toContain('read_file')
  for (const tool of ['write_file', 'replace', 'invoke_agent', 'enter_plan_mode', 'activate_skill'])
    expect(first?.tools).not.toContain(tool)
})

test('nothing of the human’s gets in, nothing in the repository is run, and nothing of theirs is changed', async () => {
  const { fleet } = stage()
  const home = fleet.home.env.HOME ?? ''
  const marker = join(fleet.home.path, 'ran')
  const surprises = GEMINI.trial.surprises({ command: `touch ${marker}`, words: 'THEIR-WORDS' })
  for (const { path, content } of surprises)
    for (const root of [home, fleet.repo]) {
      mkdirSync(join(root, path, '..'), { recursive: true })
      writeFileSync(join(root, path), content)
    }
  rmSync(join(fleet.repo, '.gemini', 'GEMINI.md'))
  rmSync(join(fleet.repo, '.gemini', 'skills'), { recursive: true })
  writeFileSync(join(fleet.repo, '.env'), 'FROM_THE_REPOSITORY=1\n')
  writeFileSync(join(fleet.repo, 'AGENTS.md'), 'THE-REPOSITORY-SAYS\n')
  fleet.git('add', '--all')
  fleet.git('commit', '--quiet', '--message', 'What an agent finds')
  const before = readdirSync(join(home, '.gemini'), { recursive: true })
  fleet.llm.play('builder', of('builder-1'), [shell('env; ov done --no-changes --summary "Read it"'), say('Done.')])
  const { outcome } = await (await fleet.sling('--task', 'Look')).exit
  expect(outcome.state).toBe('done')
  const seen = wholeOf(fleet.llm.asked('builder').at(-1))
  expect(seen).toContain('THE-REPOSITORY-SAYS')
  expect(seen).not.toContain('THEIR-WORDS')
  expect(seen).not.toContain('FROM_THE_REPOSITORY')
  expect(existsSync(marker)).toBe(false)
  expect(readdirSync(join(home, '.gemini'), { recursive: true })).toEqual(before)
})

test('each failure is told with its one cause, soon', async () => {
  const { fleet } = stage()
  const failures = {
    overloaded: always(refuse(500)),
    network: always(drop()),
    refused: always(refuse(400)),
    model: always(refuse(404, { message: 'models/gemini-9 is not found for API version v1beta' })),
    quota: always(refuse(429, { message: 'Quota exceeded, limit: 0, model: gemini-3' })),
    rate_limit: always(refuse(429, { message: 'Slow down.' })),
  }
  await failEach(fleet, failures, ['--runtime', 'gemini'])
  for (const cause of Object.keys(failures)) expect(fleet.llm.asked(`of-${cause.replace('_', '-')}`)).toHaveLength(1)
})

test('a stop in the middle of silence leaves no process, though its shell left some behind', async () => {
  const { fleet } = stage()
  fleet.llm.play('builder', of('builder-1'), [
    shell('sleep 4321 >/dev/null 2>&1 & setsid sleep 4321 >/dev/null 2>&1 & echo left'),
    hang(),
  ])
  await fleet.ov('sling', '--runtime', 'gemini', '--task', 'Anything')
  await expect.poll(() => fleet.llm.asked('builder').length, POLL).toBe(2)
  expect(pidsOf(GEMINI, fleet)).toHaveLength(1)
  expect((await fleet.ov('stop', 'builder-1')).code).toBe(0)
  expect(pidsOf(GEMINI, fleet)).toEqual([])
  expect(commandLinesWith('sleep 4321')).toEqual([])
})

test('urgent mail enters the running turn behind the current tool, once', async () => {
  const { fleet } = stage()
  const busy = held(shell('echo one'))
  fleet.llm.play('builder', of('builder-1'), [
    busy,
    commit('two', 'two.txt', 'Two'),
    shell('ov done --summary "Both"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', 'Write')
  await busy.reached
  await fleet.ov(
    'mail',
    'send',
    '--to',
    'builder-1',
    '--subject',
    'Stop press',
    '--priority',
    'urgent',
    '--body',
    'U-body',
  )
  busy.release()
  expect((await slung.exit).outcome).toMatchObject({ state: 'merged' })
  const [, second, third] = fleet.llm.asked('builder')
  expect([times(context(second), 'U-body'), times(context(third), 'U-body')]).toEqual([1, 1])
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([times(output, 'mail.delivered'), times(output, 'mail.bounced')]).toEqual([2, 0])
})

const POLL = { timeout: 60_000, interval: 300 }
