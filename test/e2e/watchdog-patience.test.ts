import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsBeyond } from '../../src/events/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/*
 * Whom the watchdog leaves alone and whom not, from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts).
 * A minute of the defaults (nudgeAfter 2 min, toolLimit 30 min) is 300 ms here, for all limits alike.
 */

const MINUTE = 300
const LIMITS = `{ interval: 1s, nudgeAfter: ${2 * MINUTE}ms, nudgeEvery: ${2 * MINUTE}ms, toolLimit: ${30 * MINUTE}ms }`

let home: Home
let fleet: Fleet
let claude: Talking
beforeEach(() => {
  home = makeHome()
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

async function open(brain: string): Promise<void> {
  claude = talkingClaude(home, brain)
  fleet = await makeFleet(home, {
    config: `runtime: { default: claude }\nwatchdog: { tier0: ${LIMITS}, tier1: { enabled: false } }\n`,
  })
  expect((await ov('watch', '--background')).code).toBe(0)
}

const ov = (...args: string[]) => home.ov(fleet.repo, args, { env: claude.env })

/** Begins or ends a tool of the agent's, as its CLI reports it. */
const toolStarts = (id: string, command: string) =>
  says({ type: 'assistant', message: { content: [{ type: 'tool_use', id, name: 'Bash', input: { command } }] } })
const toolEnds = (id: string, said: string, failed = false) =>
  says({
    type: 'user',
    message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: id, content: said, is_error: failed }] },
  })
const says = (frame: object) => `printf '%s\\n' '${JSON.stringify(frame)}' >&3`

async function happened(...types: string[]): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const events = await eventsBeyond(fleet.db, 0, 10_000)
  return events
    .filter(({ type }) => types.includes(type))
    .map(({ type, data_json: data }) => ({ type, data: JSON.parse(data) }))
}

const TOUCHED = ['agent.nudged', 'agent.raised', 'agent.triaged', 'agent.escalated', 'agent.recovered', 'agent.failed']

test('a healthy agent in a tool call of twenty minutes is left alone, and its work lands', async () => {
  await open(`
    cat > /dev/null
    ${toolStarts('t1', 'npm run e2e')}
    sleep ${(20 * MINUTE) / 1000}
    ${toolEnds('t1', 'all passed')}
    echo one > one.txt && git add -A && git commit -qm One && ov done --summary One`)
  await ov('sling', '--name', 'one', '--task', 'Run all tests')
  await expect.poll(() => happened('tool.start'), { timeout: 15_000 }).toHaveLength(1)
  await fleet.expectState('one', 'done')
  expect(await happened('tool.start', 'tool.end')).toHaveLength(2)
  expect(await happened(...TOUCHED)).toEqual([])
  expect(git(home, fleet.repo, 'show', 'main:one.txt')).toBe('one')
  expect(claude.heard()).toHaveLength(1)
})

test('the same silence without a tool is nudged, and after the last nudge the human is asked; nobody ends it', async () => {
  await open(`
    case "$(cat)" in
      *'Run all tests'*) while [ ! -e '${home.path}/enough' ]; do sleep 0.05; done;;
      *) ov done --no-changes --summary 'Woken';;
    esac`)
  await ov('sling', '--name', 'one', '--task', 'Run all tests')
  await expect.poll(() => happened('agent.escalated'), { timeout: 30_000 }).toHaveLength(1)
  expect((await happened('agent.nudged')).length).toBe(3)
  expect((await fleet.agent('one')).state).toBe('working')
  expect(await happened('agent.recovered', 'agent.failed')).toEqual([])
  expect((await ov('mail', 'check')).stdout).toContain('one')
})

test('a tool that runs on for longer than tools may is no work any more', async () => {
  await open(`
    case "$(cat)" in
      *'Run all tests'*) ${toolStarts('t1', 'npm run e2e')}; while [ ! -e '${home.path}/enough' ]; do sleep 0.05; done;;
      *) ov done --no-changes --summary 'Woken';;
    esac`)
  await ov('sling', '--name', 'one', '--task', 'Run all tests')
  await expect.poll(() => happened('tool.start'), { timeout: 15_000 }).toHaveLength(1)
  const began = performance.now()
  await expect.poll(() => happened('agent.nudged'), { timeout: 40_000 }).not.toEqual([])
  expect(performance.now() - began).toBeGreaterThan(25 * MINUTE)
  expect(existsSync(join(home.path, 'enough'))).toBe(false)
})
