import { afterEach, beforeEach, expect, test } from 'vitest'
import { bounceStranded } from '../../src/mail/bounce.ts'
import { confirmDelivery, letGo, takeMail } from '../../src/mail/deliver.ts'
import { unansweredBy } from '../../src/mail/questions.ts'
import { replyTo } from '../../src/mail/reply.ts'
import { nameOf, postMail, sendMail } from '../../src/mail/send.ts'
import { findMail, type Mail } from '../../src/mail/store.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
  await room.agent('lead-1', { capability: 'lead' })
  await room.agent('builder-1', { parent: 'lead-1' })
  await room.agent('builder-2', { parent: 'lead-1' })
})
afterEach(() => room.dispose())

const idOf = async (name: string) =>
  (await room.db.selectFrom('agents').select('id').where('name', '=', name).executeTakeFirstOrThrow()).id
const newestTo = async (name: string): Promise<Mail | undefined> =>
  (await findMail(room.db, { reader: name === 'human' ? name : await idOf(name) }, 1))[0]

test('unread mail of one that ends is back with its sender in the same moment, with its text', async () => {
  const from = await idOf('builder-2')
  const [mail] = await sendMail(room, {
    from,
    to: 'builder-1',
    type: 'status',
    subject: 'API changed',
    body: 'See v2.',
  })
  await room.end('builder-1')
  expect(await newestTo('builder-2')).toMatchObject({
    sender: 'ov',
    type: 'escalation',
    subject: 'Not delivered to builder-1: API changed',
    body: expect.stringContaining('See v2.'),
    thread_id: mail?.thread_id,
    reply_to: mail?.id,
  })
})

test('a bounce whose sender has ended too reaches whoever stands in for it, at last the human', async () => {
  const from = await idOf('builder-2')
  await sendMail(room, { from, to: 'builder-1', type: 'status', subject: 'API changed' })
  await room.end('builder-2')
  await room.end('builder-1')
  expect(await newestTo('lead-1')).toMatchObject({ subject: 'Not delivered to builder-1: API changed' })
  await room.end('lead-1')
  expect(await newestTo('human')).toMatchObject({ subject: 'Not delivered to builder-1: API changed' })
})

test('word of a task’s end is passed on to whoever stands in for an ended lead', async () => {
  const from = await idOf('builder-1')
  const payload = { task: 't', branch: 'b', commit: null }
  await postMail(room.db, { from, to: 'lead-1', type: 'worker_done', subject: 'Done: it', payload }, room.clock.now())
  await room.end('lead-1')
  const passed = await newestTo('human')
  expect(passed).toMatchObject({ type: 'worker_done', subject: 'Done: it', sender: from })
  expect(JSON.parse(passed?.payload_json ?? '')).toEqual(payload)
})

test('whoever waits for an answer of one that ends learns that none will come', async () => {
  const asker = await idOf('builder-1')
  await sendMail(room, { from: asker, to: 'lead-1', type: 'question', subject: 'Which?' })
  const lead = await idOf('lead-1')
  const delivery = await takeMail(room, { id: lead })
  await confirmDelivery(room, lead, delivery?.offer ?? '', delivery?.letters.map(({ mail }) => mail.id) ?? [])
  letGo(delivery?.offer ?? '')
  expect(await unansweredBy(room.db, asker)).toBe('agent')
  await room.end('lead-1')
  expect(await newestTo('builder-1')).toMatchObject({ subject: 'Not answered by lead-1: Which?', sender: 'ov' })
  expect(await unansweredBy(room.db, asker)).toBeNull()
})

test('an unread question that bounces is told once, and is open no more', async () => {
  const asker = await idOf('builder-1')
  await sendMail(room, { from: asker, to: 'lead-1', type: 'question', subject: 'Which?' })
  await room.end('lead-1')
  const got = await findMail(room.db, { reader: asker }, 10)
  expect(got.map((mail) => mail.subject)).toEqual(['Not delivered to lead-1: Which?'])
  expect(await unansweredBy(room.db, asker)).toBeNull()
})

test('mail stranded with one that ended without a bounce is found and bounced, mail of the living is not', async () => {
  await sendMail(room, { from: 'human', to: 'builder-1', type: 'status', subject: 'stranded' })
  await sendMail(room, { from: 'human', to: 'builder-2', type: 'status', subject: 'alive' })
  await sendMail(room, { from: await idOf('builder-2'), to: 'human', type: 'status', subject: 'for the human' })
  await room.db.updateTable('agents').set({ state: 'failed' }).where('name', '=', 'builder-1').execute()
  expect(await bounceStranded(room)).toBe(1)
  expect(await bounceStranded(room)).toBe(0)
  expect(await newestTo('human')).toMatchObject({ subject: 'Not delivered to builder-1: stranded' })
})

test('nobody is told about a dispatch or word of a merge that nobody will read; it is recorded', async () => {
  const payload = { branch: 'b', commit: 'c', mergedAs: 'd' }
  await postMail(room.db, { from: 'ov', to: 'builder-1', type: 'merged', subject: 'Merged', payload }, room.clock.now())
  await room.end('builder-1')
  expect(await findMail(room.db, { types: ['escalation'] }, 10)).toEqual([])
  const events = await room.db.selectFrom('events').selectAll().where('type', '=', 'mail.bounced').execute()
  expect(events.map((event) => JSON.parse(event.data_json).fate)).toEqual(['record'])
})

test('a reply to a bounce is refused with a way on, and so is one to an ended sender', async () => {
  const from = await idOf('builder-2')
  const [mail] = await sendMail(room, { from, to: 'builder-1', type: 'status', subject: 'API changed' })
  if (!mail) throw new Error('it was sent')
  await room.end('builder-1')
  const notice = await newestTo('builder-2')
  if (!notice) throw new Error('it bounced')
  await expect(replyTo(room, from, notice, { body: 'Hm' })).rejects.toMatchObject({
    code: 'mail.reply-to-ov',
    hint: expect.stringContaining('ov mail send'),
  })
  await expect(replyTo(room, from, mail, { body: 'Are you there?' })).rejects.toMatchObject({
    code: 'mail.recipient-gone',
  })
  expect(await nameOf(room.db, notice.reader)).toBe('builder-2')
})
