import { afterEach, beforeEach, expect, test } from 'vitest'
import { assertOwned, getAgent, setAgentState, takeOver, updateAgent } from '../../src/agents/store.ts'
import { write } from '../../src/db/open.ts'
import { ownIdentity } from '../../src/os/process.ts'
import type { Project } from '../../src/project.ts'
import { giveUp } from '../../src/runner/claim.ts'
import { getTask } from '../../src/tasks/store.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
})
afterEach(() => room.dispose())

test('every write of an owner that was overtaken is refused, and nobody is overtaken twice by the same fence', async () => {
  const stale = await room.agent('builder-1')
  const take = () =>
    write(room.db, (tx) => takeOver(tx, stale, [stale.state], ownIdentity(), stale.state, room.clock.now()))
  const owner = await take()
  expect(owner?.fence).toBe(stale.fence + 1)
  expect(await take()).toBeNull()
  const fenced = { code: 'agent.fenced' }
  await expect(updateAgent(room.db, stale, { turns: 7 })).rejects.toMatchObject(fenced)
  await expect(setAgentState(room.db, stale, { name: 'done' }, room.clock.now())).rejects.toMatchObject(fenced)
  await expect(write(room.db, (tx) => assertOwned(tx, stale))).rejects.toMatchObject(fenced)
  expect(await getAgent(room.db, stale.id)).toEqual(owner)
})

test('what an agent says of its task by a runner that was overtaken is refused, too', async () => {
  const stale = await room.agent('builder-1')
  await write(room.db, (tx) => takeOver(tx, stale, [stale.state], ownIdentity(), stale.state, room.clock.now()))
  // It needs no more of a project than a mailroom has.
  const saying = giveUp(room as unknown as Project, stale, 'It cannot be done.')
  await expect(saying).rejects.toMatchObject({ code: 'agent.fenced' })
  expect((await getTask(room.db, stale.task_id))?.state).toBe('queued')
})

test('the database itself refuses a second open agent of a name, of a task or of a branch, and a twin of an open task', async () => {
  const agent = await room.agent('builder-1')
  const task = await room.db.selectFrom('tasks').selectAll().executeTakeFirstOrThrow()
  const other = { ...agent, id: 'other', name: 'other', task_id: task.id, branch: 'ov/other' }
  const twin = (same: Partial<typeof agent>) =>
    room.db
      .insertInto('agents')
      .values({ ...other, ...same })
      .execute()
  const open = { state: 'working' } as const
  await room.db.updateTable('agents').set(open).execute()
  await expect(twin({ ...open, name: agent.name, task_id: agent.task_id })).rejects.toThrow('UNIQUE')
  await expect(twin({ ...open, task_id: agent.task_id })).rejects.toThrow('agents.task_id')
  await expect(twin({ ...open, branch: agent.branch, state: 'done' })).rejects.toThrow('agents.branch')
  const second = { ...task, id: 'second' }
  await expect(room.db.insertInto('tasks').values(second).execute()).rejects.toThrow('tasks.digest')
})
