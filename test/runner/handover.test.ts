import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import amp from '../../runtimes/amp.ts'
import claude from '../../runtimes/claude.ts'
import shell from '../../runtimes/shell.ts'
import type { Agent } from '../../src/agents/store.ts'
import { getAgent, setAgentState } from '../../src/agents/store.ts'
import { whileWaiting } from '../../src/agents/waiting.ts'
import type { Speaker } from '../../src/broker/operation.ts'
import type { Priority } from '../../src/contract/mail.ts'
import type { AgentRuntime } from '../../src/contract/runtime.ts'
import { markOf } from '../../src/mail/frame.ts'
import { MAIL_OPERATIONS } from '../../src/mail/operations.ts'
import { sendMail } from '../../src/mail/send.ts'
import { countWaiting, getMail } from '../../src/mail/store.ts'
import type { Project } from '../../src/project.ts'
import { type Handover, handoverFor } from '../../src/runner/handover.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
let agent: Agent
/** The agent's context: what its runtime keeps of it. */
let context: string
beforeEach(async () => {
  room = await mailroom()
  agent = await room.agent('builder-1')
  context = ''
})
afterEach(() => room.dispose())

const transcript = { has: async (mark: string) => context.includes(mark) }
const handover = (runtime: AgentRuntime = claude): Handover =>
  handoverFor(room, agent, runtime, { feedbackFile: feedbackFile(), privateDir: dirname(feedbackFile()) }, transcript)
const feedbackFile = () => join(dirname(room.databasePath), 'feedback.md')
const send = async (subject: string, priority: Priority = 'normal') => {
  const [mail] = await sendMail(room, { from: 'human', to: 'builder-1', type: 'status', subject, priority })
  return mail?.id ?? ''
}
/** The agent's own `ov mail check`, up to the answer; `hangUp` is the end of that process. */
const check = async () => {
  const caller = new AbortController()
  const speaker: Speaker = { kind: 'agent', agent, transcript }
  // Mail needs no more of a project than a mailroom has.
  const project = room as unknown as Project
  const taken = await MAIL_OPERATIONS['mail.check'].run(project, speaker, {}, caller.signal)
  return { ...taken, hangUp: () => caller.abort() }
}

test('what a turn was given the agent cannot take once more, before and after it has arrived', async () => {
  const id = await send('one')
  const given = handover()
  const prompt = (await given.nextPrompt()) ?? ''
  expect(prompt).toContain(markOf(id))
  expect(await check()).toMatchObject({ mail: [], left: 1 })
  await given.accepted(prompt)
  expect(await check()).toMatchObject({ mail: [], left: 0 })
  expect((await getMail(room.db, id))?.delivered_at).not.toBeNull()
})

test('what the agent has taken in its turn is not in the next prompt, though its check was killed after printing', async () => {
  await send('one')
  const taken = await check()
  expect(await handover().nextPrompt()).toBeNull()
  context = taken.prompt
  taken.hangUp()
  expect(await handover().nextPrompt()).toBeNull()
  expect(await countWaiting(room.db, agent.id)).toBe(0)
})

test('what the agent took and never saw is in the next prompt', async () => {
  const id = await send('one')
  const taken = await check()
  taken.hangUp()
  expect(await handover().nextPrompt()).toContain(markOf(id))
})

test('with hooks beside its protocol and no transcript, a prompt has arrived when the protocol says so, not before', async () => {
  const id = await send('one')
  const given = handoverFor(room, agent, amp, { feedbackFile: feedbackFile(), privateDir: dirname(feedbackFile()) })
  const prompt = (await given.nextPrompt()) ?? ''
  await given.seen()
  expect(given.underway).toBe(true)
  expect((await getMail(room.db, id))?.delivered_at).toBeNull()
  await given.accepted(prompt)
  expect(given.underway).toBe(false)
  expect((await getMail(room.db, id))?.delivered_at).not.toBeNull()
})

test('a prompt that did not arrive is given again, one that did is not', async () => {
  const id = await send('one')
  const given = handover()
  await given.nextPrompt()
  await given.withdraw()
  const again = (await given.nextPrompt()) ?? ''
  expect(again).toContain(markOf(id))
  context = again
  await given.withdraw()
  expect(await given.nextPrompt()).toBeNull()
  expect(given.underway).toBe(false)
})

test('only the mail itself proves its arrival: an id that is mentioned does not', async () => {
  const id = await send('one')
  const given = handover()
  await given.nextPrompt()
  await given.accepted(`Somebody spoke of ${id}.`)
  context = `{"id":"${id}"}`
  await given.withdraw()
  expect(await given.nextPrompt()).toContain(markOf(id))
})

test('urgent mail a busy turn does not take is given again; what else is in hand stays there', async () => {
  await send('one')
  const given = handover()
  await given.nextPrompt()
  await send('now', 'urgent')
  await send('later')
  const offered: string[] = []
  await given.urgent((text) => offered.push(text) === 0)
  expect(offered).toHaveLength(1)
  expect(offered[0]).toContain('subject="now"')
  expect(offered[0]).not.toContain('subject="later"')
  await given.urgent((text) => offered.push(text) > 0)
  expect(offered).toHaveLength(2)
  await given.accepted(offered[1] ?? '')
  expect(given.underway).toBe(true)
  expect(await countWaiting(room.db, agent.id)).toBe(2)
})

test('the dispatch is the prompt itself, marked like any mail', async () => {
  const [mail] = await sendMail(room, {
    from: 'human',
    to: 'builder-1',
    type: 'dispatch',
    subject: 'Paint',
    body: '/paint it blue',
    payload: { task: agent.task_id, capability: 'builder' },
  })
  const prompt = await handover().nextPrompt()
  expect(prompt).toMatch(/^Your task:\n\n\/paint it blue\n/)
  expect(prompt).toContain(markOf(mail?.id ?? ''))
})

test('a command is given its dispatch and failed merges; other mail waits for it to ask', async () => {
  await send('one')
  const given = handover(shell)
  expect(await given.nextPrompt()).toBeNull()
  expect(existsSync(feedbackFile())).toBe(false)
  await sendMail(room, {
    from: 'ov',
    to: 'builder-1',
    type: 'merge_failed',
    subject: 'Red',
    body: 'expected 1, got 2',
    payload: { branch: 'b', commit: 'c', why: 'gate', attemptsLeft: 1 },
  })
  expect(await given.nextPrompt()).toContain('expected 1, got 2')
  expect(readFileSync(feedbackFile(), 'utf8')).toContain('expected 1, got 2')
  await given.settle()
  expect((await check()).mail.map(({ subject }) => subject)).toEqual(['one'])
})

test('what stands in the transcript when an agent ends has been delivered, the rest has not', async () => {
  const [read, unread] = [await send('read'), await send('unread')]
  const given = handover()
  await given.nextPrompt()
  context = markOf(read)
  await given.conclude()
  expect((await getMail(room.db, read))?.delivered_at).not.toBeNull()
  expect((await getMail(room.db, unread))?.delivered_at).toBeNull()
})

test('an agent that blocks says what it waits for, and works again afterwards', async () => {
  const state = async () => (await getAgent(room.db, agent.id))?.state
  const seen = await whileWaiting(room, agent, 'human', () => getAgent(room.db, agent.id))
  expect(seen).toMatchObject({ state: 'waiting', waiting_on: 'human' })
  expect(await state()).toBe('working')
  // What its runner has decided meanwhile stays.
  await whileWaiting(room, agent, 'mail', async () => {
    room.clock.advance(1)
    await setAgentState(room.db, agent, { name: 'waiting', on: 'merge' }, room.clock.now())
  })
  expect(await getAgent(room.db, agent.id)).toMatchObject({ state: 'waiting', waiting_on: 'merge' })
})
