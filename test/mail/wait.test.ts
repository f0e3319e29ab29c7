import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { confirmDelivery, letGo, type Post, takeMail } from '../../src/mail/deliver.ts'
import { sendMail } from '../../src/mail/send.ts'
import { waitForMail } from '../../src/mail/wait.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
let reader: string
/** The same mail on the machine's clock: waiting takes real time. */
let post: Post
beforeEach(async () => {
  room = await mailroom()
  reader = (await room.agent('reader-1')).id
  post = { ...room, clock: systemClock }
})
afterEach(() => room.dispose())

const never = new AbortController().signal
const send = (subject: string, from = 'human') => sendMail(room, { from, to: 'reader-1', type: 'status', subject })
const subject = async (waiting: ReturnType<typeof waitForMail>) =>
  (await waiting).letters.map(({ mail }) => mail.subject)

test('mail that is there is taken at once', async () => {
  await send('one')
  expect(await subject(waitForMail(post, { id: reader }, {}, { gone: never }))).toEqual(['one'])
})

test('a commit wakes whoever waits, within a fraction of the second look’s second', async () => {
  for (let round = 0; round < 20; round++) {
    const started = performance.now()
    const waiting = waitForMail(post, { id: reader }, {}, { gone: never, timeoutMs: 20_000 })
    await send(String(round))
    const { offer, letters } = await waiting
    expect(letters.map(({ mail }) => mail.subject)).toEqual([String(round)])
    expect(performance.now() - started).toBeLessThan(900)
    await confirmDelivery(
      post,
      reader,
      offer,
      letters.map(({ mail }) => mail.id),
    )
    letGo(offer)
  }
})

test('only what is wanted is taken; the rest stays', async () => {
  const other = await room.agent('other-1')
  await send('from the human')
  const waiting = waitForMail(post, { id: reader }, { sender: other.id }, { gone: never })
  await send('from the other', other.id)
  expect(await subject(waiting)).toEqual(['from the other'])
  expect((await takeMail(room, { id: reader }))?.letters[0]?.mail.subject).toBe('from the human')
})

test('time that is over is a timeout, whoever hangs up ends the waiting', async () => {
  await expect(waitForMail(post, { id: reader }, {}, { gone: never, timeoutMs: 30 })).rejects.toMatchObject({
    kind: 'timeout',
    code: 'mail.timeout',
  })
  const caller = new AbortController()
  const waiting = waitForMail(post, { id: reader }, {}, { gone: caller.signal })
  caller.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'mail.hung-up' })
})

test('mail that another let go of is taken, though nothing was written', async () => {
  await send('one')
  const delivery = await takeMail(room, { id: reader })
  const waiting = waitForMail(post, { id: reader }, {}, { gone: never, timeoutMs: 20_000 })
  letGo(delivery?.offer ?? '')
  expect(await subject(waiting)).toEqual(['one'])
})
