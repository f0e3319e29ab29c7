import { afterEach, beforeAll, expect, test } from 'vitest'
import { before, refuse, type Step, say, shell } from '../../src/certify/llm/script.ts'
import { processesMarked, signal } from '../../src/os/process.ts'
import type { Up } from '../../src/watchdog/up.ts'
import { CLAUDE } from './cli.ts'
import { context, type Fleet, openFleet, times } from './fleet.ts'
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
