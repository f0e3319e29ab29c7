import { afterEach, beforeEach, expect, test } from 'vitest'
import { isReservedName, MAIL_TYPES, SENDABLE_TYPES } from '../../src/contract/mail.ts'
import { ask } from '../../src/mail/ask.ts'
import { replyTo } from '../../src/mail/reply.ts'
import { type Draft, nameOf, sendMail } from '../../src/mail/send.ts'
import { findMail, openQuestions } from '../../src/mail/store.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
})
afterEach(() => room.dispose())

const send = (to: string, more: Partial<Draft> = {}) =>
  sendMail(room, { from: 'human', to, type: 'status', subject: 'Hello', ...more })
const readersOf = async (to: string, from = 'human') =>
  Promise.all((await send(to, { from })).map((mail) => nameOf(room.db, mail.reader)))

test('an address is an agent, a capability, all, the coordinator or the human', async () => {
  const lead = await room.agent('lead-1', { capability: 'lead' })
  await room.agent('builder-1')
  await room.agent('builder-2')
  expect(await readersOf('builder-1')).toEqual(['builder-1'])
  expect(await readersOf('@builder')).toEqual(['builder-1', 'builder-2'])
  expect(await readersOf('@all')).toEqual(['lead-1', 'builder-1', 'builder-2'])
  expect(await readersOf('@all', lead.id)).toEqual(['builder-1', 'builder-2'])
  expect(await readersOf('human', lead.id)).toEqual(['human'])
})

test('the coordinator’s mail is the human’s while there is none, and the coordinator’s own to itself is too', async () => {
  expect(await readersOf('coordinator')).toEqual(['human'])
  const coordinator = await room.agent('boss', { capability: 'coordinator' })
  expect(await readersOf('coordinator')).toEqual(['boss'])
  expect(await readersOf('coordinator', coordinator.id)).toEqual(['human'])
})

test.each([
  ['builder-l', 'Did you mean builder-1?'],
  ['@builders', 'Did you mean @builder?'],
  ['humam', 'Did you mean human?'],
  ['../../etc/passwd', 'ov status'],
  ['--all', 'Did you mean @all?'],
  ['', 'ov status'],
  ['x'.repeat(300), 'ov status'],
  ["builder-1'; DROP TABLE mail;--", 'ov status'],
])('an address nobody has is refused with a way on: %s', async (to, hint) => {
  await room.agent('builder-1')
  await expect(send(to)).rejects.toMatchObject({
    kind: 'user',
    code: 'mail.recipient-unknown',
    hint: expect.stringContaining(hint),
  })
})

test('mail to one that has ended is refused and names who stands in for it', async () => {
  await room.agent('lead-1', { capability: 'lead' })
  await room.agent('builder-1', { parent: 'lead-1' })
  await room.end('builder-1')
  await expect(send('builder-1')).rejects.toMatchObject({
    code: 'mail.recipient-gone',
    message: expect.stringContaining('builder-1 is done'),
    hint: expect.stringContaining('lead-1'),
  })
  await expect(send('@builder')).rejects.toMatchObject({ code: 'mail.recipient-gone' })
})

test.each(['', '   ', '\n\t', '\u0007', '\u200b'])('a subject of nothing visible is refused: %j', async (subject) => {
  await expect(send('human', { subject })).rejects.toMatchObject({ kind: 'user', code: 'mail.no-subject' })
})

test('a text of 1 MB goes; one beyond the limit is refused with its size', async () => {
  const body = 'é\u001b[31m$(rm -rf /)`"\'\n'.repeat(60_000)
  expect(body.length).toBeGreaterThan(1_000_000)
  const [mail] = await send('human', { body })
  expect(mail?.body).toBe(body)
  await expect(send('human', { body: 'x'.repeat(2 * 1024 * 1024 + 1) })).rejects.toMatchObject({
    code: 'mail.too-long',
    message: expect.stringContaining('2097153'),
  })
  await expect(send('human', { subject: 'x'.repeat(301) })).rejects.toMatchObject({ code: 'mail.too-long' })
})

test('text is kept as it was written; only what no database text can hold is replaced', async () => {
  const text = 'bell \u0007 escape \u001b]0;title\u0007 c1 \u009b31m emoji 🦀 rtl \u202e'
  const [mail] = await send('human', { subject: text, body: `${text}\0 half \ud83d` })
  expect(mail?.subject).toBe(text)
  expect(mail?.body).toBe(`${text}\ufffd half \ufffd`)
})

test('a payload must fit its type, and the error says where it does not', async () => {
  await expect(send('human', { type: 'decision_gate' })).rejects.toMatchObject({
    code: 'mail.payload',
    message: expect.stringContaining('options'),
    hint: expect.stringContaining('--payload'),
  })
  await expect(send('human', { type: 'status', payload: { progres: 1 } })).rejects.toMatchObject({
    code: 'mail.payload',
  })
  const [mail] = await send('human', { type: 'decision_gate', payload: { options: ['ship', 'wait'] } })
  expect(JSON.parse(mail?.payload_json ?? '')).toEqual({ options: ['ship', 'wait'] })
})

test('the facts that only ov states are not for sending', () => {
  const facts = MAIL_TYPES.filter((type) => !(SENDABLE_TYPES as readonly string[]).includes(type))
  expect(facts).toEqual(['dispatch', 'worker_done', 'worker_died', 'merge_ready', 'merged', 'merge_failed'])
})

test('no agent can be called what would make its mail somebody else’s', () => {
  expect(isReservedName('human', 'builder')).toBe(true)
  expect(isReservedName('ov', 'builder')).toBe(true)
  expect(isReservedName('coordinator', 'builder')).toBe(true)
  expect(isReservedName('coordinator', 'coordinator')).toBe(false)
  expect(isReservedName('human-1', 'builder')).toBe(false)
})

test('a reply goes to the sender in the same thread, an answer where an answer is wanted', async () => {
  const agent = await room.agent('builder-1')
  const [question] = await send('human', { from: agent.id, type: 'question', subject: 'Which?', priority: 'high' })
  if (!question) throw new Error('it was sent')
  const answer = await replyTo(room, 'human', question, { body: 'This one.' })
  expect(answer).toMatchObject({
    reader: agent.id,
    sender: 'human',
    type: 'answer',
    subject: 'Re: Which?',
    priority: 'high',
    thread_id: question.thread_id,
    reply_to: question.id,
  })
  const thanks = await replyTo(room, agent.id, answer, { body: 'Thanks.' })
  expect(thanks).toMatchObject({
    reader: 'human',
    type: 'status',
    subject: 'Re: Which?',
    thread_id: question.thread_id,
  })
  const more = await replyTo(room, agent.id, thanks, { body: 'One more thing.' })
  expect(more.reader).toBe('human')
})

test('a reply that is exactly an option carries the choice', async () => {
  const agent = await room.agent('builder-1')
  const [gate] = await send('human', {
    from: agent.id,
    type: 'decision_gate',
    payload: { options: ['Ship it', 'Wait'] },
  })
  if (!gate) throw new Error('it was sent')
  expect(JSON.parse((await replyTo(room, 'human', gate, { body: ' ship it\n' })).payload_json)).toEqual({
    choice: 'Ship it',
  })
  expect(JSON.parse((await replyTo(room, 'human', gate, { body: 'neither' })).payload_json)).toEqual({})
})

test('an answer without a thread belongs to the newest question its reader asked', async () => {
  const agent = await room.agent('builder-1')
  for (const question of ['Which?', 'And now?']) await ask(room, agent, { question })
  const [answer] = await send('builder-1', { type: 'answer', subject: 'PostgreSQL' })
  const [newest] = await findMail(room.db, { sender: agent.id }, 1)
  expect(answer?.thread_id).toBe(newest?.thread_id)
  expect((await openQuestions(room.db, { sender: agent.id })).map((mail) => mail.subject)).toEqual(['Which?'])
})

test('an agent asks whom it reports to; a group cannot answer', async () => {
  await room.agent('lead-1', { capability: 'lead' })
  const agent = await room.agent('builder-1', { parent: 'lead-1' })
  expect(await ask(room, agent, { question: 'Which?' })).toMatchObject({ to: 'lead-1' })
  await room.end('lead-1')
  expect(await ask(room, agent, { question: 'Which?' })).toMatchObject({ to: 'human' })
  await expect(ask(room, agent, { question: 'Which?', to: '@all' })).rejects.toMatchObject({ code: 'ask.one' })
  await expect(ask(room, agent, { question: ' ' })).rejects.toMatchObject({ code: 'ask.empty' })
})
