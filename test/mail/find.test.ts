import { afterEach, beforeEach, expect, test } from 'vitest'
import { meantMail, meantParty } from '../../src/mail/find.ts'
import { sendMail } from '../../src/mail/send.ts'
import { findMail, type Mail, type MailQuery } from '../../src/mail/store.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
let agent: string
beforeEach(async () => {
  room = await mailroom()
  agent = (await room.agent('builder-1')).id
})
afterEach(() => room.dispose())

const send = async (subject: string, body = '', from = 'human'): Promise<Mail> => {
  const [mail] = await sendMail(room, {
    from,
    to: from === 'human' ? 'builder-1' : 'human',
    type: 'status',
    subject,
    body,
  })
  if (!mail) throw new Error('it was sent')
  return mail
}
const found = async (query: MailQuery) => (await findMail(room.db, query, 10)).map((mail) => mail.subject)

test('text is found as it stands, newest first, whatever its case; % and _ are letters like others', async () => {
  await send('Login form', 'is done')
  await send('Other', 'the LOGIN form again')
  await send('100% sure', 'a_b')
  expect(await found({ text: 'login FORM' })).toEqual(['Other', 'Login form'])
  expect(await found({ text: '100%' })).toEqual(['100% sure'])
  expect(await found({ text: '0% s_re' })).toEqual([])
  expect(await found({ text: 'a_b' })).toEqual(['100% sure'])
  expect(await found({ text: 'x_y' })).toEqual([])
  expect(await found({ text: '%' })).toEqual(['100% sure'])
  expect(await found({ text: '\\' })).toEqual([])
})

test('filters narrow together', async () => {
  await send('from the human')
  await send('from the agent', '', agent)
  expect(await found({ sender: agent })).toEqual(['from the agent'])
  expect(await found({ reader: agent, unread: true })).toEqual(['from the human'])
  expect(await found({ party: agent })).toEqual(['from the agent', 'from the human'])
  expect(await found({ types: ['question'] })).toEqual([])
})

test('a mail is meant by its id, or by a beginning or end of it that no other has', async () => {
  const mail = await send('one')
  await send('two')
  expect((await meantMail(room.db, mail.id, undefined)).id).toBe(mail.id)
  expect((await meantMail(room.db, mail.id.toUpperCase(), undefined)).id).toBe(mail.id)
  expect((await meantMail(room.db, mail.id.slice(-8), undefined)).id).toBe(mail.id)
  expect((await meantMail(room.db, mail.id.slice(0, 30), undefined)).id).toBe(mail.id)
  await expect(meantMail(room.db, mail.id.slice(0, 5), undefined)).rejects.toMatchObject({ code: 'mail.ambiguous' })
})

test.each(['', 'abc', '%%%%', '____', 'nonsense', '../../x', 'ffffffff'])('no mail is meant by %j', async (id) => {
  await send('one')
  await expect(meantMail(room.db, id, undefined)).rejects.toMatchObject({ code: 'mail.unknown' })
})

test('an agent cannot mean a mail that is neither from nor to it', async () => {
  const other = await room.agent('builder-2')
  const mail = await send('secret')
  expect((await meantMail(room.db, mail.id, agent)).subject).toBe('secret')
  await expect(meantMail(room.db, mail.id, other.id)).rejects.toMatchObject({ code: 'mail.unknown' })
})

test('a name in a filter may be of one that has ended; a wrong one brings the nearest', async () => {
  await room.end('builder-1')
  expect(await meantParty(room.db, 'builder-1')).toBe(agent)
  expect(await meantParty(room.db, 'ov')).toBe('ov')
  await expect(meantParty(room.db, 'bilder-1')).rejects.toMatchObject({ hint: 'Did you mean builder-1?' })
})
