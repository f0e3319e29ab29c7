import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { countWaiting } from '../../src/mail/store.ts'
import { type Mailroom, mailroom } from '../rig/mailroom.ts'

let room: Mailroom
const children = new Set<ChildProcess>()
beforeEach(async () => {
  room = await mailroom()
})
afterEach(async () => {
  await Promise.all([...children].map(kill))
  await room.dispose()
})

const PEER = join(import.meta.dirname, '..', 'rig', 'mail-peer.ts')
const KILLS = 200
const seed = Number(process.env.OV_TEST_SEED ?? 20_261)

test(`promises 1 and 2: ${KILLS} times kill -9 of a sender and reader in traffic: what was acknowledged is read exactly once, in order (seed ${seed})`, {
  timeout: 240_000,
}, async () => {
  const [a, b] = [await room.agent('peer-a'), await room.agent('peer-b')]
  const peers = [
    { id: a.id, to: 'peer-b', record: file('a.record'), transcript: file('a.transcript') },
    { id: b.id, to: 'peer-a', record: file('b.record'), transcript: file('b.transcript') },
  ] as const
  const random = randomFrom(seed)
  let kills = 0
  const torment = async ({ id, to, record, transcript }: (typeof peers)[number]) => {
    while (kills < KILLS) {
      kills += 1
      await killAfter(peer(id, 'both', record, to, transcript), 1 + Math.floor(random() * 16))
    }
  }
  await Promise.all(peers.map(torment))

  for (const { id, transcript } of peers) peer(id, 'read', transcript)
  const waiting = () => Promise.all(peers.map(({ id }) => countWaiting(room.db, id)))
  await expect.poll(waiting, { interval: 50 }).toEqual([0, 0])
  for (const [sender, reader] of [peers, peers.toReversed()] as const) {
    if (!sender || !reader) throw new Error('two peers')
    const read = linesOf(reader.transcript)
    expect(new Set(read).size).toBe(read.length)
    const numbers = read.map((line) => Number(line.split(' ')[3]))
    expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other))
    const acknowledged = numbersAfter('ack', sender.record)
    expect(acknowledged.filter((number) => !numbers.includes(number))).toEqual([])
    const tried = numbersAfter('try', sender.record)
    expect(numbers.filter((number) => !tried.includes(number))).toEqual([])
    expect(acknowledged.length).toBeGreaterThan(KILLS / 4)
  }
})

test('16 senders at once lose none, and of two readers racing for one mailbox never both get a mail', {
  timeout: 300_000,
}, async () => {
  const each = 12
  const { id, name } = await room.agent('reader-a')
  const transcripts = [file('first.transcript'), file('second.transcript')]
  for (const transcript of transcripts) peer(id, 'read', transcript)
  const senders = await Promise.all(Array.from({ length: 16 }, (_, index) => room.agent(`sender-${index}`)))
  const codes = await Promise.all(
    senders.map((sender) => ended(peer(sender.id, 'send', file(`${sender.name}.record`), name, String(each)))),
  )
  expect(codes).toEqual(senders.map(() => 0))
  await expect.poll(() => countWaiting(room.db, id), { interval: 50 }).toBe(0)
  const got = transcripts.flatMap(linesOf).map((line) => line.split(' ').slice(2).join(' '))
  const sent = senders.flatMap((sender) => Array.from({ length: each }, (_, index) => `${sender.id} ${index + 1}`))
  expect(got.sort()).toEqual(sent.sort())
})

function file(name: string): string {
  return join(dirname(room.databasePath), name)
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
}

function numbersAfter(word: string, record: string): number[] {
  return linesOf(record)
    .filter((line) => line.startsWith(`${word} `))
    .map((line) => Number(line.split(' ')[1]))
}

function peer(...args: string[]): ChildProcess {
  const { NODE_EXTRA_CA_CERTS: _slow, ...env } = process.env
  const started = spawn(process.execPath, [PEER, room.databasePath, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...env, NODE_COMPILE_CACHE: file('compiled') },
  })
  children.add(started)
  started.on('close', () => children.delete(started))
  return started
}

/** Kills a process with SIGKILL once it has reported so many steps. */
async function killAfter(started: ChildProcess, steps: number): Promise<void> {
  let taken = 0
  started.stdout?.on('data', (chunk: Buffer) => {
    taken += chunk.length
    if (taken >= steps) started.kill('SIGKILL')
  })
  await ended(started)
}

function ended(started: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    started.stdout?.resume()
    started.once('close', resolve)
  })
}

async function kill(started: ChildProcess): Promise<void> {
  const over = ended(started)
  started.kill('SIGKILL')
  await over
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
