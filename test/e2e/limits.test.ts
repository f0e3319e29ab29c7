import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Agent, openAgents } from '../../src/agents/store.ts'
import { runnersOf } from '../../src/os/tree.ts'
import { block, fakeAider } from '../rig/fake-aider.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'
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
    config: `runtime: { default: claude }\nlimits: { spacing: ${SPACING_MS}ms, backoff: 2s }\nload: { enabled: false }\n${config}`,
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

/** From now on the account is at its limit, for an hour. */
function limit(): number {
  const reset = Math.ceil(Date.now() / 1000) + 3600
  writeFileSync(join(home.path, 'reset'), String(reset))
  return reset * 1000
}

/** The hour is over: what is recorded ends in a second. @returns when, in ms since the epoch */
async function endLimit(): Promise<number> {
  rmSync(join(home.path, 'reset'))
  const until = Date.now() + 1000
  await fleet.db.updateTable('limits').set({ until, until_monotonic: null }).execute()
  return until
}

/** Notes each call, refuses while there is a limit, and takes its time to answer. */
const limited = () => `
  cat > /dev/null
  echo "$OV_AGENT $(date +%s%3N)" >> '${home.path}/calls'
  if [ -e '${home.path}/reset' ]; then cat '${home.path}/reset'; exit 43; fi
  sleep 1
  ov done --no-changes --summary 'Well' > /dev/null
  echo Done`

const NAMES = ['first', 'second', 'third', 'fourth']

test('a limit parks all agents of its account until its end; then one asks, and when it works the others follow one by one', async () => {
  await open(limited())
  const reset = limit()
  await slung(NAMES)
  await expect.poll(async () => (await parked()).length).toBe(4)
  const before = calls().length
  expect((await parked()).map(({ waiting_until }) => waiting_until)).toEqual([reset, reset, reset, reset])
  expect((await ov('status')).stdout).toMatch(/anthropic limited until .*\d\d:\d\d, 4 agents wait/)
  expect((await ov('inspect', 'first')).stdout).toContain('Then one agent sees whether it is over')

  const end = await endLimit()
  for (const name of NAMES) await fleet.expectState(name, 'done')
  const after = calls().slice(before)
  expect(after.map(({ agent }) => agent).toSorted()).toEqual(NAMES.toSorted())
  const [probe = 0, second = 0, third = 0, fourth = 0] = after.map(({ at }) => at)
  expect(probe).toBeGreaterThanOrEqual(end)
  // Nobody else asks until the one has its answer, which takes a second; then no two at once.
  expect(second - probe).toBeGreaterThanOrEqual(1000)
  // They went on so long after each other; how long their CLIs then took to begin differs.
  expect(fourth - second).toBeGreaterThanOrEqual(SPACING_MS / 2)
  expect(third).toBeLessThan(fourth)
  expect(JSON.parse((await ov('limits', '--json')).stdout)).toMatchObject({ limits: [] })
})

test('agents that wait for a limit survive the death of everything, wait on without a call, and finish', async () => {
  await open(limited())
  const reset = limit()
  const names = NAMES.slice(0, 2)
  await slung(names)
  await expect.poll(async () => (await parked()).length).toBe(2)
  const before = calls().length
  for (const { id } of await openAgents(fleet.db)) for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
  await expect.poll(async () => (await openAgents(fleet.db)).flatMap(({ id }: Agent) => runnersOf(id))).toEqual([])
  await ov('up')
  await expect.poll(async () => (await parked()).map(({ waiting_until }) => waiting_until)).toEqual([reset, reset])
  expect(calls()).toHaveLength(before)
  await endLimit()
  for (const name of names) await fleet.expectState(name, 'done')
  expect(calls()).toHaveLength(before + 2)
})

test('a login that is refused stops all agents of its account, until a person says that it is mended', async () => {
  await open(`
    cat > /dev/null
    echo "$OV_AGENT 0" >> '${home.path}/calls'
    if [ -e '${home.path}/expired' ]; then exit 41; fi
    echo 'I work'
    if [ ! -e "${home.path}/asked-$OV_AGENT" ]; then touch "${home.path}/asked-$OV_AGENT"; ov ask 'Which colour?'; exit; fi
    ov done --no-changes --summary 'Well' > /dev/null`)
  await slung(['first', 'second'])
  const waiting = async () => (await openAgents(fleet.db)).filter(({ waiting_on }) => waiting_on === 'human')
  await expect.poll(async () => (await waiting()).length).toBe(2)
  writeFileSync(join(home.path, 'expired'), '')
  for (const name of ['first', 'second']) await ov('nudge', name, 'Blue.')
  await expect
    .poll(async () => (await waiting()).map(({ reason }) => reason?.split('.')[0]))
    .toEqual(['The login of Claude Code was refused', 'The login of Claude Code was refused'])
  const before = calls().length
  const refused = await ov('sling', '--task', 'Another')
  expect(refused).toMatchObject({ code: 2, output: expect.stringContaining('ov limits clear claude') })
  expect((await ov('status')).stdout).toContain('anthropic stopped: its login was refused, 2 agents wait')
  expect(JSON.parse((await ov('doctor', '--json')).stdout).issues).toContainEqual(
    expect.objectContaining({ severity: 'error', code: 'limit.login' }),
  )

  rmSync(join(home.path, 'expired'))
  expect(calls()).toHaveLength(before)
  expect((await ov('limits', 'clear', 'claude')).stdout).toMatch(
    /^anthropic \(\$ANTHROPIC_API_KEY \w{8}\) may be asked again\.\n$/,
  )
  for (const name of ['first', 'second']) await fleet.expectState(name, 'done')
})

test('a task whose limit is long moves to the next runtime, with what it has done; one that was slung by --runtime stays', async () => {
  await open(
    `cat > /dev/null
    if [ ! -e one.txt ]; then echo one > one.txt; git add -A; git commit -qm One; fi
    echo ${Math.ceil(Date.now() / 1000) + 3600}; exit 43`,
    'agents: { maxConcurrent: 2 }\n',
  )
  const aider = fakeAider(home, [{ says: block('two.txt', 'two') }])
  const path = `${aider.env.PATH}:${claude.env.PATH}`
  const both = { ...claude.env, ...aider.env, PATH: path }
  const yaml = join(fleet.repo, 'overstory.yaml')
  writeFileSync(yaml, readFileSync(yaml, 'utf8').replace('default: claude', 'default: claude, fallback: [aider]'))
  git(home, fleet.repo, 'commit', '--quiet', '--all', '--message', 'Fall back')
  await home.ov(fleet.repo, ['sling', '--name', 'mover', '--task', 'Write two files'], { env: both })
  const mover = async () => fleet.agent('mover')
  await expect.poll(async () => (await mover()).state).toBe('done')
  expect(await mover()).toMatchObject({ runtime: 'aider', state: 'done' })
  expect(readFileSync(join(fleet.repo, 'one.txt'), 'utf8')).toBe('one\n')
  expect(readFileSync(join(fleet.repo, 'two.txt'), 'utf8')).toBe('two\n')
  const told = await fleet.db.selectFrom('events').selectAll().where('type', '=', 'agent.reassigned').execute()
  expect(told.map(({ data_json }) => JSON.parse(data_json))).toMatchObject([
    { from: 'claude', to: 'aider', context: 'digest' },
  ])

  await home.ov(fleet.repo, ['sling', '--name', 'stayer', '--runtime', 'claude', '--task', 'Stay'], { env: both })
  await expect.poll(async () => (await fleet.agent('stayer')).waiting_on).toBe('rate_limit')
  expect((await fleet.agent('stayer')).runtime).toBe('claude')
})
