import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { identify, liveness, signal } from '../../../src/os/process.ts'
import type { Random } from '../random.ts'
import type { Ledger } from './ledger.ts'
import { type Role, roleOf, type World } from './world.ts'

/** What can be done to a fleet. Those that last are over when their promise resolves. */
export type Fault =
  | { readonly do: 'kill'; readonly role: Role | 'driver' }
  | { readonly do: 'freeze'; readonly role: 'runner' | 'watcher'; readonly ms: number }
  | { readonly do: 'jump'; readonly hours: number }
  | { readonly do: 'fill'; readonly ms: number }
  | { readonly do: 'lock'; readonly ms: number }
  | { readonly do: 'limit'; readonly seconds: number }
  | { readonly do: 'flood'; readonly mails: number }

/** What was injected: how often, by its name; and what was not, with the reason. */
export interface Injected {
  readonly counts: Map<string, number>
  readonly missed: Map<string, string>
  /** Deaths of runners and CLIs, to be found in the ledger. */
  readonly deaths: Death[]
}

export interface Death {
  readonly role: 'runner' | 'cli'
  /** Id of the agent. */
  readonly agent: string
  readonly fence: number
  /** Monotonic ms, and the last event that was known then. */
  readonly at: number
  readonly event: number
}

/** These come and go, at most one or two at a time: who is to be killed is waited for, while other faults go on. */
const FLEETING: ReadonlySet<Role | 'driver'> = new Set(['watcher', 'tender', 'driver', 'tmux'])
/** So long they are waited for, in ms, and the others, of whom there are always some. */
const FLEETING_MS = 60_000
const SOON_MS = 4_000

/** Whether the next fault comes only when this one has. */
export function isAwaited(fault: Fault): boolean {
  return fault.do === 'jump' || (fault.do === 'kill' && !FLEETING.has(fault.role))
}

export interface Numbers {
  readonly kills: Readonly<Record<Role | 'driver', number>>
  readonly freezes: number
  readonly jumps: number
  readonly floods: number
}

/** All faults of a run in the order in which they come. */
export function chooseFaults(random: Random, { kills, freezes, jumps, floods }: Numbers): Fault[] {
  const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make)
  const all: Fault[] = [
    ...Object.entries(kills).flatMap(([role, count]) =>
      many(count, (): Fault => ({ do: 'kill', role: role as Role | 'driver' })),
    ),
    ...many(
      freezes,
      (): Fault => ({
        do: 'freeze',
        role: random.chance(0.3) ? 'watcher' : 'runner',
        ms: random.between(1_000, 12_000),
      }),
    ),
    ...many(jumps, (): Fault => ({ do: 'jump', hours: random.pick([-2, 0, 2]) })),
    ...many(floods, (): Fault => ({ do: 'flood', mails: 60 })),
    { do: 'fill', ms: 4_000 },
    { do: 'lock', ms: 8_000 },
    { do: 'limit', seconds: 8 },
  ]
  // Who is waited for may take a while to come: none of those faults is among the last third.
  const fleeting = all.filter((fault) => fault.do === 'kill' && FLEETING.has(fault.role))
  const others = random.shuffled(all.filter((fault) => !fleeting.includes(fault)))
  const last = others.splice(0, Math.floor(all.length / 3))
  return [...random.shuffled([...fleeting, ...others]), ...last]
}

export function injector(
  world: World,
  ledger: Ledger,
  {
    random,
    flood,
    watch,
    isOver,
  }: {
    random: Random
    flood: (agent: string, mails: number) => Promise<void>
    watch: () => Promise<unknown>
    /** No more faults come: nobody is waited for any longer. */
    isOver: () => boolean
  },
) {
  const injected: Injected = { counts: new Map(), missed: new Map(), deaths: [] }
  /** Those who wait for the same kind of victim do so one after the other. */
  const lines = new Map<string, Promise<void>>()
  const count = (name: string) => injected.counts.set(name, (injected.counts.get(name) ?? 0) + 1)
  const missed = (name: string, why: string) => injected.missed.set(name, why)

  /** A process of this role, chosen by chance among those that are there; null when there is none just now. */
  async function victim(role: Role | 'driver') {
    if (role === 'driver') {
      const who = identify(await driverPid())
      return who === null ? null : { who, of: roleOf(who.pid)?.of ?? '' }
    }
    const all = world.processes().flatMap((who) => {
      const known = roleOf(who.pid)
      return known?.role === role ? [{ who, of: known.of }] : []
    })
    return all.length === 0 ? null : random.pick(all)
  }

  /** Of whoever drives the merge train; 0: nobody does, or that can't be read just now (a full disk keeps readers out, too). */
  async function driverPid(): Promise<number> {
    try {
      const [lease] = await world.look<{ owner_pid: number | null }>(
        "SELECT owner_pid FROM leases WHERE resource = 'merge-train' AND expires_at IS NOT NULL",
      )
      return lease?.owner_pid ?? 0
    } catch {
      return 0
    }
  }

  async function victimSoon(role: Role | 'driver') {
    for (const began = performance.now(); ; await delay(20)) {
      const found = await victim(role)
      const patience = FLEETING.has(role) && !isOver() ? FLEETING_MS : SOON_MS
      if (found !== null || performance.now() - began > patience) return found
    }
  }

  async function kill(role: Role | 'driver'): Promise<void> {
    const found = await victimSoon(role)
    if (found === null || !signal(found.who, 'SIGKILL')) return void missed(`kill ${role}`, 'none was there')
    count(`kill ${role}`)
    if (found.of !== '') noteDeath(role, found.of)
    if (role !== 'watcher') return
    await delay(random.between(500, 6_000))
    await watch()
  }

  function noteDeath(role: Role | 'driver', of: string): void {
    const agent = ledger.agents().find(({ id, name }) => (role === 'cli' ? name : id) === of)
    if (agent === undefined) return
    injected.deaths.push({
      role: role === 'cli' ? 'cli' : 'runner',
      agent: agent.id,
      fence: agent.fence,
      at: performance.now(),
      event: ledger.events().at(-1)?.id ?? 0,
    })
  }

  async function inject(fault: Fault): Promise<void> {
    switch (fault.do) {
      case 'kill': {
        const { role } = fault
        if (!FLEETING.has(role)) return kill(role)
        const mine = (lines.get(role) ?? Promise.resolve()).then(() => kill(role))
        lines.set(role, mine)
        return mine
      }
      case 'freeze': {
        const found = await victimSoon(fault.role)
        if (found === null || !signal(found.who, 'SIGSTOP'))
          return void missed(`freeze ${fault.role}`, 'none was there')
        count(`freeze ${fault.role}`)
        await delay(fault.ms)
        if (liveness(found.who) === 'alive') signal(found.who, 'SIGCONT')
        return
      }
      case 'jump':
        if (world.jump === null) return void missed('clock jump', 'libfaketime is not installed')
        world.jump(fault.hours)
        return void count('clock jump')
      case 'fill':
        if (world.disk === null) return void missed('disk full', 'no file system may be mounted here')
        await world.disk.fill()
        count('disk full')
        await delay(fault.ms)
        return world.disk.free()
      case 'lock':
        if ((await world.lock(fault.ms)).code !== 0) return void missed('database locked', 'it could not be')
        return void count('database locked')
      case 'limit': {
        // Said by the clock of the fleet, which may be set meanwhile; over by the true one.
        writeFileSync(world.brain.switches.limit, `${fault.seconds}\n`)
        count('429 storm')
        await delay(fault.seconds * 1_000)
        return rmSync(world.brain.switches.limit)
      }
      case 'flood': {
        const open = ledger.agents().filter(({ state }) => state === 'working' || state === 'waiting')
        if (open.length === 0) return void missed('flood of mail', 'nobody was at work')
        count('flood of mail')
        return flood(random.pick(open).name, fault.mails)
      }
    }
  }

  return { inject, injected, count }
}

/** How long each death took to be noticed, and until the agent went on, in ms; what never was is left out. */
export function timesOf(deaths: readonly Death[], ledger: Ledger): { noticed: number[]; recovered: number[] } {
  const noticed: number[] = []
  const recovered: number[] = []
  for (const { role, agent, at, event } of deaths) {
    const after = ledger.events().filter((one) => one.agent === agent && one.id > event)
    const seen = after.find(({ type }) => (role === 'cli' ? CLI_SEEN : RUNNER_SEEN).has(type))
    if (seen === undefined) continue
    noticed.push(seen.at - at)
    const back = after.find(({ id, type }) => id >= seen.id && BACK.has(type))
    if (back !== undefined) recovered.push(back.at - at)
  }
  return { noticed, recovered }
}

const CLI_SEEN = new Set(['runtime.failed', 'agent.recovered', 'agent.failed'])
const RUNNER_SEEN = new Set(['agent.runner-gone', 'agent.recovered', 'agent.requeued', 'agent.failed', 'agent.done'])
/** It is at work again, or at its end. */
const BACK = new Set(['runtime.started', 'agent.containment', 'agent.failed', 'agent.done'])
