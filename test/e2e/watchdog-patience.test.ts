import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsBeyond } from '../../src/events/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/*
 * Whom the watchdog leaves alone and whom not, from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts).
 * A minute of the defaults (nudgeAfter 2 min, toolLimit 30 min) is 600 ms here, for all limits alike.
 */

const MINUTE = 600
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
}

const watch = async () => expect((await ov('watch', '--background')).code).toBe(0)

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
  await expect.poll(() => happened('tool.start')).toHaveLength(1)
  await watch()
  await expect.poll(async () => (await fleet.agent('one')).state).toBe('done')
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
  await watch()
  await expect.poll(() => happened('agent.escalated')).toHaveLength(1)
  expect((await happened('agent.nudged')).length).toBe(3)
  expect((await fleet.agent('one')).state).toBe('working')
  expect(await happened('agent.recovered', 'agent.failed')).toEqual([])
  expect((await ov('mail', 'check')).stdout).toContain('one')
})

test('an agent that meets one error again and again is told that it goes in circles, then the human is asked; one that gets on is not', async () => {
  const tries = (count: number, command: string, said: string) =>
    Array.from({ length: count }, (_, at) =>
      [toolStarts(`t${at}`, command), 'sleep 0.05', toolEnds(`t${at}`, said, true)].join('\n'),
    ).join('\n')
  await open(`
    case "$OV_AGENT $(cat)" in
      stuck*'Make it pass'*) while [ ! -e '${home.path}/enough' ]; do ${tries(1, 'npm test', '3 of 7 failed')}; done;;
      busy*'Make it pass'*)
        for left in 7 6 5 4 3 2 1; do
          ${toolStarts('t', 'npm test')}; sleep 0.05
          printf '{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"%s of 7 failed","is_error":true}]}}\\n' $left >&3
        done
        echo b > b.txt && git add -A && git commit -qm b && ov done --summary 'All pass';;
      *) ov done --no-changes --summary 'Told';;
    esac`)
  await watch()
  await ov('sling', '--name', 'busy', '--task', 'Make it pass')
  await fleet.expectState('busy', 'done')
  // Whoever gets on may be slow on a busy machine; it goes in no circles.
  expect((await happened(...TOUCHED)).filter(({ data }) => data.about === 'loop')).toEqual([])
  await ov('sling', '--name', 'stuck', '--task', 'Make it pass')
  const nudges = async () => (await happened('agent.nudged')).filter(({ data }) => data.about === 'loop')
  await expect.poll(nudges).toHaveLength(1)
  await expect.poll(() => happened('agent.escalated')).toHaveLength(1)
  expect((await happened('agent.escalated'))[0]?.data).toMatchObject({ about: 'loop' })
  expect((await fleet.agent('stuck')).state).toBe('working')
  expect(await happened('agent.recovered', 'agent.failed')).toEqual([])
  expect((await ov('mail', 'check')).stdout).toMatch(/stuck.*(same|circles|again)/s)
})

test('a tool that runs on for longer than tools may is no work any more', async () => {
  await open(`
    case "$(cat)" in
      *'Run all tests'*) ${toolStarts('t1', 'npm run e2e')}; while [ ! -e '${home.path}/enough' ]; do sleep 0.05; done;;
      *) ov done --no-changes --summary 'Woken';;
    esac`)
  await ov('sling', '--name', 'one', '--task', 'Run all tests')
  await expect.poll(() => happened('tool.start')).toHaveLength(1)
  await watch()
  const began = performance.now()
  await expect.poll(() => happened('agent.nudged')).not.toEqual([])
  expect(performance.now() - began).toBeGreaterThan(25 * MINUTE)
  expect(existsSync(join(home.path, 'enough'))).toBe(false)
})
