import { rmSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../../src/errors.ts'
import { signal } from '../../../src/os/process.ts'
import type { Up } from '../../../src/watchdog/up.ts'
import { git } from '../../rig/sandbox-home.ts'
import { changedBy, fsck } from '../oracle.ts'
import { emptyTally, type Part, type Run, type Tally } from '../part.ts'
import type { Random } from '../random.ts'
import { accountOf } from '../system/account.ts'
import type { Plan } from '../system/brain.ts'
import { chooseFaults, injector, isAwaited, type Numbers, timesOf } from '../system/faults.ts'
import { hunt, lettersOf, MOST_RESTARTS, restartsOf } from '../system/hunt.ts'
import { type AgentRow, openLedger, storyOf } from '../system/ledger.ts'
import { openPeople } from '../system/people.ts'
import { settled, until } from '../system/waits.ts'
import { openWorld, sweepClocks, type World } from '../system/world.ts'

const AGENTS = 20
const TASKS = 60
/** After a kill of everything, ov up has brought all of them back by then. */
const UP_MS = 30_000
/** So long at most it takes until everything is over once nothing is done to it any more. */
const SETTLE_MS = 240_000
/** Mail that cannot be delivered has come back by then, and the human has read all there is. */
const READ_MS = 70_000
/** Who has nothing to do any more has ended by then. */
const ENDED_MS = 20_000

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

/** What else its machine has to do is none of the faults: it decides nothing here. */
const LOAD =
  '{ minMemory: 1MB, perAgentMemory: 1MB, maxLoadPerCore: 10000, maxCpuPressure: 100, maxMemoryPressure: 100, maxIoPressure: 100 }'
const CONFIG = `
runtime: { default: claude }
agents: { maxConcurrent: ${AGENTS} }
limits: { backoff: 5s, spacing: 1s }
load: ${LOAD}
watchdog: { tier0: { interval: 2s, nudgeAfter: 8s } }
`

export default {
  name: 'system',
  what: 'a fleet with everything that can happen to it, then all of it killed and brought up again',
  seconds: 150,
  run,
} satisfies Part

async function run({ home, random, long, note, problem, gone, late, afterwards }: Run): Promise<Tally> {
  // When all its processes are gone.
  afterwards(sweepClocks)
  const world = await openWorld(home(), CONFIG)
  afterwards(world.close)
  const base = git(world.home, world.repo, 'rev-parse', 'main')
  const plans = plansBy(random.of('plans'), long)
  const prey = random.of('prey').pick(plans.slice(0, AGENTS))
  // It has something to lose, and is not at its end before it is put aside.
  Object.assign(prey, { work: 5, asks: false, red: false, amends: true, hangs: 0, mails: [] })
  for (const plan of plans) world.brain.plan(plan)
  const ledger = openLedger(world)
  const states = (...names: string[]) => ledger.agents().filter(({ state }) => names.includes(state))
  const atWork = () => states('working', 'waiting', 'starting').map(({ name }) => name)
  /** Somebody goes on by himself when it is time. */
  const isDue = () => states('waiting').some(({ waiting_on: on }) => on === 'rate_limit' || on === 'retry')
  const people = openPeople(world, random.of('people'), atWork)
  const watch = () => world.ov('watch', '--background')
  let isOver = false
  const { inject, injected, count } = injector(world, ledger, {
    random: random.of('faults'),
    flood: people.flood,
    watch,
    isOver: () => isOver,
  })
  const tally = emptyTally()

  await watch()
  // The last are slung when the faults are over, so that all places are taken when everything is killed.
  const sling = async (some: readonly Plan[]) => {
    for (const { name } of some) await people.sling(name)
  }
  /** What is under way beside. What goes wrong in one is told, and keeps the others from nothing. */
  const lasting: Promise<void>[] = []
  /** Kills of those who come and go, waited for as long as anything else goes on. */
  const kills: Promise<void>[] = []
  const beside = (work: Promise<void>, those = lasting) => {
    those.push(work.catch((error: unknown) => problem(messageOf(error))))
  }
  const jumps = () => injected.counts.get('clock jump') ?? 0
  const onKill = () => count('kill the same cli')
  beside(hunt({ world, ledger, people, jumps, onKill, gone, note, problem }, prey.name))
  await sling(plans.slice(0, AGENTS))
  note(`${atWork().length} agents at work`)
  beside(sling(plans.slice(AGENTS, -AGENTS)))

  const faults = chooseFaults(random.of('order'), long ? LONG : SHORT)
  const pace = random.of('pace')
  for (const fault of faults) {
    if (gone.aborted || late()) break
    if (isAwaited(fault)) await inject(fault)
    else beside(inject(fault), fault.do === 'kill' ? kills : lasting)
    await delay(pace.between(150, long ? 1_500 : 900))
  }
  world.jump?.(0)
  await Promise.all(lasting)
  isOver = true
  await Promise.all(kills)
  note(`faults are over: ${[...injected.counts].map(([name, times]) => `${times} × ${name}`).join(', ')}`)
  for (const [name, why] of injected.missed) note(`not injected at least once: ${name} (${why})`)

  // A limit is over when somebody has had an answer, which nobody has who is held.
  await until(() => !isDue(), SETTLE_MS, gone)
  // Everything is killed while as many as can be are in the middle of a turn.
  const half = AGENTS / 2
  await sling(plans.slice(-AGENTS, -half))
  writeFileSync(world.brain.switches.hold, '')
  await sling(plans.slice(-half))
  await until(() => states('working', 'waiting').length >= AGENTS, 40_000, gone)
  await settled(() => states('working').length, 3_000, gone)
  await people.pause()
  note(`everything is killed: ${countsOf(ledger.agents())}`)
  await killEverything(world)
  const began = performance.now()
  const first = await world.json<Up>('up')
  const upMs = performance.now() - began
  note(`ov up took ${(upMs / 1_000).toFixed(1)} s for ${first.answer?.planned.length} agents`)
  if (first.answer === null) problem(`ov up: ${first.said}`)
  if (upMs > UP_MS) problem(`ov up took ${Math.round(upMs / 1_000)} s.`)
  // Who waits for a place is brought up by whoever frees one.
  const isUp = (name: string) => {
    const state = ledger.agents().find((one) => one.name === name)?.state
    return state === 'queued' ? atWork().length >= AGENTS : state !== 'starting'
  }
  const left = () => first.answer?.pending.filter((name) => !isUp(name)) ?? []
  if (!(await until(() => left().length === 0, UP_MS - upMs, gone))) problem(`ov up left behind: ${left().join(', ')}`)
  tally.recovered.push(upMs)
  await settled(
    () => ledger.events().length,
    3_000,
    gone,
    () => !isDue(),
  )
  const second = await world.json<Up>('up')
  if (second.answer === null) problem(`A second ov up: ${second.said}`)
  else {
    // Who waits for a place does so still.
    const planned = second.answer.planned.filter((one) => one.do !== 'start' || one.state !== 'queued')
    for (const what of changedBy({ ...second.answer, planned })) problem(`A second ov up changed something: ${what}`)
  }
  for (const what of await fsck(world.asHome, world.repo)) problem(`After ov up, ov fsck: ${what}`)

  rmSync(world.brain.switches.hold)
  people.resume()
  await watch()
  const allEnded = () => states(...OPEN).length === 0
  await until(allEnded, SETTLE_MS, gone)
  // Whom it has seen die too often it puts aside and says so; the person has it tried again.
  const failures = (id: string) =>
    ledger.events().filter(({ agent, type }) => agent === id && type === 'agent.failed').length
  const aside = states('failed', 'stopped')
  for (const { id, name, reason } of aside) {
    const restarts = restartsOf(ledger, id)
    if (restarts < MOST_RESTARTS) problem(`${name} was given up after ${restarts} restarts: ${reason}`)
    if (!(await until(() => lettersOf(people, name) >= failures(id), READ_MS, gone)))
      problem(`Nobody was told that ${name} failed.`)
    const { taken, said } = await people.retry(name)
    if (!taken) problem(`ov retry ${name}: ${said}`)
  }
  if (aside.length > 0) await delay(500)
  await until(allEnded, SETTLE_MS, gone)
  for (const { name } of states(...OPEN)) problem(`${name} never came to its end: ${storyOf(ledger, name)}`)
  await until(async () => (await world.look(UNREAD)).length === 0, READ_MS, gone)
  await people.close()
  for (const { id, name } of ledger.agents())
    if (lettersOf(people, name) !== failures(id))
      problem(`${name} failed ${failures(id)} times, and its human was told so ${lettersOf(people, name)} times.`)
  await world.ov('watch', 'stop')
  await ledger.close()

  for (const what of await fsck(world.asHome, world.repo)) problem(`At the end, ov fsck: ${what}`)
  await until(() => world.processes().length === 0, ENDED_MS, gone)
  const orphans = world.processes().length
  if (orphans > 0) problem(`${orphans} processes are left.`)
  for (const what of people.dishonest) problem(what)
  const account = accountOf(world, { plans, people, agents: ledger.agents(), base })
  for (const what of account.problems) problem(what)
  const { noticed, recovered } = timesOf(injected.deaths, ledger)
  note(
    `${account.merged} tasks merged, ${aside.length} more put aside and tried again, ${account.bounced} mails came back, refused commands by exit code: ${JSON.stringify(Object.fromEntries(people.refused))}`,
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

const OPEN = ['queued', 'starting', 'working', 'waiting']
/** Mail that nobody has had yet, and that has not come back either. */
const UNREAD = 'SELECT id FROM mail WHERE delivered_at IS NULL AND bounced_at IS NULL'

/** How many agents there are in each state, in words. */
function countsOf(agents: readonly AgentRow[]): string {
  const of = ({ state, waiting_on: on }: AgentRow) => (on === null ? state : `${state} on ${on}`)
  const counts = Map.groupBy(agents, of)
  return [...counts].map(([state, all]) => `${all.length} ${state}`).join(', ')
}

function plansBy(random: Random, long: boolean): Plan[] {
  const [least, most] = long ? [3, 9] : [1, 4]
  const names = Array.from({ length: TASKS }, (_, at) => `w-${at + 1}`)
  return names.map((name, at) => ({
    name,
    work: random.between(least, most),
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
