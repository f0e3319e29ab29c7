import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Screen } from '../../src/contract/runtime.ts'
import {
  type Deed,
  heldBy,
  lookAgainIn,
  newTyping,
  pasteable,
  type Signal,
  step,
  type Typing,
} from '../../src/runner/typing.ts'
import { hardPrompts } from '../rig/prompts.ts'

const PROMPT = 'Write hello.txt, please'
const EMPTY: Screen = { is: 'idle', typed: '' }
const BUSY: Screen = { is: 'busy' }
const OURS: Screen = { is: 'idle', typed: PROMPT }

/** A typist with a clock of its own: everything it is told, and what it did about it. */
function typist(reports: boolean, first: 'included' | 'to-type' = 'to-type') {
  let now = 1_000
  let typing: Typing = newTyping(now)
  const deeds: Deed[] = []
  const tell = (signal: Signal) => {
    const decision = step(typing, signal, now, reports)
    typing = decision.typing
    deeds.push(...decision.deeds)
  }
  tell({ is: 'launched', prompt: first })
  return {
    tell,
    prompt: () => tell({ is: 'prompt' }),
    /** Sees this screen for so long, looking as often as it would. */
    sees(screen: Screen, ms = 0) {
      const until = now + ms
      for (;;) {
        tell({ is: 'look', screen, prompt: PROMPT })
        const next = now + lookAgainIn(typing, reports)
        if (next > until) break
        now = next
      }
      now = until
    },
    did: () =>
      deeds.splice(0).map((deed) => (deed.do === 'begun' ? `begun ${deed.ours ? 'ours' : 'theirs'}` : deed.do)),
    held: () => heldBy(typing, now)?.why ?? null,
    get stage() {
      return typing.stage
    },
  }
}

describe.each([
  ['that reports its turns', true],
  ['whose screen is all there is', false],
])('a CLI %s', (_, reports) => {
  /** Brings a prompt to the point where its Enter has been pressed. */
  const submitted = () => {
    const one = typist(reports)
    one.sees(EMPTY, 2_000)
    if (!reports) one.sees(OURS)
    expect(one.did()).toEqual(['paste', 'enter'])
    return one
  }

  test('is given nothing before its box has been empty for a while', () => {
    const one = typist(reports)
    for (const screen of [{ is: 'loading' }, BUSY, OURS] as const) one.sees(screen, 60_000)
    one.sees(EMPTY, 100)
    expect(one.did()).toEqual([])
    one.sees(EMPTY, 1_000)
    expect(one.did()[0]).toBe('paste')
  })

  test('whose box a person has typed into waits, says so, and gets the prompt when the box is empty', () => {
    const one = typist(reports)
    one.sees({ is: 'idle', typed: 'wait a mi' }, 10_000)
    expect(one.did()).toEqual([])
    expect(one.held()).toContain('typed')
    one.sees(EMPTY, 1_000)
    expect(one.held()).toBeNull()
    expect(one.did()[0]).toBe('paste')
  })

  test('that swallows Enter gets it again, with patience, and the text never twice', () => {
    const one = submitted()
    one.sees(OURS, 20_000)
    const again = one.did()
    expect(again.length).toBeGreaterThan(4)
    expect(again.length).toBeLessThan(12)
    expect(new Set(again)).toEqual(new Set(['enter']))
    expect(one.held()).toContain('Enter does not send it')
    one.sees(BUSY)
    expect(one.did()).toEqual(['begun ours'])
    expect(one.held()).toBeNull()
  })

  test('that is seen busy has begun; that it ended is said once', () => {
    const one = submitted()
    one.sees(BUSY, 5_000)
    one.tell({ is: 'began' })
    expect(one.did()).toEqual(['begun ours'])
    if (reports) one.tell({ is: 'ended' })
    one.sees(EMPTY, 20_000)
    one.tell({ is: 'ended' })
    expect(one.did()).toEqual(['ended'])
    expect(one.stage).toBe('resting')
  })

  test('with a question only a person can answer is answered by nobody else', () => {
    const one = typist(reports, 'included')
    one.sees({ is: 'dialog', about: 'Delete everything?', answer: null }, 100_000)
    expect(one.did()).toEqual([])
    expect(one.held()).toContain('Delete everything?')
  })

  test('with a known question gets its answer at most three times', () => {
    const one = typist(reports, 'included')
    one.sees({ is: 'dialog', about: 'trust this folder', answer: ['Down', 'Enter'] }, 100_000)
    expect(one.did()).toEqual(['press', 'press', 'press'])
    expect(one.held()).toContain('takes no answer')
    one.sees(BUSY)
    expect(one.held()).toBeNull()
  })

  test('whose screen nobody understands is waited out, and a person is told', () => {
    const one = typist(reports, 'included')
    one.sees({ is: 'unknown' }, 600_000)
    // Perhaps it was suspended: once it is told to go on, and that is all.
    expect(one.did()).toEqual(['wake'])
    expect(one.held()).toContain('does not understand')
  })

  test('that left its argument in the box is helped by Enter; what somebody else wrote there is left alone', () => {
    const one = typist(reports, 'included')
    one.sees({ is: 'idle', typed: 'Write hello.txt,\nplea' }, 2_000)
    expect(one.did()[0]).toBe('enter')
    const two = typist(reports, 'included')
    two.sees({ is: 'idle', typed: 'rm -rf' }, 60_000)
    expect(two.did()).toEqual([])
  })

  test('in which a person began a turn is waited for before the next prompt', () => {
    const one = submitted()
    one.sees(BUSY)
    if (reports) one.tell({ is: 'ended' })
    else one.sees(EMPTY, 5_000)
    one.did()
    if (reports) one.tell({ is: 'began' })
    else one.sees(BUSY)
    expect(one.did()).toEqual(['begun theirs'])
    one.prompt()
    one.sees(BUSY, 5_000)
    one.tell({ is: 'ended' })
    expect(one.did()).toEqual([])
    one.sees(EMPTY, 1_000)
    expect(one.did()[0]).toBe('paste')
  })

  test('pastes each prompt at most once and reports no turn twice, whatever the screen shows in whatever order', () => {
    const screen = fc.oneof(
      fc.constant<Screen>(EMPTY),
      fc.constant<Screen>(BUSY),
      fc.constant<Screen>(OURS),
      fc.constant<Screen>({ is: 'loading' }),
      fc.constant<Screen>({ is: 'unknown' }),
      fc.constant<Screen>({ is: 'idle', typed: 'something else' }),
      fc.constant<Screen>({ is: 'dialog', about: 'known', answer: ['Enter'] }),
      fc.constant<Screen>({ is: 'dialog', about: 'strange', answer: null }),
    )
    const happening = fc.oneof(
      { weight: 8, arbitrary: fc.tuple(screen, fc.integer({ min: 0, max: 30_000 })) },
      { weight: 1, arbitrary: fc.constantFrom('began', 'ended', 'prompt') },
    )
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 40 }), fc.boolean(), (happenings, included) => {
        const one = typist(reports, included ? 'included' : 'to-type')
        let prompts = included ? 0 : 1
        let pasted = 0
        let running = false
        const judge = (seen: 'question' | 'rest') => {
          for (const deed of one.did()) {
            if (deed === 'paste') pasted += 1
            if (deed === 'press') expect(seen).toBe('question')
            if (deed.startsWith('begun')) {
              expect(running).toBe(false)
              running = true
            }
            if (deed === 'ended') {
              expect(running).toBe(true)
              running = false
            }
            expect(pasted).toBeLessThanOrEqual(prompts)
          }
        }
        for (const what of happenings) {
          if (what === 'prompt') {
            // The runner prompts only who rests.
            if (one.stage !== 'resting') continue
            prompts += 1
            one.prompt()
          } else if (typeof what === 'string') one.tell({ is: what })
          else one.sees(...what)
          const question = typeof what !== 'string' && what[0].is === 'dialog'
          judge(question ? 'question' : 'rest')
        }
      }),
      { numRuns: 500 },
    )
  })
})

test('a prompt that can be seen nowhere is lost, not typed again', () => {
  const one = typist(true)
  one.sees(EMPTY, 60_000)
  expect(one.did()).toEqual(['paste', 'enter', 'lost'])
  expect(one.stage).toBe('resting')
})

test('a turn too short to be seen counts where the text has left the box', () => {
  const one = typist(false)
  one.sees(EMPTY, 1_000)
  one.sees(OURS)
  one.sees(EMPTY, 5_000)
  expect(one.did()).toEqual(['paste', 'enter', 'begun ours', 'ended'])
})

test('a reported turn that a person broke off, which no report tells, is over after a while', () => {
  const one = typist(true, 'included')
  one.tell({ is: 'began' })
  one.sees(BUSY, 5_000)
  one.sees(EMPTY, 5_000)
  expect(one.did()).toEqual(['begun ours'])
  one.sees(EMPTY, 5_000)
  expect(one.did()).toEqual(['ended'])
})

test('what is pasted has no control character that could close the brackets, and loses nothing else', () => {
  for (const prompt of hardPrompts(300)) {
    const text = pasteable(prompt)
    expect(text).toMatch(/^(?:[\t\n]|[^\p{Cc}])*$/u)
    expect(text.isWellFormed()).toBe(true)
    expect(text).toContain('<')
    expect(pasteable(text)).toBe(text)
  }
  expect(pasteable('one\r\ntwo\rthree;')).toBe('one\ntwo\nthree;')
  expect(pasteable('a\x1b[201~b\x1b[31mc\x03\x00\x7f')).toBe('abc')
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      (text) => pasteable(text.replace(/\p{Cc}|\p{Cf}/gu, '')) === text.replace(/\p{Cc}|\p{Cf}/gu, ''),
    ),
  )
})
