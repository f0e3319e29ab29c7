import { afterEach, beforeEach, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import { escalate } from '../../src/escalation/escalate.ts'
import { recentEvents } from '../../src/events/store.ts'
import { findMail } from '../../src/mail/store.ts'
import type { Trouble, TroubleKind } from '../../src/watchdog/trouble.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
  await room.agent('lead-1', { capability: 'lead' })
  await room.agent('builder-1', { parent: 'lead-1' })
})
afterEach(() => room.dispose())

const idOf = async (name: string) => (await findAgent(room.db, name))?.id ?? name

async function raise(name: string, about: TroubleKind = 'silence', enabled = true) {
  const agent = await findAgent(room.db, name)
  if (!agent) throw new Error(`no agent ${name}`)
  const trouble: Trouble = {
    agent: agent.id,
    fence: agent.fence,
    about,
    ms: 360_000,
    seen: 'It has shown nothing for 6 minutes.',
    tried: ['nudged at 120 s', 'nudged at 240 s'],
  }
  const project = { ...room, config: { watchdog: { tier3: { enabled, answerWithin: 900_000 } } } }
  await escalate(project as unknown as Parameters<typeof escalate>[0], agent, { trouble, why: 'Triage is off.' })
}

const asked = async (name: string) => findMail(room.db, { reader: await idOf(name), types: ['escalation'] }, 10)

test('an agent in trouble is put to whom it reports to, with what was seen, tried, and what can be answered', async () => {
  await raise('builder-1')
  const [mail, ...others] = await asked('lead-1')
  expect(others).toEqual([])
  expect(mail).toMatchObject({ sender: 'ov', priority: 'urgent' })
  expect(mail?.subject).toBe('builder-1 needs a decision: It has shown nothing for 6 minutes.')
  expect(mail?.body).toContain('- nudged at 240 s')
  expect(mail?.body).toContain('Why you are asked: Triage is off.')
  expect(JSON.parse(mail?.payload_json ?? '')).toEqual({
    about: 'builder-1',
    options: ['wait', 'nudge', 'restart-fresh', 'stop'],
  })
  const events = await recentEvents(room.db, { agentId: await idOf('builder-1') }, 10)
  expect(events.filter(({ type }) => type === 'agent.escalated').map(({ data_json }) => JSON.parse(data_json))).toEqual(
    [{ about: 'silence', to: 'lead-1', question: mail?.id, why: 'Triage is off.' }],
  )
})

test('while it waits for an answer, the same trouble of the same owner is not put again', async () => {
  await raise('builder-1')
  await Promise.all([raise('builder-1'), raise('builder-1')])
  expect(await asked('lead-1')).toHaveLength(1)
  await raise('builder-1', 'dialog')
  expect(await asked('lead-1')).toHaveLength(2)
})

test('one above that has ended, or is in trouble itself, is passed over; at last the human is asked', async () => {
  await room.agent('scout-1', { parent: 'builder-1' })
  await raise('builder-1')
  await raise('scout-1')
  expect(await asked('builder-1')).toEqual([])
  expect(await asked('lead-1')).toHaveLength(2)
  await room.end('lead-1')
  await raise('scout-1', 'loop')
  expect(await asked('human')).toHaveLength(1)
})

test('nobody is asked where tier 3 is off', async () => {
  await raise('builder-1', 'silence', false)
  expect(await asked('lead-1')).toEqual([])
})
