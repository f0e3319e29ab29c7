import { expect, test } from 'vitest'
import { nextLook } from '../../src/cli/monitor/pace.ts'
import { doingOf } from '../../src/monitor/doing.ts'
import { follow, noTracks, withPending } from '../../src/monitor/track.ts'
import { treeOf, worthARow } from '../../src/monitor/tree.ts'
import { monitored, NOW } from '../rig/monitor-report.ts'

const FACTS = {
  at: NOW,
  decision: null,
  tool: undefined,
  gates: [],
  mergesBefore: null,
  queuedBefore: 0,
  holds: null,
  children: [],
  question: null,
}

function event(type: string, data: unknown, at = 1) {
  return { at, agent_id: 'a', type, data_json: JSON.stringify(data) }
}

test('a tool is in use from its start to its end', () => {
  const tracks = noTracks()
  follow(tracks, event('tool.start', { tool: 'Bash', summary: 'npm test' }, 5))
  expect(tracks.tools.get('a')).toEqual({ name: 'Bash', summary: 'npm test', since: 5 })
  follow(tracks, event('tool.end', { ok: true, summary: '' }))
  expect(tracks.tools.has('a')).toBe(false)
})

test('gates pass one after another; a red one stays red; another attempt begins anew', () => {
  const tracks = noTracks()
  const gates = () => tracks.gates.get('a')?.map(({ name, is }) => `${name} ${is}`)
  follow(tracks, event('merge.gate', { gate: 'lint' }))
  follow(tracks, event('merge.gate', { gate: 'tests' }))
  expect(gates()).toEqual(['lint passed', 'tests running'])
  follow(tracks, event('merge.rejected', { why: 'gate', gate: 'tests' }))
  expect(gates()).toEqual(['lint passed', 'tests red'])
  follow(tracks, event('merge.gate', { gate: 'lint' }))
  expect(gates()).toEqual(['lint running'])
  follow(tracks, event('merge.merged', { commit: 'c', gates: ['lint', 'tests'] }))
  expect(gates()).toEqual(['lint passed', 'tests passed'])
})

test('gates that are still to come are told, behind a red one none', () => {
  expect(withPending([{ name: 'lint', is: 'running' }], ['lint', 'tests'])).toEqual([
    { name: 'lint', is: 'running' },
    { name: 'tests', is: 'pending' },
  ])
  expect(withPending([{ name: 'lint', is: 'red' }], ['lint', 'tests'])).toEqual([{ name: 'lint', is: 'red' }])
})

test('what an agent does, or waits for, is told in a few words on one line', () => {
  const tool = { name: 'Bash', summary: 'npm\ntest', since: 1 }
  expect(doingOf(monitored('a'), { ...FACTS, tool })).toBe('Bash npm test')
  const waiting = (waitingOn: 'merge' | 'human' | 'mail' | 'children') =>
    monitored('a', { condition: 'waiting', state: 'waiting', waitingOn })
  expect(doingOf(waiting('merge'), { ...FACTS, mergesBefore: 2 })).toBe('behind 2 to be merged')
  expect(doingOf(waiting('merge'), { ...FACTS, mergesBefore: 0, gates: [{ name: 'lint', is: 'running' }] })).toBe(
    'gate lint',
  )
  expect(doingOf(waiting('human'), { ...FACTS, question: { to: 'human', subject: 'Which?' } })).toBe('Which?')
  expect(doingOf(waiting('mail'), { ...FACTS, question: { to: 'lead-1', subject: 'Which?' } })).toBe('lead-1: Which?')
  const limited = monitored('a', { condition: 'waiting', waitingOn: 'rate_limit', waitingUntil: NOW + 3_600_000 })
  expect(doingOf(limited, FACTS)).toMatch(/^until \d\d:\d\d$/)
  const decision = 'needs a decision: It hangs.'
  expect(doingOf(monitored('a'), { ...FACTS, tool, decision })).toBe(decision)
  expect(doingOf(waiting('children'), { ...FACTS, children: ['b', 'c'] })).toBe('b, c')
  expect(doingOf(monitored('a', { condition: 'failed', reason: 'Broken.\nmore' }), FACTS)).toBe('Broken.')
})

test('the tree has each below the one that slung it, the coordinator first, and no state changes its order', () => {
  const agents = [
    monitored('late', { createdAt: NOW }),
    monitored('child', { parent: 'lead', createdAt: NOW - 1 }),
    monitored('lead', { capability: 'lead', createdAt: NOW - 5 }),
    monitored('orphan', { parent: 'gone', createdAt: NOW - 9 }),
    monitored('first-child', { parent: 'lead', createdAt: NOW - 2 }),
    monitored('boss', { capability: 'coordinator', createdAt: NOW }),
  ]
  const tree = (list: typeof agents) => treeOf(list).map(({ agent, more }) => `${agent.name} ${more.join()}`)
  const expected = ['boss ', 'orphan ', 'lead ', 'first-child true', 'child false', 'late ']
  expect(tree(agents)).toEqual(expected)
  expect(tree(agents.toReversed().map((agent) => ({ ...agent, condition: 'failed' })))).toEqual(expected)
})

test('who ended well long ago has no row, unless somebody below it has one', () => {
  const ended = Array.from({ length: 14 }, (_, index) =>
    monitored(`done-${index}`, { condition: 'done', endedAt: NOW - index }),
  )
  const shown = worthARow([
    ...ended,
    monitored('busy', { parent: 'done-13' }),
    monitored('red', { condition: 'failed' }),
  ])
  expect([...shown].sort()).toEqual(
    [...Array.from({ length: 10 }, (_, index) => `done-${index}`), 'busy', 'done-13', 'red'].sort(),
  )
})

test('after a quiet time a change is shown at once; in a flood, as often as 1.6 % of a core allows', () => {
  expect(nextLook(0, 16)).toBe(1000)
  expect(nextLook(10_000, 0)).toBe(10_000)
  expect(nextLook(0, 1_000)).toBe(5_000)
})
