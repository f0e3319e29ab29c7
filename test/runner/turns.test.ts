import { expect, test } from 'vitest'
import { Turns } from '../../src/runner/turns.ts'

let time = 0
const clock = { now: () => time, monotonic: () => time }
const turnsOf = (turns = 0) => new Turns({ turns, model: 'opus', mode: 'structured' }, clock)

test('what follows from the end of a turn is owed until another begins or it is known what is waited for, however often one looks', () => {
  const turns = turnsOf()
  expect(turns.owed).toBe(false)
  turns.begin('Go')
  turns.hear({ type: 'text', text: 'Well' })
  expect(turns.owed).toBe(false)
  turns.hear({ type: 'turn_end' })
  expect([turns.owed, turns.owed, turns.said]).toEqual([true, true, 'Well'])
  turns.begin('Go on')
  expect([turns.owed, turns.said, turns.count]).toEqual([false, '', 2])
  turns.hear({ type: 'turn_end', text: 'Done' })
  turns.followed()
  expect([turns.owed, turns.said]).toEqual([false, 'Done'])
  // What became of the last turn of an earlier runner nobody knows.
  expect(turnsOf(3).owed).toBe(true)
})

test('a CLI that has given no sign of life since its runner began is told from one that is quiet', () => {
  const turns = turnsOf()
  time = 1_000
  turns.begin('Go')
  time = 31_000
  expect([turns.lifelessFor, turns.works]).toEqual([30_000, false])
  turns.hear({ type: 'started' })
  time = 91_000
  expect([turns.lifelessFor, turns.quietFor, turns.works]).toEqual([0, 60_000, false])
  turns.hear({ type: 'tool_start', id: '1', tool: 'Bash', summary: 'ls' })
  expect([turns.quietFor, turns.works]).toEqual([0, true])
})
