import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsBeyond } from '../../src/events/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { mountSpace } from '../rig/mount-space.ts'
import { configure, git, type Home, makeHome } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

let home: Home
let fleet: Fleet
beforeEach(() => {
  home = makeHome()
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

const HANG = 'while :; do sleep 0.1; done'
const UNMET = 'load: { minMemory: 900TB }\n'

/** A command that goes on until a file of this name lies in the home. */
const until = (name: string) => `while [ ! -e '${join(home.path, name)}' ]; do sleep 0.05; done`
const allow = (name: string) => writeFileSync(join(home.path, name), '')

async function changes(): Promise<Record<string, unknown>[]> {
  const events = await eventsBeyond(fleet.db, 0, 10_000)
  return events.filter(({ type }) => type === 'mode.changed').map(({ data_json: data }) => JSON.parse(data))
}

async function say(...args: string[]): Promise<string> {
  const { code, output } = await home.ov(fleet.repo, args)
  expect(code, output).toBe(0)
  return output
}

test('a task waits while a reserve is missing, says so everywhere, and starts when it is there', async () => {
  fleet = await makeFleet(home, { config: UNMET })
  // With nobody at work one may start whatever is missing.
  await fleet.sling('first', HANG)
  await fleet.expectState('first', 'working')
  const second = await say(...slingShell('second', HANG))
  expect((await fleet.agent('second')).state).toBe('queued')
  const why = /GB of memory are free, 921600 GB are kept \(load\.minMemory\)\./
  expect(second).toMatch(/^second waits: Task of second\n/)
  for (const said of [second, await say('status'), await say('inspect', 'second')])
    expect(said.replaceAll(/\s+/g, ' ')).toMatch(why)
  expect(await say('monitor', '--once')).toMatch(/^ ?repo +minimal [\s\S]*second +queued +\S+ +\d.* of memory are/)
  const refused = await home.ov(fleet.repo, slingShell('third', HANG, '--no-queue'))
  expect([refused.code, refused.output]).toEqual([4, expect.stringMatching(why)])
  const doctor = JSON.parse((await home.ov(fleet.repo, ['doctor', '--json'])).stdout)
  expect(doctor.issues.map(({ code }: { code: string }) => code)).toContain('mode.minimal')
  expect(doctor.issues.map(({ code }: { code: string }) => code)).not.toContain('agent.not-started')
  const status = await fleet.status()
  expect(status.mode).toMatchObject({ level: 'minimal', by: 'ov', why: expect.stringMatching(why), places: 5 })
  expect(status.mode.holds).toMatch(why)
  expect(await changes()).toEqual([{ level: 'minimal', by: 'ov', why: expect.stringMatching(why) }])
  await say('watch', '--background')
  configure(home, fleet.repo)
  await fleet.expectState('second', 'working')
  await expect.poll(async () => (await changes()).at(-1)).toMatchObject({ level: 'full', by: 'ov' })
  expect((await fleet.status()).mode).toMatchObject({ level: 'full', holds: null })
})

test('without a watcher too: what waits for a reserve starts when those at work have ended', async () => {
  fleet = await makeFleet(home, { config: UNMET })
  await fleet.sling('first', until('go'))
  await fleet.expectState('first', 'working')
  await fleet.sling('second', 'echo s > s.txt')
  expect((await fleet.agent('second')).state).toBe('queued')
  allow('go')
  await fleet.expectState('second', 'done')
  expect(git(home, fleet.repo, 'show', 'main:s.txt')).toBe('s')
})

test('minimal: nothing new starts, what runs goes on and is merged; auto takes it back', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('running', `echo r > r.txt; ${until('go')}`)
  await fleet.expectState('running', 'working')
  expect(await say('mode', 'minimal', '--why', 'The release is built')).toMatch(
    /The fleet is at "minimal", as you said, since .*: nothing new starts; .*\nWhy: The release is built\n/,
  )
  await fleet.sling('waits', 'echo w > w.txt')
  allow('go')
  await fleet.expectState('running', 'done')
  expect(git(home, fleet.repo, 'show', 'main:r.txt')).toBe('r')
  expect((await fleet.agent('waits')).state).toBe('queued')
  expect(await say('status')).toContain('The release is built')
  expect(await say('mode', 'auto')).toBe('The fleet is at "full": nothing is held back.\n')
  await fleet.expectState('waits', 'done')
  expect(await changes()).toEqual([
    { level: 'minimal', by: 'human', why: 'The release is built' },
    { level: 'full', by: 'human', why: '' },
  ])
})

test('read-only: no turn begins, nothing is merged or landed; afterwards all of it goes on by itself', async () => {
  fleet = await makeFleet(home)
  await fleet.sling('busy', `echo b > b.txt; ${until('go')}`)
  await fleet.expectState('busy', 'working')
  await say('mode', 'read-only')
  allow('go')
  await expect.poll(async () => (await fleet.agent('busy')).waiting_on).toBe('merge')
  const refused = await home.ov(fleet.repo, ['merge'])
  expect(refused.code).toBe(4)
  expect(refused.output).toBe('✖ The fleet is at "read-only", as you said.\nHint: ov mode auto\n')
  expect((await home.ov(fleet.repo, ['land'])).code).toBe(4)
  await say('mail', 'send', '--to', 'busy', '--subject', 'Mail is taken')
  expect((await fleet.agent('busy')).state).toBe('waiting')
  await say('mode', 'auto')
  await fleet.expectState('busy', 'done')
  expect(git(home, fleet.repo, 'show', 'main:b.txt')).toBe('b')
})

test('read-only: an agent that ends its turn begins no other, whatever mail comes; afterwards it has all of it', async () => {
  fleet = await makeFleet(home)
  const claude = talkingClaude(home, `cat > /dev/null; ${until('go')}; echo Well.`)
  const slung = await home.ov(fleet.repo, ['sling', '--name', 'thinker', '--task', 'Think'], { env: claude.env })
  expect(slung.code, slung.output).toBe(0)
  await expect.poll(() => claude.heard().length).toBe(1)
  await say('mode', 'read-only')
  allow('go')
  await expect.poll(async () => (await fleet.agent('thinker')).waiting_on).toBe('mode')
  await say('nudge', 'thinker', 'Hurry up')
  expect(await say('inspect', 'thinker')).toContain('No turn begins.')
  expect(claude.heard()).toHaveLength(1)
  await say('mode', 'auto')
  const heard = () => claude.heard().map(({ prompt }) => prompt)
  await expect.poll(heard).toContainEqual(expect.stringContaining('Hurry up'))
})

test('reduced: half of the places; a wish with an end ends by itself', async () => {
  fleet = await makeFleet(home, { config: 'agents: { maxConcurrent: 2 }\n' })
  await say('mode', 'reduced', '--for', '1h')
  await fleet.sling('one', HANG)
  await fleet.sling('two', HANG)
  await fleet.expectState('one', 'working')
  expect((await fleet.agent('two')).state).toBe('queued')
  expect((await fleet.status()).mode.holds).toBe('1 of 2 places are used at "reduced".')
  await fleet.db.updateTable('modes').set({ until: 1 }).execute()
  await fleet.expectState('two', 'working')
  expect(await changes()).toEqual([
    { level: 'reduced', by: 'human', why: '' },
    { level: 'full', by: 'ov', why: 'The time of "reduced" is up.' },
  ])
})

test.each([
  ['there is space again', 'rm .git/filler'],
  ['a person asks for less', "echo 'load: { minDisk: 1MB }' > overstory.local.yaml"],
])('a disk that is as good as full: nothing is merged until %s, then all goes on by itself', async (_until, mend) => {
  fleet = await makeFleet(home)
  const repo = join(home.path, 'small')
  mkdirSync(repo)
  const space = await mountSpace(home)
  expect((await space.sh(`mount -t tmpfs -o size=96m tmpfs '${repo}'`)).output).toBe('')
  const sh = (script: string) => space.sh(`cd '${repo}' && ${script}`)
  await sh(
    "git init -q -b main && echo 'load: { minDisk: 80MB }' > overstory.yaml && git add -A && git commit -qm First",
  )
  const ov = async (...args: string[]) => {
    const outcome = await space.ov(repo, args)
    expect(outcome.code, outcome.output).toBe(0)
    return outcome.stdout
  }
  const status = async () => JSON.parse(await ov('status', '--json'))
  await ov('init')
  expect((await status()).mode.level).toBe('full')
  await ov(...slingShell('worker', `echo w > w.txt; ${until('go')}`))
  await expect.poll(async () => (await status()).agents[0].state).toBe('working')
  const free = async () => Number((await sh('df --output=avail -B1M . | tail -1')).stdout)
  await sh(`dd if=/dev/zero of=.git/filler bs=1M count=${(await free()) - 7}`)
  expect(await free()).toBeLessThan(8)
  expect((await status()).mode).toMatchObject({ level: 'read-only', by: 'ov', why: expect.stringContaining('minDisk') })
  allow('go')
  await expect.poll(async () => (await status()).agents[0].waitingOn).toBe('merge')
  expect((await space.ov(repo, ['merge'])).code).toBe(4)
  await ov('mail', 'send', '--to', 'human', '--subject', 'Mail is taken as long as there is any space')
  await sh(mend)
  await expect.poll(async () => (await status()).agents[0].task.state).toBe('merged')
  expect((await status()).mode.level).toBe('full')
})

test('what makes no sense is refused', async () => {
  fleet = await makeFleet(home)
  for (const args of [
    ['mode', 'sleepy'],
    ['mode', 'minimal', '--for', 'ever'],
    ['mode', 'auto', '--for', '2h'],
    ['mode', '--why', 'x'],
  ])
    expect((await home.ov(fleet.repo, args)).code, args.join(' ')).toBe(2)
  expect(JSON.parse(await say('mode', '--json'))).toEqual({
    mode: { level: 'full', by: 'ov', why: '', since: null, until: null, places: 5, holds: null },
  })
})
