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
const KNOWN = { unproven: false, goesOn: true, restarts: 0, dice: 0 }

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

test('what only a person can mend fails at once and says what to do', () => {
  for (const cause of ['auth', 'model'] as const) {
    const next = afterFailure({ cause, setbacks: 1, login, again: null, ...KNOWN })
    expect(next).toMatchObject({ do: 'fail' })
    expect(next.do === 'fail' && next.advice).toMatch(/ov /)
  }
})

test('a CLI that died is started again at once, the next time after a while, then after a longer one, by chance a little more', () => {
  const crash = { cause: 'crash' as const, setbacks: 1, login, again: null, ...KNOWN }
  const pauses = [0, 1, 2].map((restarts) => afterFailure({ ...crash, restarts }))
  expect(pauses).toEqual([0, 1_000, 4_000].map((afterMs) => ({ do: 'retry', afterMs })))
  expect(afterFailure({ ...crash, restarts: 2, dice: 0.999 })).toMatchObject({ afterMs: expect.closeTo(5_000, -2) })
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
  const crash = { cause: 'crash' as const, login, again: null, ...KNOWN, setbacks: 1 }
  expect(afterFailure(crash)).toMatchObject({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 2, restarts: 2 })).toMatchObject({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 1, restarts: 3 })).toEqual({ do: 'put-aside' })
  expect(afterFailure({ ...crash, goesOn: false, restarts: 3 })).toEqual({ do: 'fail', advice: null })
  expect(afterFailure({ ...crash, unproven: true })).toMatchObject({ do: 'retry' })
  expect(afterFailure({ ...crash, setbacks: 2, unproven: true })).toMatchObject({ do: 'renew' })
  expect(afterFailure({ ...crash, goesOn: false })).toEqual({ do: 'fail', advice: null })
  expect(afterFailure({ ...crash, cause: 'interrupted' })).toEqual({ do: 'fail', advice: null })

  const again = 'ov coordinator start'
  expect(afterFailure({ ...crash, again, goesOn: false })).toMatchObject({ do: 'retry' })
  expect(afterFailure({ ...crash, again, cause: 'interrupted' })).toMatchObject({ do: 'retry' })
  expect(afterFailure({ ...crash, again, cause: 'context' })).toMatchObject({ do: 'renew' })
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
