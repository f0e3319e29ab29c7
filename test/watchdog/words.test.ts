import { expect, test } from 'vitest'
import { wordsFor } from '../../src/watchdog/words.ts'

test.each([
  [
    { verdict: 'nudge', by: 'claude haiku', digest: 'd', proposed: { text: 'Try make' }, why: 'It hangs.' },
    'mute is judged: it is given advice: Try make (It hangs.)',
  ],
  [
    { verdict: 'wait', by: 'claude haiku', digest: 'd', proposed: {}, waitMs: 300_000, why: 'It compiles.' },
    'mute is judged: it is left alone for 5 minutes: It compiles.',
  ],
  [
    { verdict: 'ask-human', by: null, digest: null, proposed: null, why: 'No model could judge it.' },
    'mute is judged: a person is asked: No model could judge it.',
  ],
  [
    { verdict: 'wait', by: 'human', digest: null, proposed: null, waitMs: 1_800_000, why: '1' },
    'human decides about mute: it is left alone for 30 minutes',
  ],
  [
    { verdict: 'nudge', by: 'lead-1', digest: null, proposed: null, waitMs: 1000, why: 'Start the database.' },
    'lead-1 decides about mute: it is given advice: Start the database.',
  ],
])('a verdict says whose it is and what follows: %j', (data, text) => {
  const event = { id: '1', at: 0, run_id: null, task_id: null, agent_id: 'a', type: 'agent.triaged' }
  const row = { ...event, data_json: JSON.stringify(data) } as never
  expect(wordsFor(row, () => 'mute')?.text).toBe(text)
})
