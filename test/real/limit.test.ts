import { afterEach, beforeAll, expect, test } from 'vitest'
import { before, refuse, type Step, say, shell } from '../../src/certify/llm/script.ts'
import { processesMarked, signal } from '../../src/os/process.ts'
import type { Up } from '../../src/watchdog/up.ts'
import { CLAUDE } from './cli.ts'
import { account, context, type Fleet, openFleet, times } from './fleet.ts'
import { installed } from './install.ts'
import { commit, of } from './jobs.ts'

/* A real Claude Code whose account is at its limit, before a scripted model that names the end of it. */

const POLL = { timeout: 100_000, interval: 200 }
/** So far off is the end of the limit, in seconds: the CLI is started and stopped in that time. */
const RESET_S = 30
const AGENT = 'builder-1'

let bin = ''
let fleet: Fleet
beforeAll(async () => {
  bin = await installed(CLAUDE.npm)
})
afterEach(() => fleet.close())

interface Inspected {
  readonly agent: { readonly state: string; readonly waitingOn: string | null; readonly waitingUntil: number | null }
}
const inspect = async (agent = AGENT) => (await fleet.json<Inspected>('inspect', agent)).agent

/** The same move, and when the model was asked for it, in ms since the epoch. */
function timed(step: Step, at: number[]): Step {
  return {
    ...step,
    reply: (ask, hands) => {
      at.push(Date.now())
      return step.reply(ask, hands)
    },
  }
}

function refusalUntil(resetAt: number): Step {
  const refusal = CLAUDE.trial.limit(resetAt)
  if (refusal === null) throw new Error('its service names no time')
  return refuse(refusal.status, refusal)
}

test('a limit that names its end parks an agent until then, over a kill of everything; one probe, and it finishes', async () => {
  fleet = await openFleet(CLAUDE, bin, 'subscription')
  const resetAt = Math.ceil(Date.now() / 1000) + RESET_S
  const asked: number[] = []
  const steps = [
    before(resetAt * 1000, refusalUntil(resetAt)),
    commit('later', 'later.txt', 'Later'),
    shell('npm test && ov done --summary "Later"'),
    say('Done.'),
  ]
  fleet.llm.play(
    'builder',
    of(AGENT),
    steps.map((step) => timed(step, asked)),
  )
  expect((await fleet.ov('sling', '--runtime', 'claude', '--task', 'Write later.txt')).code).toBe(0)
  await expect.poll(async () => (await inspect()).waitingOn, POLL).toBe('rate_limit')
  const parked = (await inspect()).waitingUntil ?? 0
  expect(parked).toBeGreaterThanOrEqual(resetAt * 1000)
  expect(parked).toBeLessThan(resetAt * 1000 + 10_000)
  const refused = asked.length
  expect(refused).toBeGreaterThan(0)

  const all = () => processesMarked('XDG_RUNTIME_DIR', fleet.home.env.XDG_RUNTIME_DIR ?? '')
  await expect
    .poll(() => {
      const left = all()
      for (const who of left) signal(who, 'SIGKILL')
      return left
    }, POLL)
    .toEqual([])
  expect(Date.now()).toBeLessThan(resetAt * 1000)
  expect((await fleet.json<Up>('up')).planned).toEqual([{ agent: AGENT, state: 'waiting', do: 'recover' }])
  expect(await inspect()).toMatchObject({ state: 'waiting', waitingOn: 'rate_limit', waitingUntil: parked })

  await expect.poll(async () => (await inspect()).state, POLL).toBe('done')
  const after = asked.slice(refused)
  expect(after.filter((at) => at < parked)).toEqual([])
  expect(after).toHaveLength(3)
  expect(fleet.git('show', 'main:later.txt')).toBe('later')
  const seen = context(fleet.llm.asked('builder').at(-1))
  expect(times(seen, 'Write later.txt')).toBe(1)
})

test('three agents of one account: at the end of the limit one asks; refused again, all wait on; at last they follow one another', async () => {
  fleet = await openFleet(CLAUDE, bin, 'subscription')
  const first = Math.ceil(Date.now() / 1000) + RESET_S
  const second = first + 15
  const agents = ['builder-1', 'builder-2', 'builder-3']
  const asked = new Map(agents.map((agent): [string, number[]] => [agent, []]))
  for (const [agent, at] of asked) {
    const steps = [
      before(first * 1000, refusalUntil(first)),
      before(second * 1000, refusalUntil(second)),
      commit(agent, `${agent}.txt`, agent),
      shell('npm test && ov done --summary "Later"'),
      say('Done.'),
    ]
    fleet.llm.play(
      agent,
      of(agent),
      steps.map((step) => timed(step, at)),
    )
    expect((await fleet.ov('sling', '--runtime', 'claude', '--task', `Write ${agent}.txt`)).code).toBe(0)
  }
  const waits = async () => (await Promise.all(agents.map(inspect))).map(({ waitingOn }) => waitingOn)
  await expect.poll(waits, POLL).toEqual(['rate_limit', 'rate_limit', 'rate_limit'])
  expect(Date.now()).toBeLessThan(first * 1000)
  const allAsked = () => [...asked.values()].flat()
  const before1 = allAsked().length

  await expect.poll(() => allAsked().length, POLL).toBe(before1 + 1)
  await expect
    .poll(async () => (await inspect('builder-2')).waitingUntil ?? 0, POLL)
    .toBeGreaterThanOrEqual(second * 1000)
  await expect.poll(() => Date.now(), POLL).toBeGreaterThan(second * 1000 - 500)
  const probes = allAsked().filter((at) => at >= first * 1000 && at < second * 1000)
  expect(probes).toHaveLength(1)

  const states = async () => (await Promise.all(agents.map(inspect))).map(({ state }) => state)
  await expect.poll(states, POLL).toEqual(['done', 'done', 'done'])
  const begun = [...asked.values()]
    .map((at) => Math.min(...at.filter((one) => one >= second * 1000)))
    .sort((a, b) => a - b)
  expect((begun[1] ?? 0) - (begun[0] ?? 0)).toBeGreaterThan(500)
  for (const agent of agents) expect(fleet.git('show', `main:${agent}.txt`)).toBe(agent)
  account('claude-limit', {
    'Requests of each agent, in seconds from the first end of the limit': [...asked]
      .map(([agent, at]) => `${agent}: ${at.map((one) => ((one - first * 1000) / 1000).toFixed(1)).join(', ')}`)
      .join('\n'),
    'ov logs builder-1 --events': (await fleet.ov('logs', 'builder-1', '--events')).output,
  })
})
