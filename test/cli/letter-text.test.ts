import { expect, test } from 'vitest'
import { letterText } from '../../src/cli/letter-text.ts'
import type { MailView } from '../../src/mail/view.ts'

const plain = (text: string) => text
const MAIL: MailView = {
  id: '01a1f89a-dead-7000-8000-0000cafe1234',
  thread: '01a1f89a-dead-7000-8000-0000cafe1234',
  replyTo: null,
  from: 'nt',
  to: 'human',
  type: 'status',
  priority: 'normal',
  subject: 'Tests fail',
  body: '',
  at: 0,
  state: 'unread',
  deliveredAt: null,
  payload: {},
}
const shown = (mail: Partial<MailView>) =>
  letterText([{ ...MAIL, ...mail }], 0, { dim: plain, bold: plain })
    .split('\n')
    .slice(1)

test('a letter says each thing once: subject, body, and what its payload carries beyond them, without ids', () => {
  const task = '01a1f8aa-eaa5-7159-8242-f7e18638ac58'
  expect(
    shown({ type: 'worker_died', body: 'exit 127\nhi', payload: { task, agent: 'nt', reason: 'exit 127\nhi' } }),
  ).toEqual(['Tests fail', '', 'exit 127', 'hi', '', 'agent: nt'])
  expect(shown({ payload: { branch: 'ov/run-1/a', tries: 2, again: null, files: ['a', 'b'] } })).toEqual([
    'Tests fail',
    '',
    'branch: ov/run-1/a',
    'tries: 2',
    'files: ["a","b"]',
  ])
  expect(shown({ body: 'Tests fail\n', payload: { note: 'red\u001b[31m\nline' } })).toEqual([
    'Tests fail',
    '',
    expect.stringMatching(/^note: red.{0,2}line$/),
  ])
  expect(shown({ type: 'question', payload: { options: ['a', 'b'] } })).toEqual([
    'Tests fail',
    '',
    'Options: a · b',
    'Answer: ov mail reply cafe1234 --body "…"',
  ])
})
