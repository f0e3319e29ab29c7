import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ownerOf, takeOver } from '../../src/agents/store.ts'
import { write } from '../../src/db/open.ts'
import { escalate } from '../../src/escalation/escalate.ts'
import { eventsBeyond } from '../../src/events/store.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { inHome, inProject } from '../rig/project.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
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

/** Hangs in its first turn, without a sign; does its task when it begins anew. */
const HANGS = `
cat > /dev/null
if [ -e ../hung ]; then echo done > done.txt; git add -A; git commit -qm Done; ov done --summary Done > /dev/null; echo Done.
else touch ../hung; sleep 1000; fi`

const HASTY = 'tier0: { nudgeAfter: 1s, nudgeEvery: 300ms, nudges: 1 }, tier1: { enabled: false }'

/** A process identity that is of no live process. */
const DEAD = { pid: 999_999, start: '1', boot: 'another boot' }

/** A lead (a command) that slings `mute`, an agent that hangs, and then does `more`. */
async function hangingFleet(answerWithin: string, more: string): Promise<void> {
  fleet = await makeFleet(home, { config: `watchdog: { ${HASTY}, tier3: { answerWithin: ${answerWithin} } }\n` })
  const { env } = talkingClaude(home, HANGS)
  const command = `ov sling --runtime claude --name mute --task 'Say nothing' > /dev/null; ${more}`
  const lead = ['--capability', 'lead', '--runtime', 'shell', '--name', 'boss', '--task', 'Lead', '--command', command]
  const slung = await home.ov(fleet.repo, ['sling', ...lead], { env })
  expect(slung.code, slung.output).toBe(0)
  const watcher = await home.ov(fleet.repo, ['watch', '--background'], { env })
  expect(watcher.code, watcher.output).toBe(0)
}

async function escalatedTo(): Promise<string[]> {
  const events = await eventsBeyond(fleet.db, 0, 10_000)
  return events.filter(({ type }) => type === 'agent.escalated').map(({ data_json: data }) => JSON.parse(data).to)
}

async function waiting(): Promise<{ id: string; agent: string; kind: string; options: string[] }[]> {
  return JSON.parse((await home.ov(fleet.repo, ['ask', 'list', '--json'])).stdout).questions
}

test('a lead that does not answer is passed over; the human has the agent begin anew, and its task is done', async () => {
  await hangingFleet('2s', 'sleep 1000')
  await expect.poll(escalatedTo).toEqual(['boss', 'human'])
  const [question, ...others] = await waiting()
  expect(others).toEqual([])
  expect(question).toMatchObject({ agent: 'mute', kind: 'escalation' })
  const { stdout } = await home.ov(fleet.repo, ['ask', 'list'])
  expect(stdout).toContain('mute needs a decision')
  expect(stdout).toMatch(/boss was asked, and has not answered/)
  expect((await home.ov(fleet.repo, ['status'])).stdout).toMatch(/! mute needs a decision.*\n?.*→ ov ask list/)
  const answer = await home.ov(fleet.repo, ['ask', 'answer', question?.id.slice(-8) ?? '', 'restart-fresh'])
  expect([answer.code, answer.stdout]).toEqual([
    0,
    expect.stringMatching(/^mute is to begin anew. Its program or login is missing here: ov watch/),
  ])
  await fleet.expectState('mute', 'done')
  expect(await waiting()).toEqual([])
})

test('a lead that is killed is passed over at once, and the human ends the agent', async () => {
  await hangingFleet('1h', 'sleep 1000')
  await expect.poll(escalatedTo).toEqual(['boss'])
  expect(await waiting()).toEqual([])
  process.kill(ownerOf(await fleet.agent('boss'))?.pid ?? 0, 'SIGKILL')
  await expect.poll(escalatedTo).toEqual(['boss', 'human'])
  const [question] = await waiting()
  const answer = await home.ov(fleet.repo, ['ask', 'answer', question?.id ?? '', 'stop: not worth it'])
  expect([answer.code, answer.stdout]).toEqual([0, 'mute is stopped. Its commits are kept.\n'])
  expect(await fleet.agent('mute')).toMatchObject({ state: 'stopped', reason: 'Stopped by human: not worth it' })
  const late = await home.ov(fleet.repo, ['ask', 'answer', question?.id ?? '', 'wait'])
  expect([late.code, late.output]).toEqual([3, expect.stringContaining('You have answered already: stop')])
})

test.each([
  ['stop: enough', 'before anybody has brought it back', { state: 'stopped', reason: 'Stopped by human: enough' }],
  ['restart-fresh', 'after somebody has', { state: 'done' }],
])(
  'who answers %s and is killed before that is done, and the agent with him, is obeyed %s',
  async (answer, when, end) => {
    fleet = await makeFleet(home)
    const { env } = talkingClaude(home, HANGS)
    const slung = await home.ov(fleet.repo, ['sling', '--runtime', 'claude', '--name', 'mute', '--task', 'x'], { env })
    expect(slung.code, slung.output).toBe(0)
    await expect.poll(() => existsSync(join(fleet.repo, '.overstory', 'worktrees', 'hung'))).toBe(true)
    const { id, fence } = await fleet.agent('mute')
    await inProject(home, fleet.repo, async (project) => {
      const trouble = { agent: id, fence, about: 'silence', ms: 1, seen: 'It hangs.', tried: [] } as const
      await escalate(project, await fleet.agent('mute'), { trouble, why: 'Somebody has to decide.' })
    })
    const decided = { state: 'answered', answer, answered_by: 'human' } as const
    await fleet.db.updateTable('escalations').set(decided).execute()
    process.kill(ownerOf(await fleet.agent('mute'))?.pid ?? 0, 'SIGKILL')
    if (when === 'after somebody has') {
      await inHome(home, async () => {
        const agent = await fleet.agent('mute')
        const taken = await write(fleet.db, (tx) => takeOver(tx, agent, [agent.state], DEAD, 'queued', Date.now()))
        expect(taken).not.toBeNull()
      })
    }
    const up = await home.ov(fleet.repo, ['up'], { env })
    expect(up.code, up.output).toBe(0)
    await expect.poll(() => fleet.agent('mute')).toMatchObject(end)
    await expect
      .poll(() => fleet.db.selectFrom('escalations').select('state').executeTakeFirstOrThrow())
      .toEqual({ state: 'done' })
  },
)

test('a lead answers by mail, and code does what it decided', async () => {
  await hangingFleet(
    '1h',
    `id=$(ov mail wait --type escalation --json | sed -n 's/.*"id": "\\(.*\\)".*/\\1/p' | head -1); ov mail reply "$id" --body restart-fresh`,
  )
  await fleet.expectState('mute', 'done')
  expect(await escalatedTo()).toEqual(['boss'])
})
