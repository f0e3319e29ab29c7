import { expect, test } from 'vitest'
import { afterFailure, afterTurn, mayStart, type SlingFacts, type TurnFacts } from '../../src/agents/rules.ts'

const turn: TurnFacts = {
  taskFinal: false,
  claimedDone: false,
  openChildren: 0,
  openQuestionTo: null,
  reminded: false,
  speaks: true,
  persistent: false,
  attended: false,
}

const login = 'example login'

test('whoever has a person at its screen is neither reminded nor failed, but waits for them', () => {
  expect(afterTurn({ ...turn, reminded: true, attended: true })).toMatchObject({ do: 'wait', on: 'human' })
  expect(afterTurn({ ...turn, attended: true, claimedDone: true })).toEqual({ do: 'wait', on: 'merge' })
})

test('a turn without a word gets one reminder, then an honest failure', () => {
  expect(afterTurn(turn)).toEqual({ do: 'remind' })
  expect(afterTurn({ ...turn, reminded: true })).toMatchObject({ do: 'fail' })
})

test('an agent that waits for its children, an answer or the train is neither reminded nor failed', () => {
  expect(afterTurn({ ...turn, reminded: true, openChildren: 2 })).toEqual({ do: 'wait', on: 'children' })
  expect(afterTurn({ ...turn, reminded: true, openQuestionTo: 'human' })).toEqual({ do: 'wait', on: 'human' })
  expect(afterTurn({ ...turn, reminded: true, openQuestionTo: 'agent' })).toEqual({ do: 'wait', on: 'mail' })
  expect(afterTurn({ ...turn, reminded: true, claimedDone: true, openChildren: 2 })).toEqual({
    do: 'wait',
    on: 'merge',
  })
})

test('a final task ends its agent, whatever else is open', () => {
  expect(afterTurn({ ...turn, taskFinal: true, openChildren: 3, claimedDone: true })).toEqual({ do: 'finish' })
})

const facts: SlingFacts = {
  parentDepth: null,
  parentMaySpawn: true,
  inRun: 0,
  live: 0,
  limits: { maxDepth: 2, maxConcurrent: 5, maxSessionsPerRun: 10 },
  queue: true,
}

test('depth is counted from the parent’s row and ends at maxDepth', () => {
  expect(mayStart(facts)).toMatchObject({ ok: true, depth: 0 })
  expect(mayStart({ ...facts, parentDepth: 1 })).toMatchObject({ ok: true, depth: 2 })
  expect(mayStart({ ...facts, parentDepth: 2 })).toMatchObject({ ok: false, code: 'sling.too-deep' })
})

test('at maxConcurrent a task is queued, or refused without a queue; a full run refuses; who may not spawn is refused', () => {
  expect(mayStart({ ...facts, live: 5 })).toMatchObject({ ok: true, start: 'queued' })
  expect(mayStart({ ...facts, live: 5, queue: false })).toMatchObject({ ok: false, code: 'sling.busy' })
  expect(mayStart({ ...facts, inRun: 10 })).toMatchObject({ ok: false, code: 'sling.run-full' })
  expect(mayStart({ ...facts, parentMaySpawn: false })).toMatchObject({ ok: false, code: 'sling.may-not-spawn' })
})

test('what time mends is waited out until the reset the runtime named, else ever longer, and not for ever', () => {
  const now = 1_000_000
  expect(
    afterFailure({ cause: 'rate_limit', resetAt: now + 5_000, setbacks: 1, now, login, again: null, unproven: false }),
  ).toEqual({
    do: 'park',
    until: now + 5_000,
  })
  // A reset that lies in the past says nothing.
  expect(
    afterFailure({ cause: 'rate_limit', resetAt: now - 5_000, setbacks: 1, now, login, again: null, unproven: false }),
  ).toEqual({
    do: 'park',
    until: now + 60_000,
  })
  expect(
    afterFailure({ cause: 'overloaded', resetAt: null, setbacks: 3, now, login, again: null, unproven: false }),
  ).toEqual({
    do: 'park',
    until: now + 240_000,
  })
  expect(
    afterFailure({ cause: 'network', resetAt: null, setbacks: 9, now, login, again: null, unproven: false }),
  ).toMatchObject({
    do: 'fail',
  })
})

test('what only a person can mend fails at once and says what to do', () => {
  for (const cause of ['auth', 'quota', 'model'] as const) {
    const next = afterFailure({ cause, resetAt: null, setbacks: 1, now: 0, login, again: null, unproven: false })
    expect(next).toMatchObject({ do: 'fail' })
    expect(next.do === 'fail' && next.advice).toMatch(/ov /)
  }
})

test('a persistent agent is neither reminded nor failed for an ended turn: it waits, first for what only a person can give', () => {
  const persistent = { ...turn, persistent: true, reminded: true }
  expect(afterTurn(persistent)).toEqual({ do: 'wait', on: 'mail' })
  expect(afterTurn({ ...persistent, openChildren: 2 })).toEqual({ do: 'wait', on: 'children' })
  expect(afterTurn({ ...persistent, openChildren: 2, openQuestionTo: 'human' })).toEqual({ do: 'wait', on: 'human' })
  expect(afterTurn({ ...persistent, openQuestionTo: 'agent' })).toEqual({ do: 'wait', on: 'mail' })
  expect(afterTurn({ ...persistent, taskFinal: true })).toEqual({ do: 'finish' })
})

test('a persistent agent whose CLI died is taken up again twice, anew where its session gives no sign; another is failed at once', () => {
  const crash = {
    cause: 'crash' as const,
    resetAt: null,
    now: 0,
    login,
    again: 'ov coordinator start',
    unproven: false,
  }
  expect(afterFailure({ ...crash, setbacks: 1 })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 2 })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 3 })).toMatchObject({ do: 'fail' })
  expect(afterFailure({ ...crash, setbacks: 1, unproven: true })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 2, unproven: true })).toEqual({ do: 'renew' })
  expect(afterFailure({ ...crash, cause: 'context', setbacks: 1 })).toEqual({ do: 'renew' })
  expect(afterFailure({ ...crash, setbacks: 1, again: null })).toEqual({ do: 'fail', advice: null })
})
