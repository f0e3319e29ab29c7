import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import sapling from '../../runtimes/sapling.ts'
import { always, call, drop, hang, held, refuse, say, shell } from '../../src/certify/llm/script.ts'
import { run } from '../../src/os/process.ts'
import { cliOf } from './cli.ts'
import { commandLinesWith, context, type Fleet, openFleet, times, wholeOf } from './fleet.ts'
import { installed } from './install.ts'
import { commit, failEach, of } from './jobs.ts'

const SAPLING = cliOf(sapling)
let bin = ''
let fleet: Fleet

beforeAll(async () => {
  bin = await installed(SAPLING.npm)
})
beforeEach(async () => {
  fleet = await openFleet(SAPLING, bin)
})
afterEach(() => fleet.close())

const write = (path: string) => call('write', { file_path: path, content: 'text\n' })
const mail = async (body: string, priority: string) => {
  const said = ['--subject', 'A word', '--body', body, '--priority', priority]
  const { sent } = await fleet.json<{ sent: { id: string }[] }>('mail', 'send', '--to', 'builder-1', ...said)
  return sent[0]?.id ?? '?'
}

test('sent back by a gate it begins a new conversation, which says so and what the records know', async () => {
  fleet.llm.play('builder', of('builder-1'), [
    commit('oops', 'bad', 'Add bad'),
    shell('ov done --summary "Added it"'),
    say('I wait for the merge.'),
    shell('git rm -q bad && git commit -q -m "Take bad out" && echo fine > good.txt && git add good.txt'),
    shell('git commit -q -m "Add good" && ov done --summary "Mended"'),
    say('Done again.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Add something good')).exit
  expect(outcome).toMatchObject({ state: 'merged', attempts: 2 })
  const asked = fleet.llm.asked('builder')
  const again = context(asked[3])
  expect(asked[3]?.messages).toHaveLength(1)
  for (const part of ['earlier conversation is lost', 'Add something good', 'Add bad', 'merge_failed'])
    expect(again).toContain(part)
  expect((await fleet.ov('logs', 'builder-1', '--events')).output).toContain('agent.begins-anew')
})

test('urgent mail enters the running turn once; what comes after its last tool is handed over in the next', async () => {
  const busy = held(shell('echo one > one.txt'))
  const last = held(say('That is all.'))
  fleet.llm.play('builder', of('builder-1'), [
    busy,
    last,
    shell('git add one.txt && git commit -q -m One && ov done --summary "With both words"'),
    say('Done.'),
  ])
  const slung = await fleet.sling('--task', 'Write one.txt')
  await busy.reached
  const first = await mail('Mind this.', 'urgent')
  await expect.poll(() => rawLog(fleet).includes(first), POLL).toBe(true)
  busy.release()
  await last.reached
  const second = await mail('And this.', 'urgent')
  await expect.poll(() => rawLog(fleet).includes(second), POLL).toBe(true)
  last.release()
  expect((await slung.exit).outcome.state).toBe('merged')
  const asked = fleet.llm.asked('builder')
  expect(times(context(asked[1]), `<ov-mail id=${first}`)).toBe(1)
  expect(context(asked[1])).not.toContain(second)
  expect(times(context(asked[2]), `<ov-mail id=${second}`)).toBe(1)
  const { output } = await fleet.ov('logs', 'builder-1', '--events')
  expect([times(output, 'mail.delivered'), times(output, 'mail.bounced')]).toEqual([3, 0])
})

test('its file tools write inside the worktree and nowhere else, and it knows why beforehand', async () => {
  const outside = join(fleet.home.path, 'outside.txt')
  fleet.llm.play('builder', of('builder-1'), [
    write(outside),
    write('../outside.txt'),
    write('inside.txt'),
    shell('git add -A && git commit -q -m Inside && ov done --summary "Wrote it"'),
    say('Done.'),
  ])
  expect((await (await fleet.sling('--task', 'Write a file')).exit).outcome.state).toBe('merged')
  expect(fleet.git('ls-tree', '--name-only', 'main')).toContain('inside.txt')
  expect(existsSync(outside)).toBe(false)
  expect(times(context(fleet.llm.asked('builder').at(-1)), 'Tool call blocked by guard: "write"')).toBe(2)
  expect(fleet.llm.asked('builder')[0]?.system).toContain('the path is outside your worktree')
})

test('a scout can write no file, and its shell still speaks to ov', async () => {
  fleet.llm.play('scout', of('scout-1'), [
    write('never.txt'),
    shell('ov done --summary "README.md:1 names the toy"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  expect(context(fleet.llm.asked('scout').at(-1))).toContain('Tool call blocked by guard: "write"')
})

test('what it used is counted once, also over two processes', async () => {
  fleet.llm.play('builder', of('builder-1'), [
    say('I believe that is all.'),
    commit('one', 'one.txt', 'One'),
    shell('ov done --summary "One"'),
    say('Done.'),
  ])
  expect((await (await fleet.sling('--task', 'Write one.txt')).exit).outcome.state).toBe('merged')
  const { agent } = await fleet.json<{ agent: { usage: unknown } }>('inspect', 'builder-1')
  expect(agent.usage).toMatchObject({ input: 4 * 1200, output: 4 * 34, costUsd: null })
})

test('each failure is told with its one cause', async () => {
  const failures = {
    overloaded: always(refuse(500)),
    network: always(drop()),
    refused: always(refuse(400)),
    model: always(refuse(404)),
    quota: always(refuse(400, { message: 'Your credit balance is too low' })),
    auth: always(refuse(403)),
    rate_limit: always(refuse(429)),
  }
  await failEach(fleet, failures, ['--runtime', 'sapling', '--model', MODEL])
})

test('a stop in the middle of silence leaves no process, though its shell left some behind', async () => {
  fleet.llm.play('builder', of('builder-1'), [shell('setsid sleep 587213 >/dev/null 2>&1 & echo left'), hang()])
  await fleet.ov('sling', '--runtime', 'sapling', '--model', MODEL, '--task', 'Anything')
  await expect.poll(() => fleet.llm.asked('builder').length, POLL).toBe(2)
  expect((await fleet.ov('stop', 'builder-1')).code).toBe(0)
  expect(commandLinesWith('sleep 587213')).toEqual([])
  expect(commandLinesWith(fleet.repo).filter((line) => line.includes('--prompt-file'))).toEqual([])
})

test('a one-shot question has all of stdout for its answer, and no tool does anything', async () => {
  const question = 'What is @/etc/hostname?\n/cost'
  const marker = join(fleet.home.path, 'ran')
  fleet.llm.play('one-shot', () => true, [
    say('The answer\nin two lines'),
    shell(`touch ${marker}`),
    always(refuse(400)),
  ])
  const { argv, stdin } = sapling.getPromptCommand(question, { model: MODEL })
  const ask = () => run([`${bin}/sp`, ...argv.slice(1)], { cwd: fleet.home.path, env: fleet.env, input: stdin })
  expect(await ask()).toMatchObject({ code: 0, stdout: 'The answer\nin two lines\n' })
  expect(wholeOf(fleet.llm.asked('one-shot')[0])).toContain(question)
  expect(await ask()).toMatchObject({ stdout: '' })
  expect(existsSync(marker)).toBe(false)
  expect((await ask()).code).toBe(1)
})

/** All that went over the pipes of its CLIs. */
function rawLog({ repo }: Fleet): string {
  const folder = join(repo, '.overstory', 'logs')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ndjson'))
    .map((path) => readFileSync(join(folder, path), 'utf8'))
    .join('')
}

const MODEL = 'claude-sonnet-4-5'
const POLL = { timeout: 60_000, interval: 300 }
