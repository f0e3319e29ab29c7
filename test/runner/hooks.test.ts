import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import claude from '../../runtimes/claude.ts'
import { type Agent, takeOver } from '../../src/agents/store.ts'
import type { Priority } from '../../src/contract/mail.ts'
import type { AgentEvent, HookEvent } from '../../src/contract/runtime.ts'
import { write } from '../../src/db/open.ts'
import { recentEvents } from '../../src/events/store.ts'
import { markOf } from '../../src/mail/frame.ts'
import { postMail, sendMail } from '../../src/mail/send.ts'
import { countWaiting } from '../../src/mail/store.ts'
import { ownIdentity } from '../../src/os/process.ts'
import { type Handover, handoverFor } from '../../src/runner/handover.ts'
import { type Hooks, openHooks } from '../../src/runner/hooks.ts'
import { type HookYard, hookYard } from '../rig/hook-yard.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

/** A runner's hooks beside a real spool, fed by `ov-hook` itself. */
let room: Mailroom
let agent: Agent
let yard: HookYard
let handover: Handover
let hooks: Hooks
let reported: AgentEvent[]
/** The agent's context: what its runtime keeps of it. */
let context: string

const open = (worktree = '/'): Hooks =>
  openHooks({
    project: { ...room, stateDir: dirname(room.databasePath) },
    agent,
    runtime: claude,
    place: { privateDir: yard.privateDir, worktree, redact: (text) => text },
    readOnly: false,
    handover,
    emit: (event) => reported.push(event),
  })

beforeEach(async () => {
  room = await mailroom()
  agent = await room.agent('builder-1')
  yard = hookYard(dirname(room.databasePath), agent.id)
  context = ''
  reported = []
  handover = handoverFor(
    room,
    agent,
    claude,
    { feedbackFile: join(yard.privateDir, 'feedback.md'), privateDir: yard.privateDir },
    { has: async (mark) => context.includes(mark) },
  )
  hooks = open()
})
afterEach(async () => {
  await hooks.close().catch(() => undefined)
  await room.dispose()
})

const send = (subject: string, priority: Priority = 'normal') =>
  sendMail(room, { from: 'human', to: 'builder-1', type: 'status', subject, priority })
/** What a hook that asks is answered, as the process it is would be. */
const ask = async (event: HookEvent, payload: unknown = {}) => {
  const output = await hooks.answer({ event, call: '', payload: JSON.stringify(payload) })
  return { ...output, stdout: output.stdout === '' ? null : JSON.parse(output.stdout) }
}
const types = () => reported.map(({ type }) => type)
const recorded = async () => (await recentEvents(room.db, { agentId: agent.id }, 5_000)).map(({ type }) => type)
const edit = (path: string) => ({ tool_name: 'Edit', tool_use_id: 't', tool_input: { file_path: path } })

describe('what hooks record', () => {
  test('is reported in order and recorded once, without being asked for', async () => {
    await yard.call('prompt', { stdin: '{"prompt":"Go."}' })
    for (let at = 0; at < 5; at++) {
      await yard.call('tool-start', { stdin: JSON.stringify({ tool_name: 'Bash', tool_use_id: `t${at}` }) })
      await yard.call('tool-end', { stdin: JSON.stringify({ tool_name: 'Bash', tool_use_id: `t${at}` }) })
    }
    await yard.call('stop', { stdin: '{}' })
    const tools = Array.from({ length: 5 }, () => ['tool_start', 'tool_end']).flat()
    await expect.poll(types).toEqual(['turn_start', 'accepted', ...tools, 'turn_end'])
    const notes = Array.from({ length: 5 }, () => ['tool.start', 'tool.end']).flat()
    expect((await recorded()).filter((type) => type.startsWith('tool.'))).toEqual(notes)
  })

  test('a spool that was taken in and not emptied is not taken in twice', async () => {
    for (let at = 0; at < 3; at++) await yard.call('tool-start', { stdin: '{"tool_name":"Bash"}' })
    await hooks.tick()
    // The next runner after one that was killed before it removed the files: the newest is there still.
    expect(yard.files()).toHaveLength(1)
    await open().tick()
    expect((await recorded()).filter((type) => type === 'tool.start')).toHaveLength(3)
  })

  test('what an earlier runner left is recorded, and the end of a turn in it ends no turn of the next', async () => {
    await hooks.close()
    await yard.call('tool-start', { stdin: '{"tool_name":"Bash"}' })
    await yard.call('stop', { stdin: '{}' })
    hooks = open()
    await hooks.tick()
    await yard.call('prompt', { stdin: '{"prompt":"Go on."}' })
    await expect.poll(types).toEqual(['turn_start', 'accepted'])
    expect((await recorded()).filter((type) => type === 'tool.start')).toHaveLength(1)
  })

  test('garbage is recorded as unreadable', async () => {
    await yard.call('tool-end', { stdin: 'no {json' })
    await hooks.tick()
    room.clock.advance(4_000)
    await hooks.tick()
    expect(types()).toEqual(['unknown'])
    expect(await recorded()).toContain('hook.unreadable')
  })

  test('what could not be recorded is told, with how much it was', async () => {
    writeFileSync(yard.folder.lost, 'xxx')
    await hooks.tick()
    await hooks.tick()
    const lost = (await recentEvents(room.db, {}, 100)).filter(({ type }) => type === 'hook.lost')
    expect(lost.map(({ data_json }) => data_json)).toEqual(['{"inAll":3}'])
  })

  test('a runner that was overtaken takes in nothing', async () => {
    await write(room.db, (tx) => takeOver(tx, agent, ['working'], ownIdentity(), 'working', room.clock.now()))
    await yard.call('stop')
    await expect(hooks.tick()).rejects.toMatchObject({ code: 'agent.fenced' })
    expect(yard.files()).toHaveLength(1)
  })
})

describe('mail', () => {
  test('makes its marker when it is committed, and keeps a turn from ending', async () => {
    const [mail] = await send('hello')
    expect(yard.has('mail')).toBe(true)
    const { stdout } = await ask('stop', { last_assistant_message: 'Done.' })
    expect(stdout.hookSpecificOutput.additionalContext).toContain(mail?.id ?? '-')
    expect(yard.has('mail')).toBe(false)
    expect(types()).not.toContain('turn_end')
  })

  test('is delivered when it is seen in the context, and offered again when it is not', async () => {
    await send('hello')
    const first = await ask('stop')
    await hooks.tick()
    expect(await countWaiting(room.db, agent.id)).toBe(1)
    context = JSON.stringify(first.stdout)
    await yard.call('tool-start')
    await hooks.tick()
    expect(await countWaiting(room.db, agent.id)).toBe(0)
  })

  test('in the middle of a turn only urgent mail is handed over', async () => {
    await send('later')
    expect((await ask('tool-end')).stdout).toBeNull()
    await send('now', 'urgent')
    expect(yard.has('urgent')).toBe(true)
    const { stdout } = await ask('tool-end')
    expect(stdout).toMatchObject({ hookSpecificOutput: { hookEventName: 'PostToolUse' } })
    expect(stdout.hookSpecificOutput.additionalContext).toContain('now')
    expect(stdout.hookSpecificOutput.additionalContext).not.toContain('later')
  })

  test('comes along with a prompt', async () => {
    await send('hello')
    const { stdout } = await ask('prompt', { prompt: 'What a person typed.' })
    expect(stdout.hookSpecificOutput.additionalContext).toContain('hello')
    expect(types()).toEqual(['turn_start', 'accepted'])
  })

  test('a turn that was kept going once ends the second time, whatever waits', async () => {
    await send('hello')
    expect((await ask('stop', { stop_hook_active: true })).stdout).toBeNull()
    expect(await countWaiting(room.db, agent.id)).toBe(1)
  })

  test('mail that is taken back with its transaction makes no marker', async () => {
    const draft = { from: 'human', to: 'builder-1', type: 'status', subject: 'hello' } as const
    const failing = write(room.db, async (tx) => {
      await postMail(tx, draft, room.clock.now())
      throw new Error('rolled back')
    })
    await expect(failing).rejects.toThrow('rolled back')
    expect(yard.has('mail')).toBe(false)
  })

  test('a reader that asks only when it sees the marker gets all of 100 mails that are sent meanwhile, each once', async () => {
    let sending = true
    const sent = Promise.all(Array.from({ length: 100 }, (_, at) => send(`mail ${at}`))).finally(() => {
      sending = false
    })
    while (sending || yard.has('mail')) {
      if (yard.has('mail')) {
        context += JSON.stringify((await ask('stop')).stdout)
        await yard.call('tool-start')
        await hooks.tick()
      }
      await setImmediate()
    }
    const ids = (await sent).map(([mail]) => mail?.id ?? '')
    expect(ids.filter((id) => context.split(markOf(id)).length !== 2)).toEqual([])
    expect(await countWaiting(room.db, agent.id)).toBe(0)
  })

  test('a turn’s end that can’t be answered is the end of the turn', async () => {
    await write(room.db, (tx) => takeOver(tx, agent, ['working'], ownIdentity(), 'working', room.clock.now()))
    await send('hello')
    await expect(ask('stop')).rejects.toMatchObject({ code: 'agent.fenced' })
    expect(types()).toEqual(['turn_end'])
  })

  test('a marker that was lost is made again, and none for mail that is in hand', async () => {
    await send('hello')
    yard.removeMarkers()
    await hooks.tick()
    expect(yard.has('mail')).toBe(true)
    await ask('stop')
    await hooks.tick()
    expect(yard.has('mail')).toBe(false)
  })
})

describe('a guard', () => {
  test('refuses a write outside the worktree, in the words of the runtime', async () => {
    await hooks.close()
    hooks = open('/tmp')
    expect((await ask('tool-start', edit('/etc/passwd'))).stdout).toMatchObject({
      hookSpecificOutput: {
        permissionDecision: 'deny',
        permissionDecisionReason: expect.stringContaining('/etc/passwd'),
      },
    })
    expect(reported.at(-1)).toMatchObject({ type: 'tool_end', ok: false })
    expect((await ask('tool-start', edit('/tmp/a'))).stdout).toEqual({})
  })

  test('refuses a tool that does not say which file it writes', async () => {
    const { stdout } = await ask('tool-start', { tool_name: 'Edit', tool_use_id: 't', tool_input: { path: '/tmp/a' } })
    expect(stdout).toMatchObject({ hookSpecificOutput: { permissionDecision: 'deny' } })
    expect((await ask('tool-start', {})).stdout).toMatchObject({ hookSpecificOutput: { permissionDecision: 'deny' } })
  })

  test('refuses what it can’t read', async () => {
    await expect(hooks.answer({ event: 'tool-start', call: '', payload: 'no json' })).rejects.toThrow(
      'could not be read',
    )
  })
})
