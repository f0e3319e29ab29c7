import { expect, test } from 'vitest'
import { digestText } from '../../src/agents/digest.ts'
import { HUMAN, SYSTEM } from '../../src/contract/mail.ts'
import { isWorthATurn } from '../../src/runner/wake.ts'

const mail = { type: 'status', sender: 'an-agent', priority: 'normal', payload_json: '{}' } as const
const claim = { ...mail, type: 'worker_done', payload_json: '{"commit":"abc"}' } as const

test('the human, what is urgent, questions, merges and deaths are worth a turn', () => {
  for (const one of [
    { ...mail, sender: HUMAN },
    { ...mail, priority: 'urgent' as const },
    { ...mail, type: 'question' as const },
    { ...mail, type: 'merged' as const, sender: SYSTEM },
    { ...mail, type: 'merge_failed' as const, sender: SYSTEM },
    { ...mail, type: 'worker_died' as const },
  ])
    expect(isWorthATurn(one, { merges: true })).toBe(true)
})

test('how work goes, and a claim of which the merge will tell, come along with what is', () => {
  expect(isWorthATurn(mail, { merges: true })).toBe(false)
  expect(isWorthATurn({ ...mail, sender: SYSTEM, priority: 'high' }, { merges: true })).toBe(false)
  expect(isWorthATurn(claim, { merges: true })).toBe(false)
  // Nobody would tell.
  expect(isWorthATurn({ ...claim, payload_json: '{"commit":null}' }, { merges: true })).toBe(true)
  expect(isWorthATurn(claim, { merges: false })).toBe(true)
})

const nothing = {
  run: null,
  since: 0,
  cutOff: false,
  failures: [],
  open: [],
  ended: [],
  questions: [],
  mails: [],
  now: 60_000,
}

test('where nothing happened nothing is told; a turn that was cut off always is', () => {
  expect(digestText(nothing)).toBeNull()
  expect(digestText({ ...nothing, since: null })).toBeNull()
  expect(digestText({ ...nothing, open: ['builder-1'] })).toBeNull()
  expect(digestText({ ...nothing, cutOff: true, open: ['builder-1'] })).toContain('builder-1')
})

test('who still has the conversation is told what happened since; who has not, everything', () => {
  const facts = { ...nothing, run: 'run-2', open: ['o'], ended: ['e'], questions: ['q'], mails: ['m'] }
  expect(digestText(facts)).toBe(
    'You were away from 1970-01-01 00:00 to 1970-01-01 00:01. Your conversation until then is still with you. The run is run-2.\n\nWork under way now:\n- o\n\nWork that ended meanwhile:\n- e\n\nQuestions without an answer:\n- q',
  )
  expect(digestText({ ...facts, since: null })).toBe(
    'Your earlier conversation is lost. This is what the records say, so that you can go on. The run is run-2.\n\nWork under way:\n- o\n\nWork that has ended in this run:\n- e\n\nQuestions without an answer:\n- q\n\nYour last mail, oldest first:\n- m',
  )
})

test('who begins anew is told what went wrong last, shortened, and how much lies uncommitted', () => {
  const own = {
    body: 'Write it',
    changes: { commits: [], files: [], uncommitted: Array.from({ length: 42 }, (_, n) => `?? ${n}.txt`) },
  }
  const said = ['first', ...Array.from({ length: 2_000 }, (_, n) => `${'abcdefgh'.at(n % 8)} line`), 'last'].join('\n')
  const facts = { ...nothing, own, failures: [{ what: 'Your work was sent back (Gate test is red)', said }] }
  const told = digestText({ ...facts, since: null }) ?? ''
  expect(told).toContain('Your work was sent back (Gate test is red):\n\nfirst')
  expect(told.trimEnd().endsWith('\nlast')).toBe(true)
  expect(told).toContain('- ?? 39.txt\n- and 2 more: `git status`')
  expect(told.length).toBeLessThan(4_000)
  expect(digestText({ ...facts, cutOff: true })).not.toContain('sent back')
})
