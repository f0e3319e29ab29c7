import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, findAgent, getAgent, setAgentState } from '../../src/agents/store.ts'
import { answerEscalation, answerQuestion } from '../../src/escalation/answer.ts'
import { escalate } from '../../src/escalation/escalate.ts'
import { listQuestions } from '../../src/escalation/questions.ts'
import { lastEscalation } from '../../src/escalation/store.ts'
import { tendEscalations } from '../../src/escalation/tend.ts'
import { recentEvents, recordEvent } from '../../src/events/store.ts'
import { takeMail } from '../../src/mail/deliver.ts'
import { sendMail } from '../../src/mail/send.ts'
import { findMail } from '../../src/mail/store.ts'
import type { Project } from '../../src/project.ts'
import type { Trouble, TroubleKind } from '../../src/watchdog/trouble.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

const MINUTE = 60_000

let room: Mailroom
let enabled: boolean
beforeEach(async () => {
  enabled = true
  room = await mailroom()
  await room.agent('lead-1', { capability: 'lead' })
  await room.agent('builder-1', { parent: 'lead-1' })
})
afterEach(() => room.dispose())

/** What of a project these stories use. */
function project(): Project {
  const tier3 = { enabled, answerWithin: 15 * MINUTE }
  const config = { agents: { maxConcurrent: 5 }, watchdog: { tier0: { nudgeAfter: 2 * MINUTE }, tier3 } }
  return { ...room, config, stateDir: dirname(room.databasePath) } as unknown as Project
}

async function named(name: string): Promise<Agent> {
  const agent = await findAgent(room.db, name)
  if (!agent) throw new Error(`no agent ${name}`)
  return agent
}

const idOf = async (name: string) => (name === 'human' ? name : (await named(name)).id)

async function raise(name: string, about: TroubleKind = 'silence', options: string[] = []) {
  const agent = await named(name)
  const trouble: Trouble = {
    agent: agent.id,
    fence: agent.fence,
    about,
    ms: 6 * MINUTE,
    seen: 'It has shown nothing for 6 minutes.',
    tried: ['nudged at 120 s', 'nudged at 240 s'],
  }
  await escalate(project(), agent, { trouble, why: 'Triage is off.', options })
}

const asked = async (name: string) => findMail(room.db, { reader: await idOf(name), types: ['escalation'] }, 10)

async function escalation(name: string) {
  const found = await lastEscalation(room.db, await idOf(name))
  if (!found) throw new Error(`nobody was asked about ${name}`)
  return found
}

async function told(name: string, type: string) {
  const events = await recentEvents(room.db, { agentId: await idOf(name) }, 50)
  return events.filter((event) => event.type === type).map(({ data_json }) => JSON.parse(data_json))
}

test('an agent in trouble is put to whom it reports to, with what was seen, tried, and what can be answered', async () => {
  await raise('builder-1', 'silence', ['use sqlite'])
  const [mail, ...others] = await asked('lead-1')
  expect(others).toEqual([])
  expect(mail).toMatchObject({ sender: 'ov', priority: 'urgent' })
  expect(mail?.subject).toBe('builder-1 needs a decision: It has shown nothing for 6 minutes.')
  expect(mail?.body).toContain('- nudged at 240 s')
  expect(mail?.body).toContain('Why you are asked: Triage is off.')
  expect(JSON.parse(mail?.payload_json ?? '')).toEqual({
    about: 'builder-1',
    options: ['use sqlite', 'wait', 'nudge', 'restart-fresh', 'stop'],
  })
  expect(await told('builder-1', 'agent.escalated')).toEqual([
    {
      about: 'silence',
      to: 'lead-1',
      question: mail?.id,
      why: 'Triage is off.',
      logSize: 0,
      stateSince: room.clock.now(),
    },
  ])
})

test('while it waits for an answer, the same trouble of the same owner is not put again', async () => {
  await raise('builder-1')
  await Promise.all([raise('builder-1'), raise('builder-1')])
  expect(await asked('lead-1')).toHaveLength(1)
  await raise('builder-1', 'dialog')
  const both = await asked('lead-1')
  expect(both).toHaveLength(2)
  expect(both[0]?.body).toContain('A person can answer on its screen: ov attach builder-1')
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

test('one above that its provider holds back for longer than an answer may take is passed over', async () => {
  const until = room.clock.now() + 60 * MINUTE
  const lead = await named('lead-1')
  await setAgentState(room.db, lead, { name: 'waiting', on: 'rate_limit', until }, room.clock.now())
  await raise('builder-1')
  expect(await asked('human')).toHaveLength(1)
})

test('nobody is asked where tier 3 is off', async () => {
  enabled = false
  await raise('builder-1')
  expect(await asked('lead-1')).toEqual([])
})

test('who does not answer in time is passed over, once; who had not read it does not get it any more, who had may still answer', async () => {
  await raise('builder-1')
  room.clock.advance(14 * MINUTE)
  await tendEscalations(project())
  expect(await asked('human')).toEqual([])
  const delivery = await takeMail(room, { id: await idOf('lead-1') })
  room.clock.advance(2 * MINUTE)
  await Promise.all([tendEscalations(project()), tendEscalations(project())])
  const [mail, ...others] = await asked('human')
  expect(others).toEqual([])
  expect(mail?.body).toContain('lead-1 was asked, and has not answered for 16 minutes.')
  expect(mail?.thread_id).toBe(delivery?.letters[0]?.mail.id)
  expect((await told('builder-1', 'agent.escalated')).map(({ to }) => to)).toEqual(['lead-1', 'human'])
  await answerEscalation(project(), await idOf('lead-1'), await escalation('builder-1'), 'wait 20m')
  expect(await listQuestions(project(), 'human')).toEqual([])
  expect((await asked('human'))[0]?.bounced_at).not.toBeNull()
})

test('who ends without an answer is passed over at the next look, whether or not it had read the question', async () => {
  await raise('builder-1')
  await room.end('lead-1')
  // No second copy by the way of mail that comes back.
  expect(await asked('human')).toEqual([])
  await tendEscalations(project())
  expect((await asked('human')).map(({ body }) => body)).toEqual([
    expect.stringContaining('lead-1 was asked, and can’t answer any more.'.replace('’', "'")),
  ])
})

test('after a reboot the time for an answer begins anew', async () => {
  await raise('builder-1')
  await room.db.updateTable('escalations').set({ asked_boot: 'another', asked_mono: 0 }).execute()
  await tendEscalations(project())
  expect(await asked('human')).toEqual([])
  room.clock.advance(16 * MINUTE)
  await tendEscalations(project())
  expect(await asked('human')).toHaveLength(1)
})

test('what went on by itself needs no answer any more: by a tool, by output, by the end of its turn, by its end', async () => {
  const over = async () => {
    await tendEscalations(project())
    const { state } = await escalation('builder-1')
    return state
  }
  await raise('builder-1')
  expect(await over()).toBe('open')
  const { id } = await named('builder-1')
  await recordEvent(room.db, { at: room.clock.now(), type: 'tool.start', agentId: id, data: { tool: 'Bash' } })
  expect(await over()).toBe('settled')
  expect((await asked('lead-1'))[0]?.bounced_at).not.toBeNull()

  await raise('builder-1')
  const logs = join(dirname(room.databasePath), 'logs', id)
  mkdirSync(logs, { recursive: true })
  appendFileSync(join(logs, 'output.ndjson'), '{"stream":"in","text":"are you stuck?"}\n')
  expect(await over()).toBe('open')
  appendFileSync(join(logs, 'output.ndjson'), '{"stream":"out","text":"no"}\n')
  expect(await over()).toBe('settled')

  await raise('builder-1')
  room.clock.advance(1)
  await setAgentState(room.db, await named('builder-1'), { name: 'waiting', on: 'mail' }, room.clock.now())
  expect(await over()).toBe('settled')

  await raise('builder-1', 'deadline')
  await room.end('builder-1', 'failed')
  expect(await over()).toBe('settled')
})

test('whether it went on is seen by its state, not by a clock that was set in between', async () => {
  const state = async () => (await escalation('builder-1')).state
  room.clock.set(-120 * MINUTE)
  await raise('builder-1')
  await tendEscalations(project())
  expect(await state()).toBe('open')
  room.clock.set(-120 * MINUTE)
  await setAgentState(room.db, await named('builder-1'), { name: 'waiting', on: 'mail' }, room.clock.now())
  await tendEscalations(project())
  expect(await state()).toBe('settled')
})

test('words reach the agent as urgent mail in the thread; a decision to wait gives it time; both are on record', async () => {
  await raise('builder-1')
  const first = await answerQuestion(project(), 'human', (await asked('lead-1'))[0]?.id ?? '', 'Start the database.')
  expect(first).toMatchObject({ agent: 'builder-1', did: 'sent', waitMs: null })
  const [mail] = await findMail(room.db, { reader: await idOf('builder-1'), types: ['answer'] }, 1)
  expect(mail).toMatchObject({ sender: 'human', priority: 'urgent', body: 'Start the database.' })
  expect(mail?.thread_id).toBe((await asked('lead-1'))[0]?.thread_id)
  await raise('builder-1')
  const second = await answerEscalation(project(), 'human', await escalation('builder-1'), '1')
  expect(second).toEqual({ agent: 'builder-1', did: 'waits', mail: null, waitMs: 30 * MINUTE })
  expect(await told('builder-1', 'agent.triaged')).toMatchObject([
    { about: 'silence', verdict: 'nudge', by: 'human', why: 'Start the database.' },
    { about: 'silence', verdict: 'wait', waitMs: 30 * MINUTE, by: 'human' },
  ])
})

test('the first answer counts; another is told so, and so is one that comes too late', async () => {
  await raise('builder-1')
  const open = await escalation('builder-1')
  await answerEscalation(project(), await idOf('lead-1'), open, 'wait')
  await expect(answerEscalation(project(), 'human', open, 'stop')).rejects.toMatchObject({
    code: 'ask.answered',
    message: 'lead-1 has answered already: wait',
  })
  await raise('builder-1')
  const late = await escalation('builder-1')
  await room.end('builder-1')
  await expect(answerEscalation(project(), 'human', late, 'stop')).rejects.toMatchObject({ code: 'ask.over' })
})

test('a mistyped decision is no word to the agent', async () => {
  await raise('builder-1')
  const open = await escalation('builder-1')
  for (const [said, hint] of [
    ['sotp', 'stop'],
    ['restartfresh', 'restart-fresh'],
    ['9', 'wait'],
    ['nudge', 'nudge: …'],
    [' ', '…'],
  ] as const)
    await expect(answerEscalation(project(), 'human', open, said)).rejects.toMatchObject({
      code: 'ask.unclear',
      hint: expect.stringContaining(hint),
    })
  expect((await getAgent(room.db, open.agent_id))?.state).toBe('working')
})

test('questions are listed by what they hold up, then by age, those of ended agents not at all', async () => {
  await room.agent('lead-2', { capability: 'lead' })
  await room.agent('deep', { parent: 'lead-2' })
  await room.agent('gone')
  const ask = async (name: string, subject: string) =>
    sendMail(room, { from: await idOf(name), to: 'human', type: 'question', subject, payload: { options: ['a', 'b'] } })
  await ask('gone', 'Nobody waits for this')
  await ask('builder-1', 'Older')
  room.clock.advance(MINUTE)
  await ask('deep', 'Holds up its lead too')
  await setAgentState(room.db, await named('lead-2'), { name: 'waiting', on: 'children' }, room.clock.now())
  await room.end('gone')
  expect((await listQuestions(project(), 'human')).map(({ subject, blocks }) => [subject, blocks.agents])).toEqual([
    ['Holds up its lead too', ['deep', 'lead-2']],
    ['Older', ['builder-1']],
  ])
  await raise('builder-1')
  expect((await listQuestions(project(), 'human')).length).toBe(2)
  expect((await listQuestions(project(), 'all')).map(({ kind, to }) => `${kind} to ${to}`)).toContain(
    'escalation to lead-1',
  )
  const [first] = await listQuestions(project(), 'human')
  await expect(answerQuestion(project(), 'human', 'deap', '2')).rejects.toMatchObject({
    code: 'ask.unknown',
    hint: expect.stringContaining('Did you mean deep?'),
  })
  await expect(answerQuestion(project(), 'human', 'builder-1', '2')).rejects.toMatchObject({ code: 'ask.several' })
  expect(await answerQuestion(project(), 'human', 'deep', '2')).toMatchObject({ agent: 'deep', did: 'sent' })
  const [answer] = await findMail(room.db, { reader: await idOf('deep'), types: ['answer'] }, 1)
  expect([answer?.body, answer?.payload_json]).toEqual(['b', '{"choice":"b"}'])
  await expect(answerQuestion(project(), 'human', first?.id ?? '', 'a')).rejects.toMatchObject({ code: 'ask.answered' })
  await expect(answerQuestion(project(), 'human', answer?.id ?? '', 'a')).rejects.toMatchObject({
    code: 'ask.no-question',
  })
})
