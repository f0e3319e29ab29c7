import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsBeyond } from '../../src/events/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Judging, judgingClaude } from '../rig/judging-claude.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'

let home: Home
let fleet: Fleet
beforeEach(() => {
  home = makeHome()
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

/** A fleet with one agent that begins to work and shows nothing, watched by an impatient watchdog. */
async function watched(answer: string, tier1 = ''): Promise<Judging> {
  const config = `watchdog: { tier0: { nudgeAfter: 1s, nudgeEvery: 1s, nudges: 2 }, tier1: { ${tier1} } }\n`
  fleet = await makeFleet(home, { config })
  const judge = judgingClaude(home, answer)
  const env = judge.env
  const slung = await home.ov(fleet.repo, ['sling', '--name', 'mute', '--task', 'Say nothing'], { env })
  expect(slung.code, slung.output).toBe(0)
  await expect.poll(judge.heard).toContain('Say nothing')
  const watch = await home.ov(fleet.repo, ['watch', '--background'], { env })
  expect(watch.code, watch.output).toBe(0)
  return judge
}

async function happened(...types: string[]): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const events = await eventsBeyond(fleet.db, 0, 10_000)
  return events
    .filter(({ type }) => types.includes(type))
    .map(({ type, data_json: data }) => ({ type, data: JSON.parse(data) }))
}

const says = (verdict: object) => `echo '${JSON.stringify({ why: 'It hangs.', ...verdict })}'`

test('an agent that hangs is nudged, then judged by a model, then ended and resumed', async () => {
  const judge = await watched(says({ verdict: 'resume' }))
  await expect.poll(() => happened('agent.recovered')).toHaveLength(1)
  expect(
    (await happened('agent.nudged', 'agent.raised', 'agent.triaged', 'agent.recovered')).slice(0, 5),
  ).toMatchObject([
    { type: 'agent.nudged' },
    { type: 'agent.nudged' },
    { type: 'agent.raised' },
    { type: 'agent.triaged', data: { verdict: 'resume', by: 'claude haiku' } },
    { type: 'agent.recovered', data: { why: 'it hung' } },
  ])
  await expect.poll(judge.heard).toContain('cut off in the middle of a turn')
  const log = () => readFileSync(join(fleet.repo, '.overstory', 'logs', 'watch.log'), 'utf8')
  await expect.poll(log).toContain('mute is judged: it is ended and goes on: It hangs.')
})

test('a model that does not answer keeps nobody from being tended: another agent’s death is seen to meanwhile', async () => {
  await watched(`touch '${home.path}/asked'; sleep 60`, 'timeout: 20s')
  await expect.poll(() => existsSync(join(home.path, 'asked'))).toBe(true)
  await fleet.sling('victim', 'while :; do sleep 0.1; done')
  const { owner_pid: pid } = await fleet.expectState('victim', 'working')
  process.kill(pid ?? 0, 'SIGKILL')
  await fleet.expectState('victim', 'failed')
  expect(await happened('agent.triaged')).toEqual([])
  await expect.poll(() => happened('agent.escalated')).toHaveLength(1)
  expect((await fleet.agent('mute')).state).toBe('working')
})
