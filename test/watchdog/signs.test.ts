import { expect, test } from 'vitest'
import type { AgentEvent } from '../../src/contract/runtime.ts'
import { lasting, noting } from '../../src/runner/notes.ts'
import { type EventRow, signsOf } from '../../src/watchdog/signs.ts'
import { triesIn } from '../../src/watchdog/tries.ts'

/** Records as a runner and a watchdog would write them. */
function records() {
  const rows: EventRow[] = []
  const noteOf = noting((text) => text.replaceAll('s3cret-value', '[KEY]'))
  const add = (type: string, data: Record<string, unknown> = {}, at = rows.length + 1) => {
    const id = String(rows.length + 1)
    rows.push({ id, at, run_id: null, agent_id: 'a', task_id: null, type, data_json: JSON.stringify(data) } as never)
  }
  const report = (event: AgentEvent) => {
    const note = noteOf(event)
    if (note !== null) add(note.type, note.data)
  }
  let calls = 0
  return {
    rows,
    add,
    use(tool: string, input: unknown, output: string, ok = true) {
      const id = `t${calls++}`
      report({ type: 'tool_start', id, tool, summary: 'in short', input })
      report({ type: 'tool_end', id, ok, summary: output })
    },
    signs: () => signsOf(rows, 3),
  }
}

test('a call is known again by its whole input, and its outcome; neither can be read from what is recorded', () => {
  const one = records()
  for (const text of ['x', 'y', 'z']) one.use('Edit', { file: 'a.ts', to: text }, 'done')
  expect(one.signs().loop).toBeNull()
  for (let time = 0; time < 3; time++) one.use('Edit', { file: 'a.ts', key: 's3cret-value' }, 'done')
  expect(one.signs().loop).toMatchObject({ kind: 'call', last: { tool: 'Edit' } })
  expect(JSON.stringify(one.rows)).not.toContain('s3cret')
  expect(JSON.parse(one.rows.at(-1)?.data_json ?? '')).toMatchObject({
    call: expect.stringMatching(/^[0-9a-f]{12}$/),
    out: expect.stringMatching(/^[0-9a-f]{12}$/),
  })
})

test('an error is the same error at another time of the day, after another while', () => {
  const at = (clock: string, took: string) => `2026-11-20T${clock}Z FAIL sum.test.ts (${took}) at 0x7ffe${took.length}`
  expect(lasting(at('10:00:00', '1.2 s'))).toBe(lasting(at('11:30:12', '940ms').replace('0x7ffe5', '0x7ffe4')))
  expect(lasting('FAIL line 12')).not.toBe(lasting('FAIL line 13'))
  const one = records()
  for (const took of ['1.2s', '3.4s', '900ms'])
    one.use('Bash', { command: `npm test # ${took}` }, `FAIL sum.test.ts in ${took}: expected 1 to be 2`, false)
  expect(one.signs().loop).toMatchObject({ kind: 'error' })
})

test('a commit ends every loop; a nudge begins the count anew and is remembered; a verdict gives time', () => {
  const one = records()
  const again = (times = 3) => {
    for (let time = 0; time < times; time++) one.use('Bash', 'ls', 'same')
  }
  again()
  const key = one.signs().loop?.key
  one.add('agent.nudged', { about: 'loop', key })
  expect(one.signs()).toMatchObject({ loop: null, nudgedFor: [key] })
  again()
  expect(one.signs()).toMatchObject({ loop: { key }, nudgedFor: [key] })
  one.add('agent.raised', { about: 'loop' })
  one.add('agent.escalated', { about: 'loop' })
  expect(one.signs()).toMatchObject({ raised: ['loop'], tried: { loop: { taken: true } } })
  one.add('agent.triaged', { about: 'loop', verdict: 'wait', waitMs: 8 })
  again()
  expect(one.signs()).toMatchObject({ loop: null, nudgedFor: [], raised: [] })
  again(6)
  expect(one.signs().loop).not.toBeNull()
  one.add('agent.committed')
  expect(one.signs()).toMatchObject({ loop: null, nudgedFor: [] })
})

test('nudges for a silence are counted until the agent shows life; a new owner has not been silent yet', () => {
  const one = records()
  one.add('agent.nudged', { about: 'silence', nth: 1 })
  one.add('agent.nudged', { about: 'silence', nth: 2 })
  expect(one.signs().tried.silence.nudges).toBe(2)
  one.add('agent.raised', { about: 'silence' })
  expect(one.signs().raised).toEqual(['silence'])
  one.add('agent.starting')
  expect(one.signs()).toMatchObject({ raised: [], tried: { silence: { nudges: 0 } } })
  one.add('agent.nudged', { about: 'silence', nth: 1 })
  one.use('Bash', 'ls', 'out')
  expect(one.signs().tried.silence.nudges).toBe(0)
})

test('turns that fail for what passes by itself are no loop; others that fail alike are', () => {
  const one = records()
  for (let time = 0; time < 9; time++)
    one.add('runtime.failed', { cause: 'rate_limit', message: 'Limit reached, wait.' })
  expect(one.signs().loop).toBeNull()
  for (let time = 0; time < 3; time++)
    one.add('runtime.failed', { cause: 'refused', message: 'The model refused this prompt.' })
  expect(one.signs().loop).toMatchObject({ kind: 'error' })
})

test('what a screen asks is known by the words of its agent’s state', () => {
  const one = records()
  one.add('runtime.waiting', { why: 'input', message: 'Its screen asks: "Go on?".', dialog: 'Go on?' })
  expect(one.signs().dialog).toEqual({ dialog: 'Go on?', message: 'Its screen asks: "Go on?".' })
  one.add('runtime.waiting', { why: 'input', message: 'Something is typed.' })
  expect(one.signs().dialog).toBeNull()
})

test('what was tried in one silence is told whole: also what a model advised before the last nudges', () => {
  const one = records()
  const nudge = (silentMs: number) => one.add('agent.nudged', { about: 'silence', silentMs })
  const advise = (text: string) =>
    one.add('agent.triaged', { about: 'silence', verdict: 'nudge', proposed: { text }, why: 'It hangs.' })
  advise('Of an earlier silence')
  one.use('Bash', {}, 'done')
  nudge(4000)
  advise('Try make')
  nudge(4000)
  nudge(8000)
  expect(triesIn(one.rows, 'silence', 2)).toEqual([
    'It was judged, and the verdict was nudge ("Try make"): It hangs.',
    'It was nudged after 4 seconds of silence.',
    'It was nudged after 8 seconds of silence.',
  ])
})

test('the tools of a turn that failed have ended, though nobody said so', () => {
  const one = records()
  one.add('tool.start', { tool: 'Bash' })
  expect(one.signs().tools).toBe(1)
  one.add('runtime.failed', { cause: 'crash', message: 'It ended with SIGKILL.' })
  expect(one.signs().tools).toBe(0)
})

test('nudges are counted as whoever gave them did, who knew what the agent had said; a question that is closed leaves them', () => {
  const one = records()
  one.add('agent.nudged', { about: 'silence', nth: 1 })
  one.add('agent.nudged', { about: 'silence', nth: 2 })
  // It has said something since, which no event tells.
  one.add('agent.nudged', { about: 'silence', nth: 1 })
  expect(one.signs().tried.silence.nudges).toBe(1)
  one.add('agent.escalated', { about: 'silence' })
  one.add('agent.escalation-settled', { about: 'silence' })
  expect(one.signs().tried.silence).toMatchObject({ nudges: 1, taken: false })
})

test('what is repeated counts again when the clock shows a time before the verdict that gave time', () => {
  const one = records()
  one.add('agent.triaged', { about: 'loop', verdict: 'wait', waitMs: 60_000 }, 7_200_000)
  const again = (at: number) => {
    for (let time = 0; time < 3; time++)
      one.add('tool.end', { tool: 'Bash', call: 'c', out: 'o', ok: true, summary: 'same' }, at + time)
  }
  again(7_230_000)
  expect(one.signs().loop).toBeNull()
  again(3_600_000)
  expect(one.signs().loop).toMatchObject({ kind: 'call' })
})
