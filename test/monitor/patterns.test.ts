import { describe, expect, test } from 'vitest'
import { type FleetFacts, type Happened, patternsIn, WINDOW_MS } from '../../src/monitor/patterns.ts'

const NOW = 1_700_000_000_000
const MINUTE = 60_000
const AGENTS = ['ann', 'bob', 'cid', 'dot']

const facts = (more: Partial<FleetFacts> = {}): FleetFacts => ({
  now: NOW,
  events: [],
  coordinator: null,
  queuedSince: null,
  ...more,
})
/** The same thing happens to several agents, a minute apart, the last just now. */
const each = (agents: readonly string[], type: string, data: (index: number) => Record<string, unknown>): Happened[] =>
  agents.map((agent, index) => ({ at: NOW - (agents.length - index) * MINUTE, type, agent, data: data(index) }))
const texts = (more: Partial<FleetFacts>) => patternsIn(facts(more)).map(({ text }) => text)

describe('several agents on one error', () => {
  const failing = (agents: readonly string[], message: (index: number) => string) =>
    each(agents, 'tool.end', (index) => ({ ok: false, summary: message(index) }))

  test('are a pattern, whatever the paths, numbers and hashes in it', () => {
    const events = failing(
      AGENTS.slice(0, 3),
      (index) => `Cannot connect to /tmp/run-${index}/pg.sock:543${index} (abc123${index}f)`,
    )
    const [pattern] = patternsIn(facts({ events }))
    expect(pattern?.text).toMatch(/^ann, bob and cid meet the same error: Cannot connect/)
    expect(patternsIn(facts({ events: events.map((one) => ({ ...one, at: one.at - MINUTE })) }))[0]?.key).toBe(
      pattern?.key,
    )
  })

  test('are none when there are two, when it is one agent again and again, or long ago', () => {
    const message = () => 'Cannot connect to the database'
    expect(texts({ events: failing(AGENTS.slice(0, 2), message) })).toEqual([])
    expect(texts({ events: failing(['ann', 'ann', 'ann', 'ann'], message) })).toEqual([])
    expect(texts({ events: failing(AGENTS, message), now: NOW + WINDOW_MS + MINUTE })).toEqual([])
  })

  test.each(['Exit code 1', 'failed', 'Error: exit 127', 'Command failed with exit code 2'])(
    'are none when it says as little as "%s"',
    (message) => {
      expect(texts({ events: failing(AGENTS, () => message) })).toEqual([])
    },
  )

  test('count failed turns too', () => {
    const events = each(AGENTS, 'runtime.failed', () => ({ message: 'The model gpt-9 does not exist' }))
    expect(texts({ events })).toEqual(['ann, bob, cid and dot meet the same error: The model gpt-9 does not exist'])
  })
})

test('conflict storms, gates that are red for several, and runners that die one after another are patterns', () => {
  const conflicts = each(['ann', 'bob', 'ann'], 'merge.rejected', () => ({ why: 'conflict', gate: null }))
  expect(texts({ events: conflicts })).toEqual(['3 merges met conflicts lately, of ann and bob.'])
  const red = each(['ann', 'bob', 'cid'], 'merge.rejected', () => ({ why: 'gate', gate: 'tests-pass' }))
  expect(texts({ events: red })).toEqual(['The gate tests-pass was red for ann, bob and cid.'])
  const alone = each(['ann', 'ann', 'ann'], 'merge.rejected', () => ({ why: 'gate', gate: 'tests-pass' }))
  expect(texts({ events: alone })).toEqual([])
  expect(texts({ events: each(AGENTS, 'agent.runner-gone', () => ({ pid: 1 })) })).toEqual([
    'ann, bob, cid and dot lost their runners lately.',
  ])
})

test('a coordinator that idles while mail waits is one; one at work, or with new mail, is none', () => {
  const coordinator = { name: 'coordinator', busy: false, mailSince: NOW - 10 * MINUTE }
  expect(texts({ coordinator })).toEqual(['Mail has waited 10 minutes for coordinator, which has nothing under way.'])
  expect(texts({ coordinator: { ...coordinator, busy: true } })).toEqual([])
  expect(texts({ coordinator: { ...coordinator, mailSince: NOW - MINUTE } })).toEqual([])
  expect(texts({ coordinator: { ...coordinator, mailSince: null } })).toEqual([])
})

test('a merge queue that does not move is one', () => {
  const queuedSince = NOW - 20 * MINUTE
  expect(texts({ queuedSince })).toEqual(['Nothing was merged or sent back for 20 minutes, though work waits.'])
  expect(texts({ queuedSince, events: each(['ann'], 'merge.merged', () => ({})) })).toEqual([])
  expect(texts({ queuedSince: NOW - MINUTE })).toEqual([])
})
