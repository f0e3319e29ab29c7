import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import pi from '../../runtimes/pi.ts'
import { always, call, drop, hang, held, refuse, say, shell } from '../../src/certify/llm/script.ts'
import { run } from '../../src/os/process.ts'
import { cliOf } from './cli.ts'
import { commandLinesWith, context, pidsOf, times, wholeOf } from './fleet.ts'
import { certify, commit, failEach, of } from './jobs.ts'

const PI = cliOf(pi)
const stage = certify(PI)

const write = (path: string) => call('write', { path, content: 'text\n' })

test('its file tools write inside the worktree and nowhere else, however the path is put', async () => {
  const { fleet } = stage()
  const { HOME = '' } = fleet.home.env
  const outside = join(fleet.home.path, 'outside.txt')
  fleet.llm.play('builder', of('builder-1'), [
    write(outside),
    write('~/outside.txt'),
    write('@../outside.txt'),
    write('.git'),
    write('@inside.txt'),
    shell('git add -A && git commit -q -m Inside && ov done --summary "Wrote it"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Write a file')).exit
  expect(outcome.state).toBe('merged')
  expect(fleet.git('show', 'main:inside.txt')).toBe('text')
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(times(seen, 'is outside your worktree')).toBe(3)
  expect(times(seen, 'written by git alone')).toBe(1)
  expect([existsSync(outside), existsSync(join(HOME, 'outside.txt'))]).toEqual([false, false])
})

test('a scout has no tool that writes', async () => {
  const { fleet } = stage()
  fleet.llm.play('scout', of('scout-1'), [
    write('never.txt'),
    shell('ov done --summary "README.md:1 names the toy"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  const [asked] = fleet.llm.asked('scout')
  expect(asked?.tools).toEqual(expect.arrayContaining(['read', 'bash']))
  expect(asked?.tools).not.toEqual(expect.arrayContaining(['write']))
  expect(context(fleet.llm.asked('scout').at(-1))).toContain('Tool write not found')
})

test('nothing of the human’s gets in but the login, nothing the repository brings is run, and its instructions come once', async () => {
  const { fleet } = stage()
  const marker = join(fleet.home.path, 'ran')
  const home = fleet.home.env.HOME ?? ''
  const theirs = PI.trial.surprises({ command: `touch ${marker}`, words: 'THEIR-WORDS' })
  const brought = theirs.map(({ path, content }) => ({ path: path.replace('.pi/agent', '.pi'), content }))
  for (const [folder, files] of [
    [home, theirs],
    [fleet.repo, brought],
  ] as const)
    for (const { path, content } of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), content)
    }
  writeFileSync(join(fleet.repo, 'AGENTS.md'), 'THE-REPOSITORY-SAYS\n')
  fleet.git('add', '--all')
  fleet.git('commit', '--quiet', '--message', 'What an agent finds')
  const before = readdirSync(join(home, '.pi/agent'))
  fleet.llm.play('builder', of('builder-1'), [shell('ov done --no-changes --summary "Read it"'), say('Done.')])
  const { outcome } = await (await fleet.sling('--task', 'Look')).exit
  expect(outcome.state).toBe('done')
  const seen = wholeOf(fleet.llm.asked('builder').at(-1))
  expect(times(seen, 'THE-REPOSITORY-SAYS')).toBe(1)
  expect(seen).not.toContain('THEIR-WORDS')
  expect(existsSync(marker)).toBe(false)
  expect(readdirSync(join(home, '.pi/agent'))).toEqual(before)
})

test('on its own screen it reports by its extension, takes mail by it into the running turn and at its end, and is refused the same', async () => {
  const { fleet } = stage()
  const outside = join(fleet.home.path, 'outside.txt')
  const working = held(shell('echo second'))
  const ending = held(say('All is written.'))
  fleet.llm.play('builder', of('builder-1'), [
    shell('echo first; exit 3'),
    working,
    write(outside),
    write('inside.txt'),
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
  expect((await slung.exit).outcome).toMatchObject({ state: 'merged' })
  const seen = wholeOf(fleet.llm.asked('builder').at(-1))
  expect([times(seen, 'U-body'), times(seen, 'L-body'), times(seen, 'is outside your worktree')]).toEqual([1, 1, 1])
  expect(existsSync(outside)).toBe(false)
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([...output.matchAll(/^tool\.(\w+ (?:tool|ok)=\w+)/gm)].map(([, what]) => what)).toEqual([
    'start tool=bash',
    'end ok=false',
    'start tool=bash',
    'end ok=true',
    'start tool=write',
    'refused tool=write',
    'start tool=write',
    'end ok=true',
    'start tool=bash',
    'end ok=true',
  ])
  expect([times(output, 'mail.delivered'), times(output, 'mail.bounced')]).toEqual([3, 0])
  const { agent } = await fleet.json<{ agent: { usage: unknown } }>('inspect', 'builder-1')
  expect(agent.usage).toMatchObject({ output: 34 * fleet.llm.asked('builder').length })
})

test('on its own screen a failed turn is told with its cause and the end of its limit too', async () => {
  const { fleet } = stage()
  const resetAt = Math.ceil(Date.now() / 1000) + 3600
  const headers = {
    'anthropic-ratelimit-unified-status': 'rejected',
    'anthropic-ratelimit-unified-reset': `${resetAt}`,
  }
  const sling = ['--runtime', 'pi', '--interactive', '--model', MODEL]
  await failEach(fleet, { rate_limit: always(refuse(429, { headers })) }, sling, async (name) => {
    const { agent } = await fleet.json<{ agent: { waitingUntil: number } }>('inspect', name)
    expect(agent.waitingUntil).toBe(resetAt * 1000)
  })
  await failEach(fleet, { auth: always(refuse(401, { message: 'invalid x-api-key' })) }, sling)
})

test('each failure is told with its one cause', async () => {
  const { fleet } = stage()
  const failures = {
    overloaded: always(refuse(529)),
    network: always(drop()),
    refused: always(refuse(400)),
    model: always(refuse(404)),
    quota: always(refuse(400, { message: 'Your credit balance is too low' })),
    auth: always(refuse(403)),
    rate_limit: always(refuse(429)),
  }
  await failEach(fleet, failures, ['--runtime', 'pi', '--model', MODEL])
})

test('with nothing at the other end it is the network; an unknown name of a model and a missing login are told at once', async () => {
  const { fleet } = stage()
  await fleet.llm.close()
  await fleet.ov('sling', '--runtime', 'pi', '--model', MODEL, '--name', 'cut-off', '--task', 'Anything')
  const strange = await (await fleet.sling('--model', 'nonsense', '--task', 'Something')).exit
  expect(strange.outcome.reason).toContain('Model "nonsense" not found')
  const other = await (await fleet.sling('--model', 'openai/gpt-5.5', '--task', 'Something')).exit
  expect(other.outcome.reason).toContain('No API key found for openai')
  expect(other.outcome.reason).toContain('/login')
  await expect.poll(async () => (await fleet.ov('inspect', 'cut-off')).output, POLL).toContain('cause=network')
})

test('a stop in the middle of silence leaves no process, though its shell left some behind', async () => {
  const { fleet } = stage()
  fleet.llm.play('builder', of('builder-1'), [shell('sleep 487213 & setsid sleep 487213 & echo left'), hang()])
  await fleet.ov('sling', '--runtime', 'pi', '--model', MODEL, '--task', 'Anything')
  await expect.poll(() => fleet.llm.asked('builder').length, POLL).toBe(2)
  expect(pidsOf(PI, fleet)).toHaveLength(1)
  expect((await fleet.ov('stop', 'builder-1')).code).toBe(0)
  expect(pidsOf(PI, fleet)).toEqual([])
  expect(commandLinesWith('sleep 487213')).toEqual([])
})

test('what it used is counted once', async () => {
  const { fleet } = stage()
  fleet.llm.play('builder', of('builder-1'), [
    commit('one', 'one.txt', 'One'),
    shell('ov done --summary "One"'),
    say('Done.'),
  ])
  expect((await (await fleet.sling('--task', 'Write one.txt')).exit).outcome.state).toBe('merged')
  const { agent } = await fleet.json<{ agent: { usage: unknown } }>('inspect', 'builder-1')
  // A reply of the scripted model, at the price of what it calls itself.
  expect(agent.usage).toMatchObject({ output: 3 * 34, costUsd: expect.closeTo(3 * 0.004725, 6) })
})

test('a one-shot question has all of stdout for its answer, and leaves no session behind', async () => {
  const { fleet, bin } = stage()
  const question = 'What is @/etc/hostname?\n/cost'
  fleet.llm.play('one-shot', () => true, [say('The answer\nin two lines'), always(refuse(400))])
  const { argv, env, stdin } = pi.getPromptCommand(question, { model: MODEL })
  const ask = () =>
    run([`${bin}/pi`, ...argv.slice(1)], { cwd: fleet.repo, env: { ...fleet.env, ...env }, input: stdin })
  const answer = await ask()
  expect(answer).toMatchObject({ code: 0, stdout: 'Scripted side answer\n' })
  expect(fleet.llm.requests.at(-1)?.body).toContain(JSON.stringify(question).slice(1, -1))
  expect(fleet.llm.requests.at(-1)?.ask?.tools).toEqual([])
  expect(existsSync(join(fleet.home.env.HOME ?? '', '.pi/agent/sessions'))).toBe(false)
})

const MODEL = 'anthropic/claude-sonnet-4-5'
const POLL = { timeout: 60_000, interval: 300 }
