import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AgentStateName } from '../../src/contract/states.ts'
import type { Inspection } from '../../src/reports/inspect.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { git, type Home, makeHome } from '../rig/sandbox-home.ts'
import { type Talking, talkingClaude } from '../rig/talking-claude.ts'

/* `ov retry` from outside, with a FAKE `claude` that talks (test/rig/talking-claude.ts). */

let home: Home
let fleet: Fleet
let claude: Talking
beforeEach(() => {
  home = makeHome()
})
afterEach(() => home.dispose())

async function open(brain: string): Promise<void> {
  claude = talkingClaude(home, brain)
  fleet = await makeFleet(home, { config: 'runtime: { default: claude }\nload: { enabled: false }\n' })
}

const ov = (...args: string[]) =>
  home.ov(fleet.repo, args, { env: { ...claude.env, ANTHROPIC_API_KEY: 'sk-fake-key' } })
const retry = async (...args: string[]) => JSON.parse((await ov('retry', ...args, '--json')).stdout)
const prompts = () => claude.heard().map(({ prompt }) => prompt)
const sessions = () => [...new Set(claude.heard().map(({ session }) => session))]
const reached = async (state: AgentStateName) => {
  await expect.poll(async () => (await fleet.agent('builder-1')).state).toBe(state)
  return fleet.agent('builder-1')
}

/** Commits, leaves a file uncommitted and gives up; asked to try again, it finishes. */
const GIVES_UP = `
  case "$(cat)" in
    *'try again'*|*'You begin anew'*) git add -A && git commit -qm 'Second half' && ov done --summary 'Both halves';;
    *) echo one > one.txt && git add -A && git commit -qm 'First half' && echo two > two.txt && ov fail --reason 'Too hard';;
  esac`

test('a task that failed goes on where it was: same branch, same worktree, same conversation; and is merged', async () => {
  await open(GIVES_UP)
  await ov('sling', '--task', 'Write two halves')
  await reached('failed')
  const before = await fleet.agent('builder-1')
  const retried = await ov('retry', 'builder-1')
  expect([retried.code, retried.stdout]).toEqual([
    0,
    expect.stringContaining(`builder-1 goes on with its conversation, on ${before.branch} (claude).`),
  ])
  const after = await reached('done')
  expect(after).toMatchObject({ id: before.id, branch: before.branch, reason: null })
  expect(readFileSync(join(fleet.repo, 'one.txt'), 'utf8')).toBe('one\n')
  expect(readFileSync(join(fleet.repo, 'two.txt'), 'utf8')).toBe('two\n')
  expect(sessions()).toHaveLength(1)
  expect(prompts().at(-1)).toContain('Your task has failed: Too hard')

  const again = await ov('retry', 'builder-1')
  expect(again).toMatchObject({ code: 2, output: expect.stringContaining('The task of builder-1 is merged as') })
  expect(again.output).toContain('ov sling --task')
})

test('with --fresh it begins a conversation of its own, told from the records; a task is as good as its agent', async () => {
  await open(GIVES_UP)
  await ov('sling', '--task', 'Write two halves')
  await reached('failed')
  expect(await retry((await fleet.agent('builder-1')).task_id, '--fresh')).toMatchObject({
    agent: 'builder-1',
    context: 'digest',
    runtime: 'claude',
  })
  await reached('done')
  expect(sessions()).toHaveLength(2)
  expect(prompts().at(-1)).toContain('Your task:\n\nWrite two halves')
  expect(git(home, fleet.repo, 'log', '--format=%s')).toContain('Second half')
})

test('what was put aside for dying again and again may die as often again before it is', async () => {
  await open(
    `cat > /dev/null; test -f '${home.path}/mended' && ov done --no-changes --summary 'Well' && exit; echo 'Out of luck: sk-fake-key' >&2; exit 42`,
  )
  await ov('sling', '--task', 'Die')
  await reached('failed')
  const failed = claude.heard().length
  const { failures } = JSON.parse((await ov('inspect', 'builder-1', '--json')).stdout) as Inspection
  expect(failures).toMatchObject([
    {
      cause: 'crash',
      turn: 1,
      runtime: 'claude',
      model: 'fake',
      version: '2.1.328',
      exitCode: 1,
      signal: null,
      stderr: 'Out of luck: [ANTHROPIC_API_KEY]',
      prompt: expect.stringMatching(/^[0-9a-f]{12}$/),
    },
    ...failures.slice(1),
  ])
  expect((await ov('inspect', 'builder-1')).stdout).toMatch(
    /Failures +.* · turn 1 · crash, exit code 1 · claude 2\.1\.328 fake:/,
  )
  await ov('retry', 'builder-1')
  await expect.poll(async () => (await fleet.agent('builder-1')).fence).toBeGreaterThan(2)
  await reached('failed')
  expect(claude.heard().length).toBeGreaterThan(failed)
  writeFileSync(join(home.path, 'mended'), '')
  await ov('retry', 'builder-1')
  await reached('done')
})

test('who is stopped is tried again with its task, a command too; who is at work is left alone', async () => {
  await open('cat > /dev/null; sleep 600')
  await ov('sling', '--task', 'Wait')
  await reached('working')
  expect(await ov('retry', 'builder-1')).toMatchObject({ code: 4, output: expect.stringContaining('is at work') })
  await ov('stop', 'builder-1')
  expect(await retry('builder-1')).toMatchObject({ agent: 'builder-1', queued: false })
  await reached('working')

  await fleet.sling('half', `test -f '${home.path}/there' && touch done.txt && git add -A && git commit -qm Done`)
  await fleet.expectState('half', 'failed')
  writeFileSync(join(home.path, 'there'), '')
  await retry('half')
  await fleet.expectState('half', 'done')
  expect(existsSync(join(fleet.repo, 'done.txt'))).toBe(true)
})

test('who waits for its account is taken up anew, and nothing of the runner it had is left', async () => {
  await open('cat > /dev/null; echo $(($(date +%s) + 3600)); exit 43')
  await ov('sling', '--task', 'Wait')
  const waits = async () => (await fleet.agent('builder-1')).waiting_on
  await expect.poll(waits).toBe('rate_limit')
  expect(await retry('builder-1')).toMatchObject({ agent: 'builder-1', context: 'resumed' })
  expect(await ov('fsck')).toMatchObject({ code: 0, stdout: expect.not.stringContaining('socket') })
  await expect.poll(waits).toBe('rate_limit')
})
