import { afterEach, beforeEach, expect, test } from 'vitest'
import type { MonitorAgentReport } from '../../src/monitor/agent.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

/** The monitor agent from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts). */

let home: Home
let fleet: Fleet
let env: Record<string, string>
beforeEach(async () => {
  home = makeHome()
  env = talkingClaude(home, 'cat > /dev/null; echo Nobody is stuck.').env
  fleet = await makeFleet(home, { config: 'runtime: { default: claude }' })
})
afterEach(() => home.dispose())

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, output } = await home.ov(fleet.repo, [...args, '--json'], { env })
  expect(code, output).toBe(0)
  return JSON.parse(stdout)
}
const status = () => json<MonitorAgentReport>('monitor', 'status')

test('it is started once, waits for mail, answers, and is stopped; each time its status says so', async () => {
  expect(await status()).toMatchObject({ monitor: null, running: false })
  expect(await json('monitor', 'start')).toMatchObject({ agent: 'monitor', runtime: 'claude', context: 'new' })
  expect(await json('monitor', 'start')).toMatchObject({ context: 'running' })
  await expect.poll(async () => (await status()).idle).toBe(true)
  expect((await status()).monitor).toMatchObject({ capability: 'monitor', persistent: true, condition: 'waiting' })
  await json('mail', 'send', '--to', 'monitor', '--type', 'question', '--subject', 'Who is stuck?')
  await expect.poll(async () => (await status()).lastWords.join()).toContain('Nobody is stuck.')
  const screen = await home.ov(fleet.repo, ['monitor', '--once'], { env })
  expect(screen.stdout).toMatch(/◐ monitor +for mail/)
  expect(await json('monitor', 'stop')).toMatchObject({ stopped: { agent: 'monitor', state: 'stopped' } })
  expect(await status()).toMatchObject({ running: false, monitor: { condition: 'stopped' } })
})
