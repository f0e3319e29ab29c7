import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod'
import { configSchema } from '../../src/config/load.ts'
import type { AgentRuntime } from '../../src/contract/runtime.ts'
import { askForJson, askOnce, type Question } from '../../src/runner/ask-once.ts'
import { jsonIn } from '../../src/runner/json-answer.ts'
import { loadRuntime } from '../../src/runtimes/registry.ts'
import { herd } from '../rig/processes.ts'
import { inHome } from '../rig/project.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

/* The CLIs are fakes in every case: shell scripts of their names. What is proved is what the engine does about them. */

let home: Home
let bin: string
const sleepers = herd()
beforeEach(() => {
  home = makeHome()
  bin = join(home.path, 'bin')
  mkdirSync(bin)
})
afterEach(async () => {
  sleepers.end()
  await home.dispose()
})

const config = () => configSchema().parse({})

/** Asks the runtime whose program is this script. */
async function asking<T>(
  id: string,
  script: string,
  ask: (question: Question) => Promise<T>,
  more: Partial<Question> = {},
  env: Record<string, string> = {},
): Promise<T> {
  const runtime = await loadRuntime(id)
  writeFileSync(join(bin, runtime.binaries[0] ?? ''), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  const inside = { PATH: `${bin}:${home.env.PATH}`, ...env }
  return inHome(home, () => ask({ runtime, text: 'What is it?', timeoutMs: 20_000, ...more }), inside)
}

const once = (script: string, more: Partial<Question> = {}, env: Record<string, string> = {}) =>
  asking('claude', script, (question) => askOnce(config(), question), more, env)

describe('a question', () => {
  test('is asked in an empty folder, of which nothing is left, with what an agent sees of the environment', async () => {
    const seen = join(home.path, 'seen')
    const hostile = {
      NODE_OPTIONS: '--require /nowhere.js',
      CLAUDECODE: '1',
      CLAUDE_CODE_ENTRYPOINT: 'cli',
      GEMINI_CLI: '1',
      SOME_SECRET: 'abc',
      ANTHROPIC_API_KEY: 'sk-of-mine-1234567890',
    }
    const script = `ls -A > '${seen}'; pwd >> '${seen}'; env > '${seen}.env'; touch left; cat; echo " by $ANTHROPIC_API_KEY"`
    const { text } = await once(script, {}, hostile)
    expect(text).toBe('What is it? by [ANTHROPIC_API_KEY]')
    const [folder = '', more] = readFileSync(seen, 'utf8').trim().split('\n')
    expect(more).toBeUndefined()
    expect([existsSync(folder), readdirSync(home.env.TMPDIR ?? '')]).toEqual([false, []])
    const names = readFileSync(`${seen}.env`, 'utf8')
      .split('\n')
      .map((line) => line.split('=')[0])
    expect(names).toContain('ANTHROPIC_API_KEY')
    for (const name of ['NODE_OPTIONS', 'CLAUDECODE', 'CLAUDE_CODE_ENTRYPOINT', 'GEMINI_CLI', 'SOME_SECRET'])
      expect(names).not.toContain(name)
  })

  test.each([
    ['that fails', 'echo "Not logged in" >&2; exit 1', 'ask.failed', /could not answer\.\nNot logged in/],
    ['that has no answer', 'exit 0', 'ask.empty', /gave no answer/],
    ['that answers without end', 'yes', 'ask.timeout', /within 1 s/],
    ['that answers far too much', "head -c 50000000 /dev/zero | tr '\\0' x", 'ask.too-long', /longer than 1 MiB/],
    ['that hangs', `sleep ${sleepers.token}`, 'ask.timeout', /gave no answer within 1 s/],
    ['that is killed', 'kill -9 $$', 'ask.failed', /could not answer/],
  ])('to a CLI %s is answered by an error', async (_, script, code, message) => {
    const timeoutMs = code === 'ask.timeout' ? 1_000 : 30_000
    await expect(once(script, { timeoutMs })).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    expect(sleepers.sleepers()).toEqual([])
  })

  test('tells what it used, where the CLI does', async () => {
    const report = {
      type: 'result',
      subtype: 'success',
      is_error: false,
      result: 'Yes',
      terminal_reason: 'completed',
      total_cost_usd: 0.002,
      usage: { input_tokens: 12, output_tokens: 3, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 },
    }
    expect(await once(`cat > /dev/null; echo '${JSON.stringify(report)}'`)).toMatchObject({
      text: 'Yes',
      usage: [{ input: 12, output: 3, costUsd: 0.002 }],
    })
    expect(await once('cat > /dev/null; echo Yes')).toMatchObject({ text: 'Yes', usage: [] })
    const refused = { ...report, is_error: true, result: 'Credit balance is too low' }
    await expect(once(`cat > /dev/null; echo '${JSON.stringify(refused)}'`)).rejects.toMatchObject({
      code: 'ask.failed',
      message: expect.stringContaining('Credit balance is too low'),
    })
  })

  test('leaves no child behind, not even one that left its group', async () => {
    const { text } = await once(`setsid sleep ${sleepers.token} > /dev/null 2>&1 & sleep ${sleepers.token} & echo Yes`)
    expect(text).toBe('Yes')
    expect(sleepers.sleepers()).toEqual([])
  })

  test('is answered in whatever bytes; those that are no UTF-8 are marked', async () => {
    expect((await once("printf 'caf\\351 \\360\\237\\230\\200'")).text).toBe('caf\ufffd 😀')
  })

  test('is given up when nobody waits any more', async () => {
    const given = new AbortController()
    const asked = once(`sleep ${sleepers.token}`, { signal: given.signal })
    await expect.poll(() => sleepers.sleepers().length).toBeGreaterThan(0)
    given.abort()
    await expect(asked).rejects.toMatchObject({ code: 'ask.interrupted', kind: 'interrupted' })
    expect(sleepers.sleepers()).toEqual([])
  })

  test('goes to a CLI without a command for it as the one turn of a session that may do nothing', async () => {
    const recorded = join(import.meta.dirname, '..', 'runtimes', 'fixtures', 'gemini-0.61.0.works-after-503.ndjson')
    const script = `cat > /dev/null; cat '${recorded}'`
    const { text } = await asking('gemini', script, (question) => {
      const runtime: AgentRuntime = { ...question.runtime, getPromptCommand: () => null }
      return askOnce(config(), { ...question, runtime })
    })
    expect(text).toBe('recovered after 503')
    expect(readdirSync(home.env.TMPDIR ?? '')).toEqual([])
  })

  test('is refused for a runtime that understands none', async () => {
    const runtime = await loadRuntime('shell')
    await expect(askOnce(config(), { runtime, text: 'Why?' })).rejects.toMatchObject({ code: 'ask.impossible' })
  })
})

describe('JSON in an answer', () => {
  test.each([
    ['alone', '{"a": 1}', { a: 1 }],
    ['in a fence', 'Sure!\n```json\n{"a": 1}\n```\nAnything else?', { a: 1 }],
    ['in a fence of no language', '~~~\n[1, 2]\n~~~', [1, 2]],
    ['in prose', 'The verdict is {"a": "}\\" {"} as I said.', { a: '}" {' }],
    ['after a thought of another shape', 'Perhaps {"a": 0}? No: {"a": 1}', { a: 1 }],
    ['behind a bracket that opens nothing', 'See [1 or {"a": 1}', { a: 1 }],
  ])('is found %s', (_, answer, value) => {
    expect(jsonIn(answer)[0]).toEqual(value)
  })

  test.each([['none at all'], ['{"a": 1'], ['{a: 1}'], ['['.repeat(100_000)], ['']])(
    'is not made up: %.20s',
    (answer) => {
      expect(jsonIn(answer)).toEqual([])
    },
  )
})

describe('a question for a value', () => {
  const shape = z.object({ verdict: z.enum(['retry', 'stop']) })
  const value = (script: string) => asking('claude', script, (question) => askForJson(config(), question, shape))

  test('gives the value, and the model is told its shape', async () => {
    const seen = join(home.path, 'seen')
    const answer = await value(`cat > '${seen}'; echo 'Well: {"verdict": "stop"}'`)
    expect(answer).toMatchObject({ value: { verdict: 'stop' }, repaired: false })
    expect(readFileSync(seen, 'utf8')).toMatch(/^What is it\?[\s\S]*"enum":\["retry","stop"\]/)
  })

  test('is asked once more with what was wrong, and then no more', async () => {
    const tries = join(home.path, 'tries')
    const mend = await value(
      `case "$(cat)" in *"can't be used"*) echo '{"verdict": "retry"}' ;; *) echo '{"verdict": "maybe"}' ;; esac`,
    )
    expect(mend).toMatchObject({ value: { verdict: 'retry' }, repaired: true })
    const never = value(`cat >> '${tries}'; echo "I would rather not."`)
    await expect(never).rejects.toMatchObject({ code: 'ask.unfit', message: expect.stringContaining('no JSON in it') })
    expect(readFileSync(tries, 'utf8').match(/What is it\?/g)).toHaveLength(2)
  })
})

test('ov runtime ask is the door: an answer, or a value that fits a schema', async () => {
  writeFileSync(join(bin, 'claude'), '#!/bin/sh\ncat > /dev/null\nprintf \'{"port": 6379}\\033[31m\\n\'\n', {
    mode: 0o755,
  })
  const schema = join(home.path, 'port.json')
  writeFileSync(schema, '{"type":"object","properties":{"port":{"type":"integer"}},"required":["port"]}')
  const ask = (...words: string[]) =>
    home.ov(home.path, ['runtime', 'ask', 'claude', 'Which port?', ...words], {
      env: { PATH: `${bin}:${home.env.PATH}`, ANTHROPIC_API_KEY: 'x' },
    })
  expect((await ask()).stdout).toBe('{"port": 6379}[31m\n'.replace('[31m', ''))
  expect(JSON.parse((await ask('--schema', schema, '--json')).stdout)).toMatchObject({
    runtime: 'claude',
    value: { port: 6379 },
    repaired: false,
  })
  expect((await ask('--schema', join(home.path, 'none.json'))).code).toBe(2)
  expect((await ask('--model', 'gpt-5')).code).toBe(2)
})
