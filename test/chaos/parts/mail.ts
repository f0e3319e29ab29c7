import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { write } from '../../../src/db/open.ts'
import { countWaiting } from '../../../src/mail/store.ts'
import { argumentsOf, environmentOf, ownIdentity, processesMarked } from '../../../src/os/process.ts'
import { AGENT_MARKER } from '../../../src/os/tree.ts'
import type { Project } from '../../../src/project.ts'
import { inProject } from '../../rig/project.ts'
import { type Home, OV, readyRepo } from '../../rig/sandbox-home.ts'
import { slingShell } from '../../rig/shell-sling.ts'
import { doubled, fsck, missing, outOfOrder } from '../oracle.ts'
import { emptyTally, type Part, type Run } from '../part.ts'
import { queueTasks } from '../queued.ts'

const KILLS = 500
/** Agents with a runner and a broker that write mail by `ov mail send`, as fast as they can. */
const WRITERS = 2
/** All that was acknowledged is to be read so long after the last kill, in ms. */
const SETTLING_MS = 40_000

const PEER = join(import.meta.dirname, '..', '..', 'rig', 'mail-peer.ts')

/** Who reads, with a context of its own, and writes to the other one. */
interface Peer {
  readonly id: string
  readonly name: string
  /** A line `try N` before it sends, `ack N` once that is acknowledged. */
  readonly record: string
  /** A line `MARK SENDER N` for each mail it has read. */
  readonly transcript: string
}

/**
 * Senders and readers are killed at any step. Two peers send and read by the stories themselves, and can be killed at
 * each step of them; agents write by `ov mail send` through their brokers, the human by `ov` in a terminal, and these
 * processes are killed wherever they are. All keep a file of what was acknowledged to them, and of what they have read.
 */
export default {
  name: 'mail',
  what: 'kill -9 of senders and readers of mail, in their own process, in `ov` in a terminal and behind a broker',
  seconds: 75,
  async run(run) {
    const { long, gone, late, home, note, problem, random } = run
    const machine = home()
    const repo = await readyRepo(machine)
    const peers = await inProject(machine, repo, (project) => makePeers(project, machine))
    const [first, second] = peers
    const writers = Array.from({ length: WRITERS }, (_, at) => ({
      name: `writer-${at}`,
      to: at % 2 === 0 ? first : second,
      record: join(machine.path, `writer-${at}.record`),
      go: join(machine.path, 'go'),
    }))
    writeFileSync(join(machine.path, 'go'), '')
    for (const { name, to, record, go } of writers) {
      const command = `n=0; while [ -e '${go}' ]; do n=$((n+1)); echo "try $n" >> '${record}'; if ov mail send --to ${to.name} --subject $n >/dev/null 2>&1; then echo "ack $n" >> '${record}'; fi; done`
      const slung = await machine.ov(repo, slingShell(name, command))
      if (slung.code !== 0) throw new Error(slung.output)
    }

    const tally = emptyTally()
    const kills = () => tally.faults
    const isOver = () => kills() >= KILLS || gone.aborted || (!long && late())
    const torment = async (peer: Peer, to: Peer) => {
      while (!isOver()) {
        await killAfter(
          peerOf(machine, repo, peer, ['both', peer.record, to.name, peer.transcript]),
          random.between(1, 16),
        )
        tally.faults += 1
        if (kills() % 100 === 0) note(`${kills()} kills`)
      }
    }
    const human = join(machine.path, 'human.record')
    const tormentTerminal = async () => {
      for (let number = 1; !isOver(); number++) {
        const killed = await sendFromTerminal(machine, repo, {
          number,
          record: human,
          to: first.name,
          patienceMs: random.between(1, 400),
        })
        if (killed) tally.faults += 1
      }
    }
    const tormentBrokers = async () => {
      while (!isOver()) {
        await delay(random.between(20, 400))
        const sending = sendersInside(machine)
        if (sending.length === 0) continue
        try {
          process.kill(random.pick(sending), 'SIGKILL')
          tally.faults += 1
        } catch {
          // It ended by itself in this moment.
        }
      }
    }
    await Promise.all([torment(first, second), torment(second, first), tormentTerminal(), tormentBrokers()])

    const before = performance.now()
    await stopWriters(machine, repo, run)
    const readers = peers.map((peer) => peerOf(machine, repo, peer, ['read', peer.transcript]))
    const waiting = () =>
      inProject(machine, repo, async ({ db }) =>
        (await Promise.all(peers.map(({ id }) => countWaiting(db, id)))).join(),
      )
    while ((await waiting()) !== '0,0' && performance.now() - before < SETTLING_MS) await delay(100)
    tally.recovered.push(performance.now() - before)
    for (const reader of readers) reader.kill('SIGKILL')

    const ids = await inProject(
      machine,
      repo,
      async ({ db }) =>
        new Map((await db.selectFrom('agents').select(['name', 'id']).execute()).map(({ name, id }) => [name, id])),
    )
    const senders = [
      { from: first.id, name: first.name, to: second, record: first.record },
      { from: second.id, name: second.name, to: first, record: second.record },
      { from: 'human', name: 'human', to: first, record: human },
      ...writers.map(({ name, to, record }) => ({ from: ids.get(name) ?? '', name, to, record })),
    ]
    tally.acknowledged = 0
    tally.delivered = 0
    for (const { from, name, to, record } of senders) {
      const arrived = readBy(to).filter((mail) => mail.from === from)
      const numbers = arrived.map(({ nth }) => String(nth))
      const acknowledged = numbersAfter('ack', record)
      const lost = missing(acknowledged, numbers)
      tally.acknowledged += acknowledged.length
      tally.delivered += acknowledged.length - lost.length
      if (acknowledged.length === 0) problem(`${name} could send nothing at all`)
      if (lost.length > 0)
        problem(`${lost.length} mails of ${name}, acknowledged to it, never came: ${lost.slice(0, 10).join(' ')}`)
      const twice = doubled(numbers)
      if (twice.length > 0) problem(`${twice.length} mails of ${name} came twice: ${twice.slice(0, 10).join(' ')}`)
      const invented = missing(numbers, numbersAfter('try', record))
      if (invented.length > 0)
        problem(`${to.name} read mails that ${name} never wrote: ${invented.slice(0, 10).join(' ')}`)
      for (const late of outOfOrder(arrived).slice(0, 5)) problem(`to ${to.name}: ${late}`)
    }
    for (const broken of await fsck(machine, repo)) problem(broken)
    return { ...tally, load: `2 peers, ${WRITERS} agents and a terminal, all sending` }
  },
} satisfies Part

/** Two agents at work whose runner this process plays. */
async function makePeers(project: Project, machine: Home): Promise<[Peer, Peer]> {
  const names = ['peer-a', 'peer-b'] as const
  const ids = await queueTasks(
    project,
    names.map((name) => ({ name, command: null })),
  )
  const { pid, start, boot } = ownIdentity()
  await write(project.db, async (tx) => {
    await tx.updateTable('tasks').set({ state: 'running' }).execute()
    const owned = { state: 'working', fence: 1, owner_pid: pid, owner_start: start, owner_boot: boot } as const
    await tx.updateTable('agents').set(owned).execute()
  })
  const peer = (at: 0 | 1): Peer => {
    const file = (end: string) => join(machine.path, `${names[at]}.${end}`)
    return { id: ids[at] ?? '', name: names[at], record: file('record'), transcript: file('transcript') }
  }
  return [peer(0), peer(1)]
}

function peerOf(machine: Home, repo: string, { id }: Peer, args: readonly string[]): ChildProcess {
  return spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', PEER, join(repo, '.overstory', 'state.db'), id, ...args],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...machine.env, NODE_COMPILE_CACHE: join(machine.path, 'compiled') },
    },
  )
}

/** Kills a peer with SIGKILL once it has reported so many steps. */
async function killAfter(peer: ChildProcess, steps: number): Promise<void> {
  let taken = 0
  peer.stdout?.on('data', (chunk: Buffer) => {
    taken += chunk.length
    if (taken >= steps) peer.kill('SIGKILL')
  })
  await once(peer, 'exit')
}

/** The human sends a mail and has it killed if it takes longer; what exits with 0 is acknowledged. True: it was killed. */
async function sendFromTerminal(
  machine: Home,
  repo: string,
  { number, record, to, patienceMs }: { number: number; record: string; to: string; patienceMs: number },
): Promise<boolean> {
  writeFileSync(record, `try ${number}\n`, { flag: 'a' })
  const child = spawn(process.execPath, [OV, 'mail', 'send', '--to', to, '--subject', `${number}`], {
    cwd: repo,
    env: { ...machine.env },
    stdio: 'ignore',
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  clearTimeout(timer)
  if (code === 0) writeFileSync(record, `ack ${number}\n`, { flag: 'a' })
  return signal !== null
}

/** Pids of the `ov mail send` that agents run just now. */
function sendersInside(machine: Home): number[] {
  return processesMarked('XDG_RUNTIME_DIR', machine.env.XDG_RUNTIME_DIR ?? '')
    .map(({ pid }) => pid)
    .filter((pid) => argumentsOf(pid).slice(2, 4).join(' ') === 'mail send')
    .filter((pid) => environmentOf(pid).some((variable) => variable.startsWith(`${AGENT_MARKER}=`)))
}

/** Ends the agents that write, in order: each finishes the mail it is at. */
async function stopWriters(machine: Home, repo: string, { problem }: Run): Promise<void> {
  rmSync(join(machine.path, 'go'))
  const outcome = await machine.ov(repo, ['stop', ...Array.from({ length: WRITERS }, (_, at) => `writer-${at}`)])
  if (outcome.code !== 0) problem(`the writers could not be stopped: ${outcome.output}`)
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
}

function numbersAfter(word: string, record: string): string[] {
  return linesOf(record).flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
}

function readBy({ transcript }: Peer): { from: string; nth: number }[] {
  return linesOf(transcript).map((line) => {
    const [, , from = '', nth = ''] = line.split(' ')
    return { from, nth: Number(nth) }
  })
}
