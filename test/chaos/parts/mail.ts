import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
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
import { agentProcesses, doubled, fsck, missing, outOfOrder } from '../oracle.ts'
import { emptyTally, type Part, type Run } from '../part.ts'
import { queueTasks } from '../queued.ts'

const KILLS = 500
/** Agents with a runner and a broker that write mail by `ov mail send`, as fast as they can: to a peer, an agent, the human. */
const WRITERS = 3
/** An agent that reads its mail by `ov mail check` and `ov mail wait` alone: it has no transcript that `ov` could ask. */
const READER = 'reader'
/** All that was acknowledged is to be read so long after the last kill, in ms. */
const SETTLING_MS = 40_000

const PEER = join(import.meta.dirname, '..', '..', 'rig', 'mail-peer.ts')

/** A mail that somebody has read: whose, and the how manieth of theirs. */
interface Read {
  readonly from: string
  readonly nth: number
}

/** Whose mail is counted. */
interface Reader {
  readonly name: string
  /** It has a transcript: nothing comes twice. */
  readonly once: boolean
  /** All that it has read, in order. */
  read(): Read[]
}

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
 * each step of them; agents write and read by `ov mail` through their brokers, the human by `ov` in a terminal, and these
 * processes are killed wherever they are. All keep a file of what was acknowledged to them, and of what they have read. Who
 * has a transcript gets each mail once; who has none, at least once.
 */
export default {
  name: 'mail',
  what: 'kill -9 of senders and readers of mail, in their own process, in `ov` in a terminal and behind a broker',
  seconds: 60,
  async run(run) {
    const { long, gone, late, home, note, problem, random } = run
    const machine = home()
    const repo = await readyRepo(machine, 'agents: { maxConcurrent: 12 }\nload: { enabled: false }\n')
    const peers = await inProject(machine, repo, (project) => makePeers(project, machine))
    const [first, second] = peers
    const sling = async (name: string, command: string) => {
      const { code, output } = await machine.ov(repo, slingShell(name, command))
      if (code !== 0) throw new Error(output)
    }
    const seen = { agent: join(machine.path, 'reader.seen'), human: join(machine.path, 'human.seen') }
    const go = { write: join(machine.path, 'go'), read: join(machine.path, 'go on reading') }
    for (const file of Object.values(go)) writeFileSync(file, '')
    const readers: readonly Reader[] = [
      { name: first.name, once: true, read: () => readBy(first) },
      { name: READER, once: false, read: () => mailsIn(seen.agent, FRAME) },
      { name: 'human', once: false, read: () => mailsIn(seen.human, LETTER) },
    ]
    const writers = readers.map((to, at) => {
      return { name: `writer-${at}`, to, record: join(machine.path, `writer-${at}.record`) }
    })
    await sling(
      READER,
      `while [ -e '${go.read}' ]; do ov mail check >> '${seen.agent}' 2>/dev/null; ov mail wait --timeout 1 >> '${seen.agent}' 2>/dev/null; done`,
    )
    for (const { name, to, record } of writers)
      await sling(
        name,
        `n=0; while [ -e '${go.write}' ]; do n=$((n+1)); echo "try $n" >> '${record}'; if ov mail send --to ${to.name} --subject $n >/dev/null 2>&1; then echo "ack $n" >> '${record}'; fi; done`,
      )

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
        const atWork = mailInside(machine)
        if (atWork.length === 0) continue
        try {
          process.kill(random.pick(atWork), 'SIGKILL')
          tally.faults += 1
        } catch {
          // It ended by itself in this moment.
        }
      }
    }
    const tormentReader = async () => {
      while (!isOver()) {
        await delay(random.between(50, 500))
        if (await checkInTerminal(machine, repo, seen.human, random.between(50, 600))) tally.faults += 1
      }
    }
    await Promise.all([
      torment(first, second),
      torment(second, first),
      tormentTerminal(),
      tormentBrokers(),
      tormentReader(),
    ])

    const before = performance.now()
    rmSync(go.write)
    await stopAgents(machine, repo, writers, run)
    const last = peers.map((peer) => peerOf(machine, repo, peer, ['read', peer.transcript]))
    const waiting = () =>
      inProject(machine, repo, async ({ db }) => {
        const agents = await db
          .selectFrom('agents')
          .select('id')
          .where('name', 'in', [...peers.map(({ name }) => name), READER])
          .execute()
        return (await Promise.all(agents.map(({ id }) => countWaiting(db, id)))).join()
      })
    while ((await waiting()) !== '0,0,0' && performance.now() - before < SETTLING_MS) await delay(100)
    await checkInTerminal(machine, repo, seen.human, SETTLING_MS)
    tally.recovered.push(performance.now() - before)
    for (const reader of last) reader.kill('SIGKILL')
    rmSync(go.read)
    await stopAgents(machine, repo, [{ name: READER }], run)

    const names = await namesIn(machine, repo)
    const senders = [
      { name: first.name, to: { name: second.name, once: true, read: () => readBy(second) }, record: first.record },
      { name: second.name, to: readers[0], record: second.record },
      { name: 'human', to: readers[0], record: human },
      ...writers,
    ]
    tally.acknowledged = 0
    tally.delivered = 0
    for (const { name, to, record } of senders) {
      if (to === undefined) continue
      const arrived = to.read().filter(({ from }) => (names.get(from) ?? from) === name)
      const numbers = arrived.map(({ nth }) => String(nth))
      const acknowledged = numbersAfter('ack', record)
      const lost = missing(acknowledged, numbers)
      tally.acknowledged += acknowledged.length
      tally.delivered += acknowledged.length - lost.length
      if (acknowledged.length === 0) problem(`${name} could send nothing at all`)
      if (lost.length > 0)
        problem(`${lost.length} mails of ${name}, acknowledged to it, never came: ${lost.slice(0, 10).join(' ')}`)
      const twice = to.once ? doubled(numbers) : []
      if (twice.length > 0) problem(`${twice.length} mails of ${name} came twice: ${twice.slice(0, 10).join(' ')}`)
      const invented = missing(numbers, numbersAfter('try', record))
      if (invented.length > 0)
        problem(`${to.name} read mails that ${name} never wrote: ${invented.slice(0, 10).join(' ')}`)
      for (const late of outOfOrder(firstOf(arrived)).slice(0, 5)) problem(`to ${to.name}: ${late}`)
    }
    // What killed processes left lying is cleared away by whoever comes next.
    const up = await machine.ov(repo, ['up'])
    if (up.code !== 0) problem(`ov up ended with ${up.code}: ${up.output}`)
    for (const broken of await fsck(machine, repo)) problem(broken)
    tally.orphans = await agentProcesses(machine)
    if (tally.orphans > 0) problem(`${tally.orphans} processes of agents that have ended live on`)
    return { ...tally, load: `2 peers, ${WRITERS + 1} agents and a terminal, sending and reading` }
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

/** The human reads what there is, killed if it takes longer; what was printed is seen. True: it was killed. */
async function checkInTerminal(machine: Home, repo: string, seen: string, patienceMs: number): Promise<boolean> {
  const file = openSync(seen, 'a')
  // What was printed last may have been cut off in the middle of a line.
  writeSync(file, '\n')
  const child = spawn(process.execPath, [OV, 'mail', 'check'], {
    cwd: repo,
    env: { ...machine.env },
    stdio: ['ignore', file, 'ignore'],
  })
  closeSync(file)
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  clearTimeout(timer)
  return signal !== null
}

/** Pids of the `ov mail` that agents run just now. */
function mailInside(machine: Home): number[] {
  return processesMarked('XDG_RUNTIME_DIR', machine.env.XDG_RUNTIME_DIR ?? '')
    .map(({ pid }) => pid)
    .filter((pid) => argumentsOf(pid)[2] === 'mail')
    .filter((pid) => environmentOf(pid).some((variable) => variable.startsWith(`${AGENT_MARKER}=`)))
}

/** Stops agents in order; who is at a mail has it killed, and was not acknowledged. */
async function stopAgents(
  machine: Home,
  repo: string,
  agents: readonly { name: string }[],
  { problem }: Run,
): Promise<void> {
  const { code, output } = await machine.ov(repo, ['stop', ...agents.map(({ name }) => name)])
  if (code !== 0) problem(`agents could not be stopped: ${output}`)
}

/** The names of all agents, by their ids. */
function namesIn(machine: Home, repo: string): Promise<Map<string, string>> {
  return inProject(machine, repo, async ({ db }) => {
    const agents = await db.selectFrom('agents').select(['name', 'id']).execute()
    return new Map(agents.map(({ name, id }) => [id, name]))
  })
}

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : []
}

function numbersAfter(word: string, record: string): string[] {
  return linesOf(record).flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []))
}

function readBy({ transcript }: Peer): Read[] {
  return linesOf(transcript).map((line) => {
    const [, , from = '', nth = ''] = line.split(' ')
    return { from, nth: Number(nth) }
  })
}

/** The mails in what `ov mail` has printed, the last perhaps cut off by a kill. */
function mailsIn(file: string, form: RegExp): Read[] {
  if (!existsSync(file)) return []
  return [...readFileSync(file, 'utf8').matchAll(form)].map(([, from = '', nth = '']) => ({ from, nth: Number(nth) }))
}

/** As an agent is shown a mail, and as a person is. */
const FRAME = /<ov-mail id=\S+ from="([^"]*)"[^>]* subject="(\d+)">/g
const LETTER = /^(\S+) → human · status · .*\n(\d+)\n/gm

/** Each mail where it first came. */
function firstOf(mails: readonly Read[]): Read[] {
  const seen = new Set<string>()
  return mails.filter(({ from, nth }) => !seen.has(`${from} ${nth}`) && seen.add(`${from} ${nth}`))
}
