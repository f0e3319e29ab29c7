import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsOfKinds } from '../../src/events/store.ts'
import { findProgram } from '../../src/os/files.ts'
import { runnersOf } from '../../src/os/tree.ts'
import { fakeScreenClaude } from '../rig/fake-claude.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/*
 * A free place is noticed by whoever happens to look: a runner, a watcher, a command in another terminal. None of them may
 * start an agent that was slung with a login they have not got. The FAKE `claude` (test/rig/talking-claude.ts) has a login
 * by a variable, as far as `ov` can see.
 */

let home: Home
let fleet: Fleet
let claude: Talking
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

const BRAIN = "cat > /dev/null; ov done --no-changes --summary 'Well' > /dev/null"

async function open(brain = BRAIN, { places = 1 } = {}): Promise<void> {
  claude = talkingClaude(home, brain)
  fleet = await makeFleet(home, { config: `runtime: { default: claude }\nagents: { maxConcurrent: ${places} }\n` })
}

/** With the login, without it, and with another one: three terminals. */
const withKey = (...args: string[]) => home.ov(fleet.repo, args, { env: claude.env })
const without = (...args: string[]) => home.ov(fleet.repo, args, { env: { PATH: claude.env.PATH ?? '' } })
const withAnother = (...args: string[]) =>
  home.ov(fleet.repo, args, { env: { ...claude.env, ANTHROPIC_API_KEY: 'sk-another' } })

/** A shell agent that holds its place until it is told to go. */
async function holdPlace(sling: typeof without): Promise<() => void> {
  const go = join(home.path, 'go')
  const slung = await sling(...slingShell('holder', `while [ ! -e '${go}' ]; do sleep 0.05; done; echo a > a.txt`))
  expect(slung.code, slung.output).toBe(0)
  await fleet.expectState('holder', 'working')
  return () => writeFileSync(go, '')
}

async function timesLeft(name: string): Promise<number> {
  return (await eventsOfKinds(fleet.db, (await fleet.agent(name)).id, ['agent.left'], 100)).length
}

async function kill(name: string): Promise<void> {
  const { id } = await fleet.agent(name)
  await expect.poll(() => runnersOf(id).length).toBe(1)
  for (const { pid } of runnersOf(id)) process.kill(pid, 'SIGKILL')
  await expect.poll(() => runnersOf(id)).toEqual([])
}

test('who frees a place starts nobody whose login it has not: that one is left, named everywhere, and started by who has it', async () => {
  await open()
  const go = await holdPlace(without)
  expect(JSON.parse((await withKey('sling', '--name', 'keyed', '--task', 'Speak', '--json')).stdout).queued).toBe(true)
  await without(...slingShell('next', 'echo b > b.txt'))
  go()
  // Who comes after it is not held up.
  await fleet.expectState('next', 'done')
  await expect.poll(() => timesLeft('keyed')).toBe(1)

  const where = 'Where $ANTHROPIC_API_KEY is the one it was slung with: ov up'
  const missing = 'Its login is $ANTHROPIC_API_KEY, which is not there.'
  const why = await without('why', 'keyed')
  expect(why.stdout.replace(/\s+/g, ' ')).toContain(
    `A place is free. It can't be started from this terminal: ${missing}`,
  )
  expect(why.stdout).toContain(`→ ${where}`)
  const up = await without('up')
  expect([up.code, up.output]).toEqual([
    1,
    expect.stringContaining(`Hint: keyed can't be brought back from here: ${missing} More: ov why keyed\n`),
  ])
  const { problems } = await fleet.status()
  expect(problems).toContainEqual(expect.objectContaining({ kind: 'left', agent: 'keyed', hint: where }))
  expect(await fleet.agent('keyed')).toMatchObject({ state: 'queued', turns: 0 })
  expect(await timesLeft('keyed')).toBe(1)
  expect(claude.heard()).toEqual([])
  expect(JSON.parse((await without('limits', '--json')).stdout)).toMatchObject({ limits: [] })

  const mine = await withKey('why', 'keyed', '--json')
  expect(JSON.parse(mine.stdout).why).toMatchObject({ text: expect.stringContaining('this terminal'), hint: 'ov up' })
  expect((await withKey('up')).code).toBe(0)
  await fleet.expectState('keyed', 'done')
  expect((await fleet.status()).problems.filter(({ kind }) => kind === 'left')).toEqual([])
})

test('a watcher without the login neither starts nor brings back who has one; the next that is slung with it does', async () => {
  await open(
    `[ "$OV_AGENT" != first ] || [ -e '${home.path}/second' ] || { touch '${home.path}/second'; sleep 600; }; ${BRAIN}`,
  )
  expect((await without('watch', '--background')).code).toBe(0)
  await withKey('sling', '--name', 'first', '--task', 'Hang')
  await withKey('sling', '--name', 'second', '--task', 'Wait')
  await expect.poll(() => claude.heard().length).toBe(1)
  await kill('first')
  await expect.poll(() => timesLeft('first')).toBe(1)
  const why = await without('why', 'first', '--json')
  expect(JSON.parse(why.stdout).why.text).toContain("It can't be started from this terminal")
  expect(await fleet.agent('first')).toMatchObject({ state: 'working' })
  expect((await withKey('sling', '--name', 'third', '--task', 'Begin')).code).toBe(0)
  for (const name of ['first', 'second', 'third']) await fleet.expectState(name, 'done')
  expect((await without('watch', 'stop')).code).toBe(0)
})

test('with another key an agent is brought back only by a person who asks for it', async () => {
  await open()
  const go = await holdPlace(withAnother)
  await withKey('sling', '--name', 'keyed', '--task', 'Speak')
  go()
  await expect.poll(() => timesLeft('keyed')).toBe(1)
  expect(JSON.parse((await withAnother('why', 'keyed', '--json')).stdout).why).toEqual({
    text: "A place is free. It can't be started from this terminal: Its login is $ANTHROPIC_API_KEY, and here it is another.",
    hint: 'To have it go on with the login here: ov up',
  })
  expect((await withAnother('up')).code).toBe(0)
  await fleet.expectState('keyed', 'done')
})

test('an agent with a screen is left by who has no tmux, and started by who has', async () => {
  await open()
  const { PATH } = fakeScreenClaude(home, ["ov done --no-changes --summary 'Seen'"], { hooks: true })
  const bare = mkdtempSync(join(home.path, 'path-'))
  for (const name of ['git', 'sh', 'cat', 'env', 'setsid', 'sleep', 'touch', 'unshare'])
    symlinkSync(findProgram(name) ?? `/no ${name}`, join(bare, name))
  const screenless = { PATH: `${PATH.split(':')[0]}:${bare}`, ANTHROPIC_API_KEY: 'sk-fake' }
  const go = await holdPlace((...args) => home.ov(fleet.repo, args, { env: screenless }))
  const env = { PATH, ANTHROPIC_API_KEY: 'sk-fake' }
  await home.ov(fleet.repo, ['sling', '--interactive', '--name', 'seen', '--task', 'Show'], { env })
  go()
  await expect.poll(() => timesLeft('seen')).toBe(1)
  expect(await fleet.agent('seen')).toMatchObject({ state: 'queued' })
  const why = await home.ov(fleet.repo, ['why', 'seen', '--json'], { env: screenless })
  expect(JSON.parse(why.stdout).why).toMatchObject({ hint: 'Where tmux is: ov up' })
  expect((await home.ov(fleet.repo, ['up'], { env })).code).toBe(0)
  await fleet.expectState('seen', 'done')
})
