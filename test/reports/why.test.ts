import { expect, test } from 'vitest'
import { whyScreen } from '../../src/cli/why-screen.ts'
import { AGENT_STATES, WAITING_ON } from '../../src/contract/states.ts'
import { saySign } from '../../src/reports/sign-words.ts'
import { type ExplainFacts, explain } from '../../src/reports/why.ts'
import { monitored, NOW } from '../rig/monitor-report.ts'

const MINUTE = 60_000

const facts = (more: Partial<ExplainFacts> = {}): ExplainFacts => ({
  at: NOW,
  agent: monitored('builder-1'),
  queuedBefore: -1,
  maxConcurrent: 5,
  holds: null,
  placeFree: false,
  lack: null,
  left: null,
  limit: null,
  mergesBefore: 0,
  children: [],
  question: null,
  lastSign: {
    at: NOW - 2 * MINUTE,
    text: saySign({ type: 'tool.end', data_json: '{"ok":true,"tool":"Bash","summary":"3 passed"}' }),
  },
  deeds: [{ at: NOW - MINUTE, text: 'builder-1 has been silent for 120 s, and is nudged' }],
  restarts: 0,
  watched: 'yes',
  foreseen: [{ about: 'silence', do: 'nudge', nth: 2, inMs: 40_000 }],
  nudges: 3,
  triage: true,
  decision: null,
  ...more,
})

const next = (more: Partial<ExplainFacts>) => explain(facts(more)).next.map(({ text }) => text)

test('an agent at work: what is seen, what was done, and when it is nudged next', () => {
  const screen = whyScreen(explain(facts()), 80).join('\n')
  expect(screen).toMatchInlineSnapshot(`
    "builder-1 · working for 4m
    It is in the middle of a turn.

    Seen
      just now  Its runner (process 4711) lives.
      3s ago    Its log was last written to.
      2m ago    Its use of Bash ended (3 passed). That was its last sign of life.

    Done about it
      1m ago  builder-1 has been silent for 120 s, and is nudged

    Next
              When its turn ends, its mail is handed over, or it waits, or is asked
              how it stands.
      in 40s  If it has shown nothing until then, it is nudged (2 of 3).

    → ov logs builder-1 -f"
  `)
})

test('what is due is due now', () => {
  const foreseen = [{ about: 'silence', do: 'nudge', nth: 2, inMs: 0 }] as const
  expect(whyScreen(explain(facts({ foreseen })), 80).join('\n')).toContain(
    '\n  now  If it has shown nothing until then',
  )
})

test.each([
  ['tool.start', { tool: 'Bash', summary: 'npm test', call: 'c' }, 'It began to use Bash (npm test).'],
  ['tool.end', { ok: false, summary: '' }, 'Its use of a tool failed.'],
  ['runtime.failed', { cause: 'crash', exitCode: 1, prompt: 'p' }, 'Its turn failed (crash, exit code 1).'],
  ['runtime.started', { model: null }, 'Its CLI was ready.'],
  ['agent.committed', { tips: ['1aa5b661'] }, 'It committed.'],
  ['runtime.other', { of: 'tomorrow' }, 'runtime.other of=tomorrow.'],
])('a sign of life is told in a sentence: %s %j', (type, data, sentence) => {
  expect(saySign({ type, data_json: JSON.stringify(data) })).toBe(sentence)
})

test('what follows is told for every state', () => {
  const inState = (more: Parameters<typeof monitored>[1], also: Partial<ExplainFacts> = {}) =>
    next({ agent: monitored('builder-1', more), foreseen: [], ...also })
  const raise = [{ about: 'silence', do: 'raise', nth: null, inMs: 0 }] as const
  expect(next({ foreseen: raise })[1]).toContain('until then, a model judges it')
  expect(next({ foreseen: raise, triage: false })[1]).toContain('whom it reports to')
  expect(next({ foreseen: [{ about: 'loop', do: 'nudge', nth: null, inMs: 0 }] })[1]).toContain('in circles')
  expect(next({ watched: 'nobody' })[1]).toContain('ov watch --background')
  expect(next({ watched: 'late' })[1]).toContain('ov watch status')
  const limited = { condition: 'waiting', waitingOn: 'rate_limit', waitingUntil: NOW + MINUTE } as const
  expect(explain(facts({ agent: monitored('builder-1', limited), foreseen: [] })).next).toEqual([
    { at: NOW + MINUTE, text: 'One of those that wait tries again; when it works, the others follow.' },
  ])
  expect(inState({ condition: 'runner_gone' }, { restarts: 2 })).toEqual([
    'The watcher brings it back at once, where its program and login are there.',
    'It was started again 2 of 3 times within 10 minutes; beyond that it is put aside.',
  ])
  expect(inState({ condition: 'runner_gone' }, { watched: 'nobody' })[0]).toContain('ov up')
  expect(inState({ condition: 'failed', reason: 'Gate red' })).toEqual([
    'Nothing by itself. To have it go on: ov retry builder-1',
  ])
})

test('an open decision says who is asked, and when the next above is', () => {
  const decision = {
    id: '0190aaaa-bbbb-7ccc-8ddd-eeeeffff0001',
    to: 'lead-1',
    askedAt: NOW,
    seen: 'It hangs.',
    upAt: NOW + MINUTE,
  }
  expect(explain(facts({ decision })).next.at(-1)).toEqual({
    at: NOW + MINUTE,
    text: 'If lead-1 has not decided until then, the next above is asked.',
  })
  expect(next({ decision: { ...decision, to: 'human' } }).at(-1)).toBe(
    'You decide what becomes of it: ov ask answer ffff0001 "…"',
  )
})

test('in whatever state an agent is, and whatever it waits for, a sentence says why, and one what happens next', () => {
  const conditions = [...AGENT_STATES, 'runner_gone', 'ending'] as const
  const all = conditions.flatMap((condition) =>
    (condition === 'waiting' ? [...WAITING_ON, null] : [null]).map((waitingOn) => ({ condition, waitingOn })),
  )
  for (const state of all)
    for (const watched of ['yes', 'late', 'nobody'] as const) {
      const reason = state.condition === 'failed' || state.condition === 'stopped' ? 'Gate red.' : null
      const agent = monitored('builder-1', { ...state, reason })
      const told = explain(facts({ agent, watched, foreseen: [], deeds: [] }))
      for (const text of [told.why.text, ...told.next.map((fact) => fact.text)])
        expect(text, JSON.stringify(state)).toMatch(/^[A-Z].*\S{3}$/)
      expect(told.next.length, JSON.stringify(state)).toBeGreaterThan(0)
    }
  expect(all).toHaveLength(AGENT_STATES.length + 2 + WAITING_ON.length)
})

test('who is in the middle of a turn, at a question on its screen, is not said to wait for mail', () => {
  const agent = monitored('builder-1', { condition: 'waiting', waitingOn: 'human', reason: 'Its screen asks: Trust?' })
  expect(next({ agent, foreseen: [] })).toEqual(['It goes on as soon as that is settled.'])
})
