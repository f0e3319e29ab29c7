import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { held, say, shell } from '../../src/certify/llm/script.ts'
import { CLAUDE } from './cli.ts'
import { account, context, type Fleet, openFleet, playOf, wholeOf } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

interface Recorded {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

let bin = ''
let fleet: Fleet
beforeAll(async () => {
  bin = await installed(CLAUDE.npm)
})
afterEach(() => fleet.close())

const VERDICT = { verdict: 'resume', why: 'Its service does not answer, and a new connection may.' }

test('a real Claude Code whose service never answers is nudged, judged by another, ended, resumed in its conversation, and its task lands', async () => {
  fleet = await openFleet(CLAUDE, bin)
  const tier0 = '{ nudgeAfter: 4s, nudgeEvery: 3s, nudges: 1 }'
  writeFileSync(join(fleet.repo, 'overstory.local.yaml'), `watchdog: { tier0: ${tier0} }\n`)
  const hung = held(say('Never said.'))
  fleet.llm.aside((ask) => wholeOf(ask).includes('Give one verdict about it'), JSON.stringify(VERDICT))
  fleet.llm.play('builder', of('builder-1'), [
    commit('one', 'one.txt', 'First half'),
    hung,
    commit('two', 'two.txt', 'Second half'),
    shell('ov done --summary "Both halves are written"'),
    say('Done.'),
  ])
  const slung = await fleet.ov('sling', '--runtime', 'claude', '--task', 'Write two halves')
  expect(slung.code, slung.output).toBe(0)
  await hung.reached
  const watch = await fleet.ov('watch', '--background')
  expect(watch.code, watch.output).toBe(0)

  const state = async () => (await fleet.json<{ agent: { state: string } }>('inspect', 'builder-1')).agent.state
  await expect.poll(state, { timeout: 120_000, interval: 500 }).toMatch(/done|failed/)
  account('claude-triage', {
    'What the agent saw and did': playOf(fleet.llm.asked('builder').at(-1)),
    'ov inspect builder-1': (await fleet.ov('inspect', 'builder-1')).output,
    'ov logs builder-1 --events': (await fleet.ov('logs', 'builder-1', '--events')).output,
  })
  expect(await state()).toBe('done')
  expect([fleet.git('show', 'main:one.txt'), fleet.git('show', 'main:two.txt')]).toEqual(['one', 'two'])

  const { entries } = await fleet.json<{ entries: Recorded[] }>('logs', 'builder-1', '--events')
  const ofKind = (kind: string) => entries.filter(({ type }) => type === kind).map(({ data }) => data)
  expect(ofKind('agent.nudged')).toHaveLength(1)
  expect(ofKind('agent.triaged')).toMatchObject([
    { verdict: 'resume', by: 'claude haiku', why: VERDICT.why, used: { usage: [{ costUsd: expect.any(Number) }] } },
  ])
  expect(ofKind('agent.recovered')).toMatchObject([{ context: 'resumed', why: 'it hung' }])
  const question = fleet.llm.requests.find(({ ask }) => wholeOf(ask ?? undefined).includes('Give one verdict about it'))
  expect(question?.ask?.tools).toEqual([])
  account('claude-triage', {
    'What the judge was asked': context(question?.ask ?? undefined),
    'What the agent saw and did': playOf(fleet.llm.asked('builder').at(-1)),
    'ov logs builder-1 --events': (await fleet.ov('logs', 'builder-1', '--events')).output,
  })
})
