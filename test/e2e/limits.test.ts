import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, openAgents } from '../../src/agents/store.ts'
import { runnersOf } from '../../src/os/tree.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/* Limits from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts) and a few agents that share its account. */

let home: Home
let fleet: Fleet
let claude: Talking
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const SPACING_MS = 400

async function open(brain: string, config = ''): Promise<void> {
  claude = talkingClaude(home, brain)
  fleet = await makeFleet(home, {
    config: `runtime: { default: claude }\nlimits: { spacing: ${SPACING_MS}ms, backoff: 2s }\n${config}`,
  })
}

const ov = (...args: string[]) => home.ov(fleet.repo, args, { env: claude.env })
const slung = async (names: readonly string[]) => {
  for (const name of names)
    expect(await ov('sling', '--name', name, '--task', `Task of ${name}`)).toMatchObject({ code: 0 })
}
const parked = async () =>
  (await openAgents(fleet.db)).filter(({ state, waiting_on }) => state === 'waiting' && waiting_on === 'rate_limit')

/** What the account was asked, in order: by whom, and when, in ms since the epoch. */
function calls(): { agent: string; at: number }[] {
  const file = join(home.path, 'calls')
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [agent = '', at] = line.split(' ')
      return { agent, at: Number(at) }
    })
}

const reset = () => Number(readFileSync(join(home.path, 'reset'), 'utf8')) * 1000
const limitedFor = (seconds: number) =>
  writeFileSync(join(home.path, 'reset'), String(Math.ceil(Date.now() / 1000) + seconds))

/** Notes each call, refuses before the reset, and takes its time to answer. */
const limited = () => `
  cat > /dev/null
  echo "$OV_AGENT $(date +%s%3N)" >> '${home.path}/calls'
  reset=$(cat '${home.path}/reset')
  if [ "$(date +%s)" -lt "$reset" ]; then echo "$reset"; exit 43; fi
  sleep 1
  ov done --no-changes --summary 'Well' > /dev/null
  echo Done`

test('a limit parks all agents of its account until its end; then one asks, and when it works the others follow one by one', async () => {
  await open(limited())
  limitedFor(8)
  const names = ['first', 'second', 'third', 'fourth']
  await slung(names)
  await expect.poll(async () => (await parked()).length, { timeout: 15_000 }).toBe(4)
  const before = calls().length
  expect(before).toBeLessThanOrEqual(4)
  expect(new Set((await parked()).map(({ waiting_until }) => waiting_until))).toEqual(new Set([reset()]))
  const status = await ov('status')
  expect(status.stdout).toMatch(/anthropic limited until \d\d:\d\d:\d\d, 4 agents wait/)

  for (const name of names) await fleet.expectState(name, 'done')
  const after = calls().slice(before)
  expect(after.map(({ agent }) => agent).toSorted()).toEqual(names.toSorted())
  const [probe, ...others] = after.map(({ at }) => at)
  expect(probe).toBeGreaterThanOrEqual(reset())
  // Nobody else asks until the one has its answer, which takes a second; then no two at once.
  const gaps = others.map((at, index) => at - (after[index]?.at ?? 0))
  expect(gaps[0]).toBeGreaterThanOrEqual(1000)
  for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(SPACING_MS / 2)
  expect((await ov('limits', '--json')).stdout).toContain('"limits": []')
})

test('agents that wait for a limit survive the death of everything, wait on, and finish', async () => {
  await open(limited())
  limitedFor(12)
  const names = ['first', 'second']
  await slung(names)
  await expect.poll(async () => (await parked()).length, { timeout: 10_000 }).toBe(2)
  const before = calls().length
  for (const { id } of await openAgents(fleet.db)) for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
  await expect.poll(async () => (await openAgents(fleet.db)).flatMap(({ id }: Agent) => runnersOf(id))).toEqual([])
  await ov('up')
  await expect.poll(async () => (await parked()).map(({ waiting_until }) => waiting_until)).toEqual([reset(), reset()])
  for (const name of names) await fleet.expectState(name, 'done')
  const after = calls().slice(before)
  expect(after).toHaveLength(2)
  expect(Math.min(...after.map(({ at }) => at))).toBeGreaterThanOrEqual(reset())
})
