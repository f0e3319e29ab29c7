import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { always, call, held, refuse, say } from '../rig/llm/script.ts'
import { account, commandLinesWith, context, type Fleet, filesWith, KEY, type Mail, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'

let bin = ''
let fleet: Fleet

beforeAll(async () => {
  bin = await installed('@anthropic-ai/claude-code', '2.1.328', 'claude')
})
beforeEach(async () => {
  fleet = await openFleet(bin)
})
afterEach(() => fleet.close())

/** Claude's own shell tool. */
const bash = (command: string) => call('Bash', { command, description: 'run' })
const commit = (text: string, file: string, message: string) =>
  bash(`echo "${text}" >> ${file} && git add ${file} && git commit -q -m "${message}" && git log --oneline | head -1`)
/** Conversations of one agent are known by the name in its instructions. */
const of = (agent: string) => (ask: { system: string }) => ask.system.includes(`\`${agent}\``)

test('Claude Code does a whole job: commits by its shell, mail both ways, done, gated, merged and landed', async () => {
  const working = held(say('The first part is committed.'))
  fleet.llm.play('builder', of('builder-1'), [
    bash('env | grep -i key; pwd; git status --short --branch'),
    commit('hello', 'hello.txt', 'Say hello'),
    bash('ov mail send --to human --subject "Greeting is in" --body "Anything else?"'),
    working,
    commit('world', 'hello.txt', 'Greet the world'),
    bash('ov mail check'),
    bash('npm test && ov done --summary "Greeted everybody"'),
    say('All done.'),
  ])
  const slung = await fleet.sling('--capability', 'builder', '--task', 'Write hello.txt')
  await working.reached
  expect(commandLinesWith(KEY)).toEqual([])
  await fleet.ov('mail', 'send', '--to', 'builder-1', '--subject', 'One more thing', '--body', 'Greet the world too.')
  working.release()
  const { code, outcome } = await slung.exit
  expect(outcome).toMatchObject({ state: 'merged', agent: 'builder-1', attempts: 1 })
  expect(code).toBe(0)

  // The work is on main, and in the human's checkout.
  expect(fleet.git('show', 'main:hello.txt')).toBe('hello\nworld')
  expect(fleet.git('rev-parse', 'main')).toBe(outcome.mergedAs)
  expect(fleet.git('log', '-1', '--format=%(trailers:key=Ov-Runtime,valueonly)', 'main')).toBe('claude')
  expect(fleet.git('status', '--porcelain')).toBe('')

  // Each mail entered the context once.
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(times(seen, 'Greet the world too.')).toBe(1)
  expect(times(seen, '<ov-mail id=')).toBe(1)
  const { mail } = await fleet.json<{ mail: Mail[] }>('mail', 'check')
  expect(mail.map((one) => [one.from, one.type, one.subject])).toEqual(
    expect.arrayContaining([
      ['builder-1', 'status', 'Greeting is in'],
      ['builder-1', 'worker_done', 'Done: Greeted everybody'],
    ]),
  )

  // The key was in the environment of all this, and is nowhere in the books.
  expect(context(fleet.llm.asked('builder').at(-1))).toContain(KEY)
  expect(filesWith(`${fleet.repo}/.overstory`, KEY)).toEqual([])
  expect(fleet.llm.unscripted).toEqual([])
  account('claude-main-job', {
    'Outcome (ov sling --wait --json)': JSON.stringify(outcome, null, 2),
    'What the model saw and did': fleet.llm
      .asked('builder')
      .at(-1)
      ?.messages.map((message) => JSON.stringify(message, null, 1))
      .join('\n')
      .replaceAll(KEY, '[the key]') as string,
    "The human's mail": mail.map((one) => `${one.from} · ${one.type} · ${one.subject}\n${one.body}`).join('\n\n'),
    'git log --graph --stat main': fleet.git('log', '--graph', '--stat', '--format=%h %an %s%n%b', 'main'),
  })
})

test('a red gate sends the work back, and the same session mends it', async () => {
  fleet.llm.play('builder', of('builder-1'), [
    commit('oops', 'bad', 'Add bad'),
    bash('ov done --summary "Added it"'),
    say('Done.'),
    bash(
      'git rm -q bad && git commit -q -m "Take bad out again" && echo fine > good.txt && git add good.txt && git commit -q -m "Add good"',
    ),
    bash('ov done --summary "Mended"'),
    say('Done again.'),
  ])
  const { code, outcome } = await (await fleet.sling('--task', 'Add something good')).exit
  expect(outcome).toMatchObject({ state: 'merged', attempts: 2 })
  expect(code).toBe(0)
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(seen).toContain('type="merge_failed"')
  expect(seen).toContain('Add something good')
  expect(fleet.git('ls-tree', '--name-only', 'main').split('\n')).toContain('good.txt')
  expect(fleet.git('ls-tree', '--name-only', 'main').split('\n')).not.toContain('bad')
})

test('ov ask --wait inside Claude holds its shell until the human answers', async () => {
  fleet.llm.play('builder', of('builder-1'), [
    bash(
      'ov ask "Which colour?" --wait > colour.txt && git add colour.txt && git commit -q -m "Take the colour" && cat colour.txt',
    ),
    bash('ov done --summary "Coloured"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', 'Write the colour into colour.txt')
  let question: Mail | undefined
  await expect
    .poll(
      async () => {
        const { mail } = await fleet.json<{ mail: Mail[] }>('mail', 'check')
        question = mail.find((one) => one.type === 'question') ?? question
        return question?.subject
      },
      { timeout: 60_000, interval: 200 },
    )
    .toBe('Which colour?')
  await fleet.ov('mail', 'reply', question?.id ?? '', '--body', 'Dark blue.')
  const { outcome } = await slung.exit
  expect(outcome.state).toBe('merged')
  expect(fleet.git('show', 'main:colour.txt')).toBe('Dark blue.')
})

test('a key that is refused fails the task, with the cause and what to do', async () => {
  fleet.llm.play('builder', of('builder-1'), [always(refuse(401, { message: 'invalid x-api-key' }))])
  const { code, outcome } = await (await fleet.sling('--task', 'Anything')).exit
  expect(code).toBe(1)
  expect(outcome.state).toBe('failed')
  expect(outcome.reason).toContain('Invalid API key')
  expect(outcome.reason).toContain('claude auth login')
  expect(filesWith(`${fleet.repo}/.overstory`, KEY)).toEqual([])
})

test('a turn that ends without a word is reminded once, then failed', async () => {
  fleet.llm.play('builder', of('builder-1'), [say('I believe that is all.'), say('As I said.')])
  const { code, outcome } = await (await fleet.sling('--task', 'Something')).exit
  expect(code).toBe(1)
  expect(outcome).toMatchObject({ state: 'failed' })
  expect(outcome.reason).toContain('without saying')
  const asked = fleet.llm.asked('builder')
  expect(asked).toHaveLength(2)
  expect(times(context(asked.at(-1)), 'ov fail --reason "why"')).toBe(1)
})
