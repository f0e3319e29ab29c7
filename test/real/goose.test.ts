import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import goose from '../../runtimes/goose.ts'
import { call, refuse, say, shell, write } from '../../src/certify/llm/script.ts'
import { type Cli, cliOf } from './cli.ts'
import { context, type Fleet, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

/** What is goose's own, beside what every CLI is certified by. */

const GOOSE: Cli = cliOf(goose)
const { trial } = goose

let bin = ''
let fleet: Fleet
beforeAll(async () => {
  bin = await installed(GOOSE.npm)
})
beforeEach(async () => {
  fleet = await openFleet(GOOSE, bin)
})
afterEach(() => fleet.close())

const FULL = refuse(429, trial.limit(Date.now() / 1000) ?? {})

test('a prompt whose request was refused stands in its conversation, and is not sent again', async () => {
  fleet.llm.play('builder', of('builder-1'), [
    ...[FULL, FULL, FULL, FULL],
    commit('later', 'later.txt', 'Later'),
    shell('ov done --summary "After the limit"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Write later.txt')).exit
  expect(outcome).toMatchObject({ state: 'merged', attempts: 1 })
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(times(seen, 'Write later.txt')).toBe(1)
  expect(seen).toContain('Go on with your task')
})

test('a scout may write nothing by its tools', async () => {
  const tools = ['edit', 'shell', 'tree', 'write']
  fleet.llm.play('scout', of('scout-1'), [
    write('never.txt', 'no'),
    call('edit', { path: 'README.md', before: 'Toy', after: 'Tool' }),
    shell('git status --short; ov done --summary "Looked"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--capability', 'scout', '--task', 'Find the name')).exit
  expect(outcome.state).toBe('done')
  const asked = fleet.llm.asked('scout')
  expect(asked[0]?.tools).toEqual(expect.arrayContaining(tools))
  expect(times(context(asked.at(-1)), 'Your role is read-only')).toBe(2)
  expect(context(asked.at(-1))).not.toContain('?? never.txt')
})

test('provider, model and key may stand in the human’s own files alone', async () => {
  await fleet.close()
  const config = ({ url }: { url: string }) => ({ GOOSE_PROVIDER: 'openai', GOOSE_MODEL: 'gpt-4o', OPENAI_HOST: url })
  const cli = cliOf({
    ...goose,
    trial: {
      ...trial,
      setting: (model) => ({
        env: {},
        files: [
          { path: '.config/goose/config.yaml', content: JSON.stringify(config(model)) },
          { path: '.config/goose/secrets.yaml', content: JSON.stringify({ OPENAI_API_KEY: model.key }) },
        ],
      }),
    },
  })
  fleet = await openFleet(cli, bin)
  fleet.llm.play('builder', of('builder-1'), [
    shell('env; ov done --no-changes --summary "By the files"'),
    say('Done.'),
  ])
  const { outcome } = await (await fleet.sling('--task', 'Look')).exit
  expect(outcome.state).toBe('done')
  // What its shell gets is its environment; a key in a file is not in there.
  expect(context(fleet.llm.asked('builder').at(-1))).not.toContain(cli.key)
  const [first] = fleet.llm.requests.filter((one) => one.ask !== null)
  expect(first?.headers.authorization).toBe(`Bearer ${cli.key}`)
  const data = join(fleet.home.env.HOME ?? '', '.local', 'share', 'goose')
  expect(existsSync(data)).toBe(false)
})

test('a question in passing leaves nothing of it with the human, and one that fails says so, though its exit code does not', async () => {
  const asked = await fleet.ov('runtime', 'ask', 'goose', '/compact?')
  expect(asked).toMatchObject({ code: 0, stdout: 'Scripted side answer\n' })
  // That it was asked for its version, it notes all the same.
  for (const path of ['.local/share/goose', '.local/state/goose/logs/llm_request.0.jsonl', '.config/goose'])
    expect(existsSync(join(fleet.home.env.HOME ?? '', path))).toBe(false)
  await fleet.llm.close()
  const failed = await fleet.ov('runtime', 'ask', 'goose', 'Why?')
  expect(failed).toMatchObject({ code: 1, output: expect.stringContaining('Could not connect') })
})
