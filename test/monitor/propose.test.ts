import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventsBeyond, recordEvent } from '../../src/events/store.ts'
import { tellMonitor } from '../../src/monitor/digest.ts'
import type { Proposed } from '../../src/monitor/propose.ts'
import { fileState } from '../../src/os/files.ts'
import { type Fleet, makeFleet } from '../rig/fleet.ts'
import { type Judging, judgingClaude } from '../rig/judging-claude.ts'
import { inProject } from '../rig/project.ts'
import { type Home, makeHome } from '../rig/sandbox-home.ts'
import { slingShell } from '../rig/shell-sling.ts'
import { talkingClaude } from '../rig/talking-claude.ts'

let home: Home
let fleet: Fleet
/** What every runner sees: who brings an agent back has to find its program. */
let env: Record<string, string>
beforeEach(async () => {
  home = makeHome()
  fleet = await makeFleet(home)
})
afterEach(async () => {
  await fleet.db.destroy()
  await home.dispose()
})

/** An agent, `mute`, that works and shows nothing. */
async function mute(): Promise<Judging> {
  const judge = judgingClaude(home, 'exit 1')
  env = judge.env
  const slung = await home.ov(fleet.repo, ['sling', '--name', 'mute', '--task', 'Say nothing'], { env })
  expect(slung.code, slung.output).toBe(0)
  await expect.poll(judge.heard).toContain('Say nothing')
  await expect.poll(() => happened('runtime.started')).toHaveLength(1)
  return judge
}

let spoken = 0
/** What an agent of this capability gets that proposes this. */
async function proposed(
  words: string,
  { capability = 'monitor', about = 'mute' } = {},
): Promise<Proposed & { error?: { code: string } }> {
  spoken += 1
  const out = join(home.path, `said-${spoken}`)
  const command = `ov monitor propose --agent ${about} --why "I saw it" ${words} --json > '${out}'; true`
  const slung = await home.ov(fleet.repo, slingShell(`speaker-${spoken}`, command, '--capability', capability), { env })
  expect(slung.code, slung.output).toBe(0)
  await expect.poll(() => existsSync(out) && readFileSync(out, 'utf8')).toMatch(/\}\s*$/)
  return JSON.parse(readFileSync(out, 'utf8'))
}

async function happened(type: string): Promise<Record<string, unknown>[]> {
  const events = await eventsBeyond(fleet.db, 0, 10_000)
  return events.filter((event) => event.type === type).map(({ data_json }) => JSON.parse(data_json))
}

/** As the mechanical tier does it when its nudges are used up. */
async function raise(about: 'silence' | 'dialog'): Promise<void> {
  const { id, run_id: runId, task_id: taskId } = await fleet.agent('mute')
  const data = { about, ms: 600_000, seen: 'It has shown nothing for 10 minutes.', tried: ['It was nudged.'] }
  const facts = { at: Date.now(), runId, agentId: id, taskId }
  const logSize = fileState(join(fleet.repo, '.overstory', 'logs', id, 'output.ndjson'))?.size ?? 0
  await recordEvent(fleet.db, { ...facts, type: 'agent.nudged', data: { about, nth: 1, silentMs: 1, logSize } })
  await recordEvent(fleet.db, { ...facts, type: 'agent.raised', data })
}

test('what a monitor proposes mildly is done, and bears its name', async () => {
  const judge = await mute()
  expect(await proposed('--verdict nudge --text "Use port 8080."')).toMatchObject({
    agent: 'mute',
    proposed: 'nudge',
    done: 'nudge',
    objection: null,
  })
  await expect.poll(judge.heard).toContain('Use port 8080.')
  expect(await proposed('--verdict wait --minutes 20')).toMatchObject({ done: 'wait', waitMs: 1_200_000 })
  expect(await happened('agent.triaged')).toMatchObject([
    { verdict: 'nudge', by: 'speaker-1', why: 'I saw it' },
    { verdict: 'wait', by: 'speaker-2', waitMs: 1_200_000 },
  ])
})

test('nobody is ended by its word alone: it takes that software has raised the agent; else a person is asked', async () => {
  const judge = await mute()
  const { owner_pid: pid } = await fleet.agent('mute')
  expect(await proposed('--verdict give-up')).toMatchObject({
    done: 'ask-human',
    objection: 'Software finds nothing wrong with it.',
  })
  await raise('dialog')
  expect(await proposed('--verdict resume')).toMatchObject({ done: 'ask-human' })
  expect((await fleet.agent('mute')).owner_pid).toBe(pid)
  const asked = await fleet.db.selectFrom('mail').selectAll().where('type', '=', 'escalation').execute()
  expect(asked.map(({ reader }) => reader)).toEqual(['human', 'human'])
  await raise('silence')
  expect(await proposed('--verdict resume')).toMatchObject({ done: 'resume', objection: null })
  await expect.poll(judge.heard).toContain('cut off in the middle of a turn')
  expect((await fleet.agent('mute')).owner_pid).not.toBe(pid)
})

test('only a monitor may: no other agent, not the human, nobody about who has ended or about itself', async () => {
  await mute()
  expect((await proposed('--verdict give-up', { capability: 'builder' })).error?.code).toBe('monitor.not-yours')
  expect((await proposed('--verdict wait', { about: `speaker-${spoken + 1}` })).error?.code).toBe('monitor.itself')
  const human = ['monitor', 'propose', '--agent', 'mute', '--verdict', 'give-up', '--why', 'I say so']
  const said = await home.ov(fleet.repo, human)
  expect([said.code, said.output]).toEqual([2, expect.stringContaining('is for agents')])
  await home.ov(fleet.repo, ['stop', 'mute'])
  expect((await proposed('--verdict resume')).error?.code).toBe('monitor.ended')
  expect(await happened('agent.triaged')).toEqual([])
})

test('a monitor agent is mailed a pattern once, at most every so often, and only while it runs', async () => {
  const { env } = talkingClaude(home, 'cat > /dev/null; echo I see.')
  await fleet.sling('one', 'sleep 600')
  const { id } = await fleet.agent('one')
  const storm = async (gate: string) => {
    for (const agentId of [id, id, (await fleet.agent('two')).id])
      await recordEvent(fleet.db, { at: Date.now(), type: 'merge.rejected', agentId, data: { why: 'gate', gate } })
  }
  await fleet.sling('two', 'sleep 600')
  await storm('lint')
  const tell = () => inProject(home, fleet.repo, async (project) => (await tellMonitor(project)).map(({ key }) => key))
  expect(await tell()).toEqual([])
  const started = await home.ov(fleet.repo, ['monitor', 'start', '--runtime', 'claude'], { env })
  expect(started.code, started.output).toBe(0)
  expect(await tell()).toEqual(['gate:lint'])
  await storm('build')
  expect(await tell()).toEqual([])
  await fleet.db
    .updateTable('events')
    .set({ at: Date.now() - 700_000 })
    .where('type', '=', 'monitor.digest')
    .execute()
  expect(await tell()).toEqual(['gate:build'])
  const monitor = await fleet.agent('monitor')
  const mails = await fleet.db.selectFrom('mail').selectAll().where('reader', '=', monitor.id).orderBy('seq').execute()
  expect(mails.map(({ body }) => /The gate (\w+) was red for one and two/.exec(body)?.[1])).toEqual(['lint', 'build'])
  await expect
    .poll(async () =>
      (await fleet.db.selectFrom('mail').selectAll().where('reader', '=', monitor.id).execute()).every(
        ({ delivered_at: at }) => at !== null,
      ),
    )
    .toBe(true)
})

test('the watchdog tells it by itself', async () => {
  const { env } = talkingClaude(home, 'cat > /dev/null; echo I see.')
  await home.ov(fleet.repo, ['monitor', 'start', '--runtime', 'claude'], { env })
  await fleet.sling('one', 'sleep 600')
  await fleet.sling('two', 'sleep 600')
  for (const name of ['one', 'one', 'two']) {
    const { id: agentId } = await fleet.agent(name)
    await recordEvent(fleet.db, { at: Date.now(), type: 'merge.rejected', agentId, data: { why: 'conflict' } })
  }
  const watch = await home.ov(fleet.repo, ['watch', '--background'], { env })
  expect(watch.code, watch.output).toBe(0)
  await expect.poll(() => happened('monitor.digest')).toEqual([{ patterns: ['conflicts'] }])
})
