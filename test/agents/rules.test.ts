import { expect, test } from 'vitest'
import {
  afterDeath,
  afterFailure,
  afterTurn,
  MAX_RESTARTS,
  mayStart,
  type SlingFacts,
  type TurnFacts,
} from '../../src/agents/rules.ts'

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
/** What is known of a CLI that has worked, and was never started again. */
const KNOWN = { unproven: false, goesOn: true, restarts: 0 }

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
    afterFailure({ cause: 'rate_limit', resetAt: now + 5_000, setbacks: 1, now, login, again: null, ...KNOWN }),
  ).toEqual({
    do: 'park',
    until: now + 5_000,
  })
  // A reset that lies in the past says nothing, nor one by another clock or in another unit.
  for (const resetAt of [now - 5_000, now, 0, -1, now + 400 * 86_400_000, 1_795_000_000_000_000, Number.NaN]) {
    const limit = { cause: 'rate_limit' as const, resetAt, setbacks: 1, now, login, again: null, ...KNOWN }
    expect(afterFailure(limit)).toEqual({ do: 'park', until: now + 60_000 })
  }
  expect(afterFailure({ cause: 'overloaded', resetAt: null, setbacks: 3, now, login, again: null, ...KNOWN })).toEqual({
    do: 'park',
    until: now + 240_000,
  })
  expect(
    afterFailure({ cause: 'network', resetAt: null, setbacks: 9, now, login, again: null, ...KNOWN }),
  ).toMatchObject({
    do: 'fail',
  })
})

test('what only a person can mend fails at once and says what to do', () => {
  for (const cause of ['auth', 'quota', 'model'] as const) {
    const next = afterFailure({ cause, resetAt: null, setbacks: 1, now: 0, login, again: null, ...KNOWN })
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

test('an agent whose CLI died goes on in its session, anew where that gives no sign, so often within the window; a command never', () => {
  const crash = { cause: 'crash' as const, resetAt: null, now: 0, login, again: null, ...KNOWN, setbacks: 1 }
  expect(afterFailure(crash)).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 2, restarts: 2 })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 1, restarts: 3 })).toMatchObject({ do: 'fail' })
  expect(afterFailure({ ...crash, unproven: true })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 2, unproven: true })).toEqual({ do: 'renew' })
  expect(afterFailure({ ...crash, goesOn: false })).toEqual({ do: 'fail', advice: null })
  expect(afterFailure({ ...crash, cause: 'interrupted' })).toEqual({ do: 'fail', advice: null })

  const again = 'ov coordinator start'
  expect(afterFailure({ ...crash, again, goesOn: false })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, again, cause: 'interrupted' })).toEqual({ do: 'retry' })
  expect(afterFailure({ ...crash, again, cause: 'context' })).toEqual({ do: 'renew' })
  expect(afterFailure({ ...crash, again, restarts: 3 })).toMatchObject({ do: 'fail' })
})

test('an agent whose runner died goes on where it was, so often within the window; what is over, or a command that began, ends', () => {
  const death = { taskFinal: false, turns: 1, prompts: true, restarts: 0, able: true }
  expect(afterDeath(death)).toEqual({ do: 'recover' })
  expect(afterDeath({ ...death, restarts: MAX_RESTARTS - 1 })).toEqual({ do: 'recover' })
  expect(afterDeath({ ...death, restarts: MAX_RESTARTS })).toEqual({ do: 'put-aside' })
  expect(afterDeath({ ...death, turns: 0 })).toEqual({ do: 'start' })
  expect(afterDeath({ ...death, turns: 0, prompts: false })).toEqual({ do: 'start' })
  expect(afterDeath({ ...death, turns: 0, restarts: MAX_RESTARTS })).toEqual({ do: 'put-aside' })
  expect(afterDeath({ ...death, prompts: false })).toEqual({ do: 'end' })
  expect(afterDeath({ ...death, taskFinal: true, able: false })).toEqual({ do: 'end' })
  expect(afterDeath({ ...death, able: false })).toEqual({ do: 'leave' })
})
