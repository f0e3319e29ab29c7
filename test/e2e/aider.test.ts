import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Outcome } from '../../src/tasks/outcome.ts'
import type { Answer } from '../rig/aider-cli.ts'
import { block, fakeAider } from '../rig/fake-aider.ts'
import { git, type Home, makeHome, readyRepo } from '../rig/sandbox-home.ts'

/** What `ov` does for an agent that runs no command: with a FAKE aider, since no package of the real one was to be had. */

let home: Home
let repo: string
beforeEach(async () => {
  home = makeHome()
  repo = await readyRepo(home)
})
afterEach(() => home.dispose())

interface Mail {
  readonly from: string
  readonly type: string
  readonly subject: string
  readonly body: string
}

async function sling(turns: readonly Answer[], ...args: string[]) {
  const aider = fakeAider(home, turns)
  const { code, stdout, output } = await home.ov(repo, ['sling', '--runtime', 'aider', ...args, '--wait', '--json'], {
    env: aider.env,
  })
  expect(stdout, output).toMatch(/^\{/)
  return { code, outcome: JSON.parse(stdout) as Outcome, seen: aider.seen }
}

async function mails(): Promise<Mail[]> {
  const { stdout } = await home.ov(repo, ['mail', 'check', '--json'])
  return (JSON.parse(stdout) as { mail: Mail[] }).mail
}

const facts = async (agent: string) => (await home.ov(repo, ['inspect', agent])).output

test('its edits are merged, and what it said is its word to who slung it', async () => {
  const task = '/undo "quoted" $(id) 🚀\n--help'
  const { code, outcome, seen } = await sling(
    [{ says: `I said hello.\n\n${block('hello.txt', 'hello')}` }],
    ...['--task', task],
  )
  expect(outcome).toMatchObject({ state: 'merged', attempts: 1 })
  expect(code).toBe(0)
  expect(git(home, repo, 'show', 'main:hello.txt')).toBe('hello')
  expect(git(home, repo, 'log', '--format=%(trailers:key=Co-authored-by,valueonly)', 'main')).toContain('aider')
  expect((await mails()).map(({ from, type, body }) => [from, type, body])).toContainEqual([
    'builder-1',
    'worker_done',
    'I said hello.',
  ])
  expect(seen(1)).toMatchObject({ message: expect.stringContaining(task), mode: 'code', restored: '' })
  expect(seen(1).read).toContain('You are `builder-1`')
  expect(seen(1).read).toContain("You can't run commands here")
  expect(seen(1).home).not.toBe(home.env.HOME)
  expect(await facts('builder-1')).toMatch(/1\.2k tokens in, 34 out, \$0\.0/)
})

test('a red gate sends the work back, and the same conversation mends it', async () => {
  const gates = [{ name: 'greets', command: 'grep -q fine good.txt' }]
  writeFileSync(join(repo, 'overstory.local.yaml'), JSON.stringify({ project: { qualityGates: gates } }))
  const mend = 'good.txt\n```\n<<<<<<< SEARCH\noops\n=======\nfine\n>>>>>>> REPLACE\n```'
  const { outcome, seen } = await sling(
    [{ says: `Added.\n\n${block('good.txt', 'oops')}` }, { says: `Mended.\n\n${mend}` }],
    ...['--task', 'Add something good'],
  )
  expect(outcome, outcome.reason ?? '').toMatchObject({ state: 'merged', attempts: 2 })
  expect(git(home, repo, 'show', 'main:good.txt')).toBe('fine')
  expect(seen(2).message).toContain('type="merge_failed"')
  expect(seen(2).restored).toContain('#### Your task:')
  expect(seen(2).restored).toContain('Added.')
})

test('who changed nothing is told once, and then has failed, with its words; nothing is claimed', async () => {
  const { code, outcome, seen } = await sling(
    [{ says: 'Which file do you mean?' }, { says: 'I still need to know which file.' }],
    ...['--task', 'Write it'],
  )
  expect(code).toBe(1)
  expect(outcome).toMatchObject({
    state: 'failed',
    reason: 'You changed nothing. It said:\nI still need to know which file.',
  })
  expect(seen(2).message).toContain('You changed nothing.')
  expect((await mails()).map(({ type }) => type)).not.toContain('worker_done')
})

test('a scout answers in words, in a mode that edits nothing', async () => {
  const { outcome, seen } = await sling(
    [{ says: `README.md:1 names the toy.\n\n${block('never.txt', 'no')}` }],
    ...['--capability', 'scout', '--task', 'Find the name'],
  )
  expect(outcome.state).toBe('done')
  expect(seen(1).mode).toBe('ask')
  expect((await mails()).map(({ body }) => body)).toContain('README.md:1 names the toy.')
})

test.each([
  [{ refuses: 'AuthenticationError' }, 'cause=auth', 'Check your API key'],
  [{ does: 'stumble' }, 'cause=limit', 'Only 3 reflections allowed'],
  [{ does: 'die' }, 'cause=crash', 'in the middle of a turn'],
] as const)('%o is a failure with its cause, though its exit code may be 0', async (answer, cause, words) => {
  const { code, outcome } = await sling([answer], '--task', 'Anything')
  expect(code).toBe(1)
  expect(outcome.reason).toContain(words)
  expect(await facts('builder-1')).toContain(cause)
  expect((await mails()).map(({ type }) => type)).not.toContain('worker_done')
})

test('what it tried again and got through is no failure', async () => {
  const says = `Said it.\n\n${block('hello.txt', 'hello')}`
  const { outcome } = await sling([{ refuses: 'RateLimitError', times: 3, says }], '--task', 'Say hello')
  expect(outcome.state).toBe('merged')
  expect(await facts('builder-1')).toContain('runtime.retrying')
})

test('a provider that keeps refusing parks it', async () => {
  const aider = fakeAider(home, [{ refuses: 'RateLimitError' }])
  await home.ov(repo, ['sling', '--runtime', 'aider', '--task', 'Say hello'], { env: aider.env })
  await expect.poll(() => facts('builder-1'), { interval: 200 }).toContain('cause=rate_limit')
  expect((await home.ov(repo, ['status'])).output).toContain('waiting on rate limit')
})

test('mail that comes while it works is part of its task: it claims when it has had it', async () => {
  const once = join(home.path, 'mailed')
  const aider = fakeAider(home, [
    { says: `One.\n\n${block('one.txt', '1')}`, once },
    { says: `Two.\n\n${block('two.txt', '2')}` },
  ])
  const args = ['sling', '--runtime', 'aider', '--task', 'Write one.txt', '--wait', '--json']
  const slung = home.ov(repo, args, { env: aider.env })
  await expect.poll(() => facts('builder-1'), { interval: 200 }).toContain('working')
  await home.ov(repo, ['mail', 'send', '--to', 'builder-1', '--subject', 'More', '--body', 'Write two.txt too.'])
  writeFileSync(once, '')
  expect(JSON.parse((await slung).stdout)).toMatchObject({ state: 'merged', attempts: 1 })
  expect(aider.seen(2).message).toContain('Write two.txt too.')
  expect(git(home, repo, 'show', 'main:one.txt')).toBe('1')
  expect(git(home, repo, 'show', 'main:two.txt')).toBe('2')
})

test('it is stopped with all it started, and is not made to talk to a fleet', async () => {
  const aider = fakeAider(home, [{ does: 'hang' }])
  await home.ov(repo, ['sling', '--runtime', 'aider', '--task', 'Anything'], { env: aider.env })
  await expect.poll(() => facts('builder-1'), { interval: 200 }).toContain('working')
  expect((await home.ov(repo, ['stop', 'builder-1'])).code).toBe(0)
  const coordinator = await home.ov(repo, ['coordinator', 'start', '--runtime', 'aider'], { env: aider.env })
  expect(coordinator).toMatchObject({ code: 2, output: expect.stringContaining("can't speak to ov") })
})

test('asked in passing it answers in words, and without its key says what is wrong', async () => {
  const { env, seen } = fakeAider(home, [{ says: 'It is a toy.' }, { refuses: 'AuthenticationError' }])
  const answered = await home.ov(repo, ['runtime', 'ask', 'aider', 'What is it?', '--json'], { env })
  expect(JSON.parse(answered.stdout)).toMatchObject({ answer: 'It is a toy.' })
  expect(seen(1)).toMatchObject({ mode: 'ask', message: expect.stringContaining('What is it?') })
  const refused = await home.ov(repo, ['runtime', 'ask', 'aider', 'What is it?'], { env })
  expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('Check your API key') })
})
