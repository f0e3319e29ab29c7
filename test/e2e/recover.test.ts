import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findAgent } from '../../src/agents/store.ts'
import { argumentsOf, processesMarked, signal } from '../../src/os/process.ts'
import { runnersOf } from '../../src/os/tree.ts'
import type { Up } from '../../src/watchdog/up.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { mountSpace } from '../rig/mount-space.ts'
import { configure, git, type Home, makeHome, makeRepo } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/*
 * `ov up` after `kill -9` of runners, from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts). What the
 * real one does with it is in test/real.
 */

let home: Home
let fleet: Fleet
let claude: Talking
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

async function open(brain: string): Promise<void> {
  claude = talkingClaude(home, brain)
  fleet = await makeFleet(home, { config: 'runtime: { default: claude }\n' })
}

const ov = (...args: string[]) => home.ov(fleet.repo, args, { env: claude.env })
const up = async () => JSON.parse((await ov('up', '--json')).stdout) as Up
const prompts = () => claude.heard().map(({ prompt }) => prompt)
const sessions = () => [...new Set(claude.heard().map(({ session }) => session))]

async function agent() {
  const found = await findAgent(fleet.db, 'builder-1')
  if (!found) throw new Error('no agent')
  return found
}

/** Kills the agent's runner as nothing can be warned of, and with it its CLI. */
async function killRunner(): Promise<void> {
  const { id } = await agent()
  await expect.poll(() => runnersOf(id).length).toBe(1)
  for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
  await expect.poll(() => runnersOf(id)).toEqual([])
}

/** A brain that commits, leaves a file uncommitted and hangs; told that it was cut off, or begins anew, it finishes. */
const twoHalves = () => `
  case "$(cat)" in
    *'cut off'*|*'You begin anew'*) git add -A && git commit -qm 'Second half' && ov done --summary 'Both halves';;
    *) echo one > one.txt && git add -A && git commit -qm 'First half' && echo two > two.txt && touch '${home.path}/half' && sleep 600;;
  esac`

const half = () => expect.poll(() => existsSync(`${home.path}/half`)).toBe(true)

test('an agent killed in the middle of a turn goes on in its conversation, with what lay uncommitted, and its work is merged', async () => {
  await open(twoHalves())
  await ov('sling', '--task', 'Write two halves')
  await half()
  await killRunner()
  expect((await ov('up', '--dry-run')).stdout).toMatch(/^builder-1: would go on where it was\n/)
  const first = await up()
  expect(first.planned).toEqual([{ agent: 'builder-1', state: 'working', do: 'recover' }])
  expect(first.said).toContain('builder-1 goes on where it was, with its conversation: its runner died')
  await expect.poll(async () => (await agent()).state).toBe('done')

  expect(readFileSync(join(fleet.repo, 'one.txt'), 'utf8')).toBe('one\n')
  expect(readFileSync(join(fleet.repo, 'two.txt'), 'utf8')).toBe('two\n')
  expect(sessions()).toHaveLength(1)
  expect(prompts().filter((prompt) => prompt.includes('Write two halves'))).toHaveLength(1)
  expect(await up()).toMatchObject({ planned: [], did: [], said: [] })
})

test('an agent whose conversation is gone is told from the records: its task, its commits, what lies uncommitted', async () => {
  await open(twoHalves())
  await ov('sling', '--task', 'Write two halves')
  await half()
  await killRunner()
  claude.forget()
  expect((await up()).said.join()).toContain('told from the records what it had done')
  await expect.poll(async () => (await agent()).state).toBe('done')
  expect(readFileSync(join(fleet.repo, 'two.txt'), 'utf8')).toBe('two\n')
  expect(sessions()).toHaveLength(2)
  const last = prompts().at(-1) ?? ''
  expect(last).toContain('Your earlier conversation is lost.')
  expect(last).toContain('Your task:\n\nWrite two halves')
  expect(last).toMatch(/- [0-9a-f]{8} First half/)
  expect(last).toContain('- ?? two.txt')
})

test('an agent that waits for an answer is brought back without a turn, and the answer finds it', async () => {
  await open(`
    case "$(cat)" in
      *Blue.*) ov done --no-changes --summary 'It is blue';;
      *) ov ask 'Which colour?';;
    esac`)
  await ov('sling', '--task', 'Ask')
  await expect.poll(async () => (await agent()).waiting_on).toBe('human')
  await killRunner()
  await up()
  await expect.poll(async () => (await agent()).waiting_on).toBe('human')
  expect(claude.heard()).toHaveLength(1)
  const { mail } = JSON.parse((await ov('mail', 'check', '--json')).stdout)
  await ov('mail', 'reply', mail[0].id, '--body', 'Blue.')
  await expect.poll(async () => (await agent()).state).toBe('done')
  expect(sessions()).toHaveLength(1)
})

test('an agent that waits for the end of a limit is brought back to wait for the same end, and goes on then', async () => {
  const reset = join(home.path, 'reset')
  writeFileSync(reset, String(Math.ceil(Date.now() / 1000) + 3600))
  await open(`
    if [ -e '${reset}' ]; then cat '${reset}'; exit 43; fi
    cat > /dev/null; ov done --no-changes --summary 'After the limit'`)
  await ov('sling', '--task', 'Wait')
  await expect.poll(async () => (await agent()).waiting_on).toBe('rate_limit')
  const { waiting_until: until } = await agent()
  await killRunner()
  expect(await up()).toMatchObject({ planned: [{ do: 'recover' }], pending: [] })
  expect(await agent()).toMatchObject({ state: 'waiting', waiting_on: 'rate_limit', waiting_until: until })
  expect(claude.heard()).toHaveLength(1)
  // The hour is over.
  rmSync(reset)
  await fleet.db
    .updateTable('limits')
    .set({ until: Date.now() + 1000, until_monotonic: null })
    .execute()
  await expect.poll(async () => (await agent()).state).toBe('done')
  expect(claude.heard()).toHaveLength(2)
  expect(sessions()).toHaveLength(1)
})

test('a disk that is full fails nobody: who cannot write waits until there is room, then goes on where it was', async () => {
  const talking = talkingClaude(home, twoHalves())
  const repo = makeRepo(home)
  const state = join(repo, '.overstory')
  mkdirSync(state)
  const space = await mountSpace(home)
  expect((await space.sh(`mount -t tmpfs -o size=16m tmpfs '${state}'`)).output).toBe('')
  configure(home, repo, 'runtime: { default: claude }\n')
  const type = (...args: string[]) => space.ov(repo, args, talking.env)
  const mine = (word: string) =>
    processesMarked('XDG_RUNTIME_DIR', home.env.XDG_RUNTIME_DIR ?? '').filter(({ pid }) =>
      argumentsOf(pid).includes(word),
    )
  expect(await type('init', '--yes')).toMatchObject({ code: 0 })
  await type('sling', '--task', 'Write two halves')
  await half()

  await space.sh(`cat /dev/zero > '${state}/filler'`)
  const [runner] = mine('runner')
  // A runner that has met the full disk by now has ended it already.
  for (const who of mine('--append-system-prompt-file')) signal(who, 'SIGKILL')
  await expect.poll(() => mine('--append-system-prompt-file')).toEqual([])
  // It can't even say so.
  await delay(3_000)
  expect(mine('runner').map(({ pid }) => pid)).toEqual([runner?.pid])
  await space.sh(`rm '${state}/filler'`)
  const inspected = async () => JSON.parse((await type('inspect', 'builder-1', '--json')).stdout).agent
  await expect.poll(async () => (await inspected()).state).toBe('done')
  expect(git(home, repo, 'show', 'main:two.txt')).toBe('two')
  const { entries } = JSON.parse((await type('logs', 'builder-1', '--events', '--json')).stdout)
  expect(entries.map(({ type }: { type: string }) => type)).not.toContain('agent.failed')
})

test('what dies again and again is started three times, then put aside with its commits, and told', async () => {
  await open(
    `cat > /dev/null; [ -e one.txt ] || { echo one > one.txt; git add -A; git commit -qm One; }; echo x >> '${home.path}/turns'; sleep 600`,
  )
  const turns = () => (existsSync(`${home.path}/turns`) ? readFileSync(`${home.path}/turns`, 'utf8').length / 2 : 0)
  await ov('sling', '--task', 'Never ends')
  for (let death = 1; death <= 4; death++) {
    await expect.poll(turns).toBe(death)
    await killRunner()
    await up()
  }
  expect(await agent()).toMatchObject({ state: 'failed' })
  expect((await agent()).reason).toContain('started again 3 times within 10 minutes')
  expect((await ov('mail', 'check')).stdout).toContain('builder-1 failed')
  const { branch } = await agent()
  expect(git(home, fleet.repo, 'log', '--format=%s', `main..${branch}`)).toBe('One')
})

test('who has not its login leaves it as it is, and says so; who has brings it back', async () => {
  await open(twoHalves())
  await ov('sling', '--task', 'Write two halves')
  await half()
  await killRunner()
  const without = await home.ov(fleet.repo, ['up'])
  expect(without.code).toBe(1)
  expect(without.output).toContain("builder-1 can't be brought back from here")
  expect((await agent()).state).toBe('working')
  await up()
  await expect.poll(async () => (await agent()).state).toBe('done')
})

test('what is left running of an agent that has ended is named, then ended, and nothing of anybody else', async () => {
  await open("cat > /dev/null; ov done --no-changes --summary 'Nothing to do'")
  await ov('sling', '--wait', '--task', 'Look')
  const { id } = await agent()
  await expect.poll(() => runnersOf(id)).toEqual([])
  const lingering = spawn('sleep', ['600'], { env: { ...home.env, OV_AGENT_ID: id }, stdio: 'ignore' })
  const bystander = spawn('sleep', ['600'], { env: { ...home.env, OV_AGENT_ID: `${id}0` }, stdio: 'ignore' })
  const ended = once(lingering, 'exit')
  await expect
    .poll(async () => (await ov('up', '--dry-run')).stdout)
    .toContain('to be cleared away: Processes of builder-1 are left, though it has ended.')
  expect((await up()).said).toContain('1 process of builder-1 ended.')
  expect(await ended).toEqual([null, 'SIGTERM'])
  expect(bystander.exitCode ?? bystander.signalCode).toBe(null)
  expect(await up()).toMatchObject({ planned: [], leftovers: [], did: [], said: [] })
  bystander.kill()
})
