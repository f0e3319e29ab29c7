import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeOver } from '../../src/agents/store.ts'
import type { Priority } from '../../src/contract/mail.ts'
import { write } from '../../src/db/open.ts'
import { recentEvents } from '../../src/events/store.ts'
import {
  confirmDelivery,
  type Delivery,
  letGo,
  settleFallen,
  type Transcript,
  takeMail,
} from '../../src/mail/deliver.ts'
import { markOf } from '../../src/mail/frame.ts'
import { sendMail } from '../../src/mail/send.ts'
import { countWaiting, getMail } from '../../src/mail/store.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
let reader: string
beforeEach(async () => {
  room = await mailroom()
  reader = (await room.agent('reader-1')).id
})
afterEach(() => room.dispose())

const send = async (subject: string, priority: Priority = 'normal', from = 'human') => {
  const [mail] = await sendMail(room, { from, to: 'reader-1', type: 'status', subject, priority })
  return mail?.id ?? ''
}
const subjects = (delivery: Delivery | null) => delivery?.letters.map(({ mail }) => mail.subject) ?? []
const ids = (delivery: Delivery) => delivery.letters.map(({ mail }) => mail.id)
const transcriptOf = (...read: string[]): Transcript => ({
  has: async (mark) => read.some((id) => mark === markOf(id)),
})

test('priority orders delivery, and within it the order of sending', async () => {
  await send('low', 'low')
  await send('first')
  await send('high', 'high')
  await send('second')
  await send('urgent', 'urgent')
  expect(subjects(await takeMail(room, { id: reader }))).toEqual(['urgent', 'high', 'first', 'second', 'low'])
})

test('a mail that is asked for by its id overtakes earlier ones, and that it was asked for is recorded', async () => {
  const first = await send('first')
  const second = await send('second')
  expect(subjects(await takeMail(room, { id: reader }, { ids: [second] }))).toEqual(['second'])
  expect(subjects(await takeMail(room, { id: reader }))).toEqual(['first'])
  const picked = (await recentEvents(room.db, { agentId: reader }, 10)).filter(({ type }) => type === 'mail.picked')
  expect(picked.map(({ data_json: data }) => JSON.parse(data))).toEqual([{ mail: [second] }])
  expect(first).not.toBe(second)
})

test('mail in hand is nobody else’s, and is delivered when it is confirmed', async () => {
  await send('one')
  const delivery = await takeMail(room, { id: reader })
  expect(subjects(delivery)).toEqual(['one'])
  expect(await takeMail(room, { id: reader })).toBeNull()
  if (!delivery) return
  expect(await confirmDelivery(room, reader, delivery.offer, ids(delivery))).toEqual(ids(delivery))
  expect(await confirmDelivery(room, reader, delivery.offer, ids(delivery))).toEqual([])
  letGo(delivery.offer)
  expect(await takeMail(room, { id: reader })).toBeNull()
  const events = await recentEvents(room.db, { agentId: reader }, 10)
  expect(events.map((event) => event.type)).toEqual(['mail.sent', 'mail.delivered'])
})

test('mail that is let go is offered again at once, unless the reader’s transcript has it', async () => {
  const [one, two] = [await send('one'), await send('two')]
  const first = await takeMail(room, { id: reader })
  letGo(first?.offer ?? '')
  const second = await takeMail(room, { id: reader, transcript: transcriptOf(one) })
  expect(subjects(second)).toEqual(['two'])
  expect((await getMail(room.db, one))?.delivered_at).not.toBeNull()
  expect((await getMail(room.db, two))?.delivered_at).toBeNull()
})

test('a transcript that can’t be read leaves mail where it is', async () => {
  await send('one')
  letGo((await takeMail(room, { id: reader }))?.offer ?? '')
  const unreadable: Transcript = {
    has: async () => {
      throw new Error('the transcript is locked')
    },
  }
  await expect(takeMail(room, { id: reader, transcript: unreadable })).rejects.toThrow('locked')
  expect(subjects(await takeMail(room, { id: reader, transcript: transcriptOf() }))).toEqual(['one'])
})

test('an offer that was overtaken confirms nothing', async () => {
  await send('one')
  const first = await takeMail(room, { id: reader })
  letGo(first?.offer ?? '')
  const second = await takeMail(room, { id: reader })
  if (!first || !second) throw new Error('both took it')
  expect(await confirmDelivery(room, reader, first.offer, ids(first))).toEqual([])
  expect(await countWaiting(room.db, reader)).toBe(1)
  expect(await confirmDelivery(room, reader, second.offer, ids(second))).toEqual(ids(second))
})

test('nobody confirms for another reader', async () => {
  await send('one')
  const other = await room.agent('other-1')
  const delivery = await takeMail(room, { id: reader })
  if (!delivery) throw new Error('there is mail')
  expect(await confirmDelivery(room, other.id, delivery.offer, ids(delivery))).toEqual([])
  expect(await countWaiting(room.db, reader)).toBe(1)
})

test('no mail overtakes an earlier one of its sender and priority that is still in another hand', async () => {
  const other = await room.agent('other-1')
  await send('one')
  const first = await takeMail(room, { id: reader })
  await send('two')
  await send('from another', 'normal', other.id)
  await send('urgent', 'urgent')
  expect(subjects(await takeMail(room, { id: reader }))).toEqual(['urgent', 'from another'])
  letGo(first?.offer ?? '')
  expect(subjects(await takeMail(room, { id: reader }))).toEqual(['one', 'two'])
})

test('what is unconfirmed of an offer stays in hand', async () => {
  const [one, two] = [await send('one'), await send('two')]
  const delivery = await takeMail(room, { id: reader })
  await confirmDelivery(room, reader, delivery?.offer ?? '', [one])
  expect(await takeMail(room, { id: reader })).toBeNull()
  letGo(delivery?.offer ?? '')
  expect((await takeMail(room, { id: reader }))?.letters[0]?.mail.id).toBe(two)
})

test('no clock decides who holds mail: neither an hour’s sleep nor a jump back offers it again', async () => {
  await send('one')
  await takeMail(room, { id: reader })
  room.clock.advance(3_600_000)
  expect(await takeMail(room, { id: reader })).toBeNull()
  room.clock.advance(-7_200_000)
  expect(await takeMail(room, { id: reader })).toBeNull()
})

test('many takers at once share the mail: each is in exactly one hand', async () => {
  const sent = new Set<string>()
  for (let number = 0; number < 30; number++)
    sent.add(await send(String(number), 'normal', (await room.agent(`s-${number}`)).id))
  const deliveries = await Promise.all(Array.from({ length: 20 }, () => takeMail(room, { id: reader })))
  const taken = deliveries.flatMap((delivery) => (delivery ? ids(delivery) : []))
  expect(taken).toHaveLength(30)
  expect(new Set(taken)).toEqual(sent)
})

test('only so much goes at once, a single long mail all the same', async () => {
  const body = 'x'.repeat(60_000)
  for (const subject of ['one', 'two', 'three'])
    await sendMail(room, { from: 'human', to: 'reader-1', type: 'status', subject, body })
  await sendMail(room, { from: 'human', to: 'reader-1', type: 'status', subject: 'long', body: 'y'.repeat(1_000_000) })
  const rounds: string[][] = []
  for (let delivery = await takeMail(room, { id: reader }); delivery; delivery = await takeMail(room, { id: reader })) {
    rounds.push(subjects(delivery))
    await confirmDelivery(room, reader, delivery.offer, ids(delivery))
  }
  expect(rounds).toEqual([['one'], ['two'], ['three'], ['long']])
})

test('an owner that was overtaken takes nothing', async () => {
  await send('one')
  const agent = await room.agent('owned-1')
  await sendMail(room, { from: 'human', to: 'owned-1', type: 'status', subject: 'mine' })
  await write(room.db, (tx) => takeOver(tx, agent, ['working'], ownIdentity(), 'working', room.clock.now()))
  await expect(takeMail(room, { id: agent.id, fence: agent.fence })).rejects.toMatchObject({ code: 'agent.fenced' })
  expect(subjects(await takeMail(room, { id: agent.id, fence: agent.fence + 1 }))).toEqual(['mine'])
})

test('what an ending agent has read by its transcript is settled, the rest bounces', async () => {
  const sender = await room.agent('sender-1')
  const [read, unread] = [await send('read', 'normal', sender.id), await send('unread', 'normal', sender.id)]
  letGo((await takeMail(room, { id: reader }))?.offer ?? '')
  expect(await settleFallen(room, { id: reader, transcript: transcriptOf(read) })).toEqual([read])
  await room.end('reader-1')
  expect((await getMail(room.db, read))?.bounced_at).toBeNull()
  expect((await getMail(room.db, unread))?.bounced_at).not.toBeNull()
})
