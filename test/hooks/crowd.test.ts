import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Agent } from '../../src/agents/store.ts'
import { systemClock } from '../../src/clock.ts'
import type { AgentEvent } from '../../src/contract/runtime.ts'
import { recentEvents } from '../../src/events/store.ts'
import { hookFolder, privateFolder } from '../../src/hooks/folder.ts'
import { type Call, openSpool, type Spool } from '../../src/hooks/spool.ts'
import { takeIn } from '../../src/hooks/take-in.ts'
import { type HookYard, hookYard } from '../rig/hook-yard.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
beforeEach(async () => {
  room = await mailroom()
})
afterEach(() => room.dispose())

interface Desk {
  readonly agent: Agent
  readonly yard: HookYard
  take(spool?: Spool): ReturnType<typeof takeIn>
}

async function desk(name: string): Promise<Desk> {
  const agent = await room.agent(name)
  const yard = hookYard(dirname(room.databasePath), agent.id)
  const reading = ({ payload }: Call) => ({
    events: [] as AgentEvent[],
    notes: [{ type: 'tool.end', data: { payload } }],
  })
  return { agent, yard, take: (spool = yard.spool) => takeIn({ project: room, agent, spool, reading }) }
}

/** The numbers that an agent's calls carried, as recorded. */
async function numbers({ agent }: Desk): Promise<number[]> {
  const events = await recentEvents(room.db, { agentId: agent.id }, 10_000)
  return events
    .filter(({ type }) => type === 'tool.end')
    .map(({ data_json }) => (JSON.parse(data_json) as { payload: { value: { n: number } } }).payload.value.n)
}
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at + 1)
/** Runs a shell script to its end. */
async function shell(script: string): Promise<void> {
  const [code] = (await once(spawn('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit'] }), 'exit')) as [
    number,
  ]
  expect(code).toBe(0)
}
const quoted = (path: string) => `'${path.replaceAll("'", "'\\''")}'`

test('25 agents hook at once, again and again, and no call is lost or doubled', async () => {
  const desks = await Promise.all(Array.from({ length: 25 }, (_, at) => desk(`agent-${at}`)))
  const rounds = 8
  const calls = desks.map(({ yard }) => `echo "{\\"n\\":$n}" | ${quoted(yard.folder.program)} tool-end &`)
  const hooking = shell(`n=1; while [ $n -le ${rounds} ]; do ${calls.join('\n')}\nwait; n=$((n + 1)); done`)
  let over = false
  void hooking.finally(() => {
    over = true
  })
  while (!over) {
    for (const one of desks) await one.take()
    // The end of the shell must get its turn.
    await setImmediate()
  }
  await hooking
  for (const one of desks) {
    await one.take()
    expect(await numbers(one)).toEqual(upTo(rounds))
  }
})

test('1,000 calls of one agent at once are all recorded, each once', async () => {
  const one = await desk('agent')
  await shell(
    `n=1; while [ $n -le 1000 ]; do echo "{\\"n\\":$n}" | ${quoted(one.yard.folder.program)} tool-end & n=$((n + 1)); done; wait`,
  )
  while ((await one.take()).more);
  expect((await numbers(one)).sort((a, b) => a - b)).toEqual(upTo(1_000))
  expect(one.yard.files()).toHaveLength(1)
})

test('a reader that dies between the commit and the removal of the files leaves nothing to be taken in twice', async () => {
  const one = await desk('agent')
  for (const n of upTo(3)) await one.yard.call('tool-end', { stdin: JSON.stringify({ n }) })
  const dying: Spool = {
    look: one.yard.spool.look,
    settle() {
      throw new Error('killed')
    },
  }
  await expect(one.take(dying)).rejects.toThrow('killed')
  expect(one.yard.files()).toHaveLength(3)
  const next = openSpool(one.yard.folder, systemClock)
  await one.yard.call('tool-end', { stdin: '{"n":4}' })
  expect((await one.take(next)).taken).toHaveLength(1)
  expect(await numbers(one)).toEqual(upTo(4))
  expect(one.yard.files()).toHaveLength(1)
})

test('20 times kill -9 of the reader in the middle of traffic: every call is recorded exactly once, in order', async () => {
  const one = await desk('agent')
  const count = 400
  const taker = join(import.meta.dirname, '..', 'rig', 'hook-taker.ts')
  const start = () =>
    spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', taker, room.databasePath, one.agent.id, one.yard.privateDir],
      {
        env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(room.databasePath), 'compiled') },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
  const program = quoted(one.yard.folder.program)
  const hooking = shell(
    `n=1; while [ $n -le ${count} ]; do echo "{\\"n\\":$n}" | ${program} tool-end; n=$((n + 1)); done`,
  )
  for (let kill = 0; kill < 20; kill++) {
    const child = start()
    const ended = once(child, 'exit')
    // Its first batch, or the end of the traffic: then there is nothing more to disturb.
    await Promise.race([once(child.stdout, 'data'), hooking])
    child.kill('SIGKILL')
    await ended
  }
  await hooking
  while ((await one.take()).more);
  expect(await numbers(one)).toEqual(upTo(count))
})

test('a folder that is full of strange things holds nobody up', async () => {
  const one = await desk('agent')
  const { spool } = hookFolder(privateFolder(dirname(room.databasePath), one.agent.id))
  await shell(
    `cd ${quoted(spool)} && mkdir 1000000001-1-0.stop && ln -s /etc/passwd 1000000002-1-0.stop && mkfifo 1000000003-1-0.stop && : >notes.txt`,
  )
  await one.yard.call('tool-end', { stdin: '{"n":1}' })
  expect((await one.take()).taken.map(({ call }) => call.payload.is)).toEqual(['broken', 'broken', 'broken', 'json'])
  expect(readdirSync(spool).sort()).toEqual([expect.stringMatching(/^1000000004-/), 'notes.txt'])
})
