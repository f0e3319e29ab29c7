import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { MAX_RESTARTS } from '../../../src/agents/rules.ts'
import { signal } from '../../../src/os/process.ts'
import type { Up } from '../../../src/watchdog/up.ts'
import { git } from '../../rig/sandbox-home.ts'
import { changedBy, fsck, takenDown } from '../oracle.ts'
import { emptyTally, type Part, type Run, type Tally } from '../part.ts'
import type { Random } from '../random.ts'
import { accountOf } from '../system/account.ts'
import type { Plan } from '../system/brain.ts'
import { chooseFaults, injector, type Numbers, timesOf } from '../system/faults.ts'
import { openLedger } from '../system/ledger.ts'
import { openPeople } from '../system/people.ts'
import { openWorld, sweepClocks, type World } from '../system/world.ts'

const AGENTS = 20
const TASKS = 60
/** After a kill of everything, ov up has brought all of them back by then. */
const UP_MS = 30_000
/** So long at most it takes until everything is over once nothing is done to it any more. */
const SETTLE_MS = 240_000

/** What counts as one. */
const RESTARTS = new Set(['agent.recovered', 'agent.requeued'])

const SHORT: Numbers = {
  kills: { runner: 12, cli: 12, watcher: 3, tender: 2, driver: 3, tmux: 2 },
  freezes: 4,
  jumps: 3,
  floods: 1,
}
const LONG: Numbers = {
  kills: { runner: 24, cli: 20, watcher: 6, tender: 4, driver: 6, tmux: 3 },
  freezes: 10,
  jumps: 8,
  floods: 4,
}

const CONFIG = `
runtime: { default: claude }
agents: { maxConcurrent: ${AGENTS} }
limits: { backoff: 5s, spacing: 1s }
watchdog: { tier0: { interval: 2s, nudgeAfter: 8s } }
`

export default {
  name: 'system',
  what: 'a fleet with everything that can happen to it, then all of it killed and brought up again',
  seconds: 120,
  run,
} satisfies Part

async function run({ home, random, long, note, problem, gone, late, afterwards }: Run): Promise<Tally> {
  // When all its processes are gone.
  afterwards(sweepClocks)
  const world = await openWorld(home(), CONFIG)
  afterwards(world.close)
  const base = git(world.home, world.repo, 'rev-parse', 'main')
  const plans = plansBy(random.of('plans'))
  for (const plan of plans) world.brain.plan(plan)
  const ledger = openLedger(world)
  const states = (...names: string[]) => ledger.agents().filter(({ state }) => names.includes(state))
  const atWork = () => states('working', 'waiting', 'starting').map(({ name }) => name)
  const people = openPeople(world, random.of('people'), atWork)
  const watch = () => void world.ov('watch', '--background')
  const { inject, injected } = injector(world, ledger, { random: random.of('faults'), flood: people.flood, watch })
  const tally = emptyTally()

  await world.ov('watch', '--background')
  // The last are slung when the faults are over, so that all places are taken when everything is killed.
  const sling = async (some: readonly Plan[]) => {
    for (const { name } of some) await people.sling(name)
  }
  await sling(plans.slice(0, AGENTS))
  note(`${atWork().length} agents at work`)
  const slinging = sling(plans.slice(AGENTS, -AGENTS))

  const lasting: Promise<void>[] = []
  const faults = chooseFaults(random.of('order'), long ? LONG : SHORT)
  const pace = random.of('pace')
  for (const fault of faults) {
    if (gone.aborted || late()) break
    const done = inject(fault)
    if (fault.do === 'kill' || fault.do === 'jump') await done
    else lasting.push(done)
    await delay(pace.between(150, long ? 1_500 : 900))
  }
  await Promise.all([...lasting, slinging])
  world.jump?.(0)
  note(`faults are over: ${[...injected.counts].map(([name, times]) => `${times} × ${name}`).join(', ')}`)
  for (const [name, why] of injected.missed) note(`not injected at least once: ${name} (${why})`)

  // Everything is killed while as many as can be are in the middle of a turn.
  const half = AGENTS / 2
  await sling(plans.slice(-AGENTS, -half))
  writeFileSync(world.brain.switches.hold, '')
  await sling(plans.slice(-half))
  await until(() => states('working', 'waiting').length >= AGENTS, 40_000, gone)
  await settled(() => states('working').length, 3_000, gone)
  await people.pause()
  note(
    `everything is killed: ${states('working').length} in the middle of a turn, ${states('waiting').length} waiting, ${states('queued').length} queued`,
  )
  await killEverything(world)
  const began = performance.now()
  const first = await world.json<Up>('up')
  const upMs = performance.now() - began
  note(`ov up took ${(upMs / 1_000).toFixed(1)} s for ${first?.planned.length} agents`)
  // Who waits for a place is brought up by whoever frees one.
  const queued = new Set(states('queued').map(({ name }) => name))
  const left = first?.pending.filter((name) => !queued.has(name))
  if (left === undefined || left.length > 0) problem(`ov up left behind: ${left?.join(', ')}`)
  if (upMs > UP_MS) problem(`ov up took ${Math.round(upMs / 1_000)} s.`)
  tally.recovered.push(upMs)
  await settled(() => ledger.events().length, 3_000, gone)
  const second = await world.json<Up>('up')
  const planned = second?.planned.filter(({ agent, do: wanted }) => wanted !== 'start' || !queued.has(agent)) ?? []
  const unlike = second === null ? ['it has no answer'] : changedBy({ ...second, planned })
  for (const what of unlike) problem(`A second ov up changed something: ${what}`)
  for (const what of await fsck(world.asHome, world.repo)) problem(`After ov up, ov fsck: ${what}`)

  rmSync(world.brain.switches.hold)
  people.resume()
  watch()
  const isOver = () => states('queued', 'starting', 'working', 'waiting').length === 0
  await until(isOver, SETTLE_MS, gone)
  // Whom it has seen die too often it puts aside and says so; the person has it tried again.
  await delay(2_000)
  const aside = states('failed', 'stopped')
  const letters = takenDown<{ subject: string }>(people.files.read)
  for (const { id, name, reason } of aside) {
    const restarts = ledger.events().filter(({ agent, type }) => agent === id && RESTARTS.has(type)).length
    if (restarts < MAX_RESTARTS) problem(`${name} was given up after ${restarts} restarts: ${reason}`)
    if (!letters.some(({ subject }) => subject.startsWith(`${name} failed`)))
      problem(`Nobody was told that ${name} failed.`)
    const retried = await world.ov('retry', name)
    if (retried.code !== 0) problem(`ov retry ${name}: ${retried.output}`)
  }
  await delay(500)
  await until(isOver, SETTLE_MS, gone)
  for (const { name, state, waiting_on: on } of states('queued', 'starting', 'working', 'waiting'))
    problem(`${name} never came to its end: it is ${state}${on === null ? '' : ` on ${on}`}.`)
  // The human reads what came last.
  await delay(1_500)
  await people.close()
  await world.ov('watch', 'stop')
  await ledger.close()

  for (const what of await fsck(world.asHome, world.repo)) problem(`At the end, ov fsck: ${what}`)
  await until(() => world.processes().length === 0, 10_000, gone)
  const orphans = world.processes().length
  if (orphans > 0) problem(`${orphans} processes are left.`)
  for (const what of people.dishonest) problem(what)
  const account = accountOf(world, { plans, people, agents: ledger.agents(), base })
  for (const what of account.problems) problem(what)
  const { noticed, recovered } = timesOf(injected.deaths, ledger)
  note(
    `${account.merged} tasks merged, ${aside.length} put aside and tried again, ${account.bounced} mails came back, refused commands by exit code: ${JSON.stringify(Object.fromEntries(people.refused))}`,
  )
  return {
    ...tally,
    faults: [...injected.counts.values()].reduce((sum, one) => sum + one, 1),
    load: `${AGENTS} agents, ${TASKS} tasks`,
    acknowledged: account.acknowledged,
    delivered: account.delivered,
    commits: account.commits,
    reachable: account.reachable,
    mainGreen: account.mainGreen,
    orphans,
    noticed,
    recovered: [...tally.recovered, ...recovered],
  }
}

function plansBy(random: Random): Plan[] {
  const names = Array.from({ length: TASKS }, (_, at) => `w-${at + 1}`)
  return names.map((name, at) => ({
    name,
    work: random.between(1, 4),
    mails: [...(random.chance(0.7) ? ['human'] : []), ...random.shuffled(names).slice(0, random.between(0, 3))].filter(
      (to) => to !== name,
    ),
    asks: random.chance(0.2),
    red: random.chance(0.1),
    amends: random.chance(0.2),
    hangs: at % 20 === 7 ? 20 : 0,
    floods: at % 20 === 3 ? 200_000 : 0,
  }))
}

/** What is started by one that dies last is killed too. */
async function killEverything(world: World): Promise<void> {
  for (let left = world.processes(); left.length > 0; left = world.processes()) {
    for (const who of left) signal(who, 'SIGKILL')
    await delay(20)
  }
}

async function until(is: () => boolean, ms: number, gone: AbortSignal): Promise<void> {
  for (const end = performance.now() + ms; !is() && performance.now() < end && !gone.aborted; ) await delay(50)
}

/** Waits until a number has stayed the same for so long. */
async function settled(number: () => number, ms: number, gone: AbortSignal): Promise<void> {
  let last = number()
  let since = performance.now()
  await until(
    () => {
      if (number() !== last) {
        last = number()
        since = performance.now()
      }
      return performance.now() - since > ms
    },
    60_000,
    gone,
  )
}
